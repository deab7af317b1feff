//! What the relay counts instead of logging, so that no stranger can fill the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// Defines the counters once, as atomics to add to and as numbers to read.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the relay has done since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
            /// Allocations alive now.
            pub allocations: u64,
        }

        #[derive(Debug, Default)]
        pub(super) struct Tally {
            $(pub(super) $name: Count,)*
        }

        impl Tally {
            pub(super) fn read(&self, allocations: u64) -> Counters {
                Counters { $($name: self.$name.get(),)* allocations }
            }
        }
    };
}

counters! {
    /// Datagrams that arrived at the listeners.
    received,
    /// Datagrams dropped because they are no message that a client may send.
    malformed,
    /// Answers not given because the source had its share for the second.
    limited,
    /// Binding requests answered.
    bindings,
    /// Requests answered with 401 or 438.
    challenged,
    /// Authenticated requests refused with another code.
    refused,
    /// Allocations made.
    allocated,
    /// Peers refused by the peer policy, in requests and in packets.
    forbidden,
    /// Packets dropped because no permission or channel covers them.
    unpermitted,
    /// Packets sent to peers.
    packets_out,
    /// Bytes sent to peers.
    bytes_out,
    /// Packets that came from peers.
    packets_in,
    /// Bytes that came from peers.
    bytes_in,
    /// Sends that the system refused.
    send_errors,
    /// Receives that the system refused, and packets too long to be relayed whole.
    receive_errors,
}

/// One counter.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn one(&self) {
        self.more(1);
    }

    pub(super) fn more(&self, by: usize) {
        self.0.fetch_add(by as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
