//! What the relay counts instead of logging, so that no stranger can fill the log.

/// What the relay has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams and frames of streams that arrived at the listeners.
    pub received: u64,
    /// Datagrams and frames dropped because they are no message that a client may send.
    pub malformed: u64,
    /// Answers not given because the source had its share for the second.
    pub limited: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// Requests without a good name, password and nonce that were answered: with 401 or 438, or with 400 where they can't be read.
    pub challenged: u64,
    /// Those of the challenged and the limited that had a name, realm or password that is not good.
    pub failed_authentications: u64,
    /// Authenticated requests refused, for another reason than the peers they name.
    pub refused: u64,
    /// Allocations made.
    pub allocated: u64,
    /// Authenticated requests refused because the peer policy forbids a peer they name.
    pub forbidden: u64,
    /// Packets dropped because the peer policy forbids the peer they go to or come from.
    pub forbidden_packets: u64,
    /// Packets dropped because no permission or channel covers them, or not any longer.
    pub unpermitted: u64,
    /// Packets dropped because an allocation, its holder, or the relay as a whole moved more than its share.
    pub throttled: u64,
    /// Packets sent to peers.
    pub packets_out: u64,
    /// Bytes sent to peers.
    pub bytes_out: u64,
    /// Packets that came from peers.
    pub packets_in: u64,
    /// Bytes that came from peers.
    pub bytes_in: u64,
    /// Sends that the system refused, and packets for clients that read too slowly.
    pub send_errors: u64,
    /// Receives that the system refused.
    pub receive_errors: u64,
    /// Allocations alive now.
    pub allocations: u64,
    /// Those of them that were made by UDP.
    pub allocations_by_udp: u64,
    /// Those of them that were made by TCP.
    pub allocations_by_tcp: u64,
    /// Those of them that were made by TLS.
    pub allocations_by_tls: u64,
}

impl Counters {
    /// Adds what an allocation has moved.
    pub(super) const fn add(&mut self, traffic: Traffic) {
        self.packets_out += traffic.packets_out;
        self.bytes_out += traffic.bytes_out;
        self.packets_in += traffic.packets_in;
        self.bytes_in += traffic.bytes_in;
        self.throttled += traffic.throttled;
    }
}

/// What one allocation, or all of one participant together, have moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets from the client to peers.
    pub packets_out: u64,
    /// Bytes from the client to peers.
    pub bytes_out: u64,
    /// Packets from peers to the client.
    pub packets_in: u64,
    /// Bytes from peers to the client.
    pub bytes_in: u64,
    /// Packets of either direction that went over the allocation's share.
    pub throttled: u64,
}

impl std::ops::Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets_out: self.packets_out + other.packets_out,
            bytes_out: self.bytes_out + other.bytes_out,
            packets_in: self.packets_in + other.packets_in,
            bytes_in: self.bytes_in + other.bytes_in,
            throttled: self.throttled + other.throttled,
        }
    }
}
