//! The relay, those around it, and what they know from what they were told.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hearth::clock::{Now, Tick, Timestamp};
use hearth::ids::{ParticipantId, Secret};
use hearth::turn::Limits;
use hearth::turn::server::{ClientSocket, Config, NoPort, Output, PeerSocket, Port, Server, Transport};
use stun::agent::TransactionId;

use super::request::{self, Request};
use super::script::Script;
use super::told::{self, Cause, Input, Known};
use super::ways::{Entrance, Ways};

pub const REALM: &str = "hearth";
pub const SECRET: [u8; 32] = [7; 32];
pub const TTL: Duration = Duration::from_secs(24 * 60 * 60);
pub const PARTICIPANTS: usize = 3;
const CLIENTS: usize = 6;

const PEERS: [&str; 20] = [
    "9.9.9.9:5000",
    "9.9.9.9:6000",
    "9.9.9.10:5000",
    "[2a00:1450::99]:5000",
    "[2a00:1450::98]:5000",
    "8.8.8.1:4000",
    "10.0.0.1:5000",
    "10.1.0.1:5000",
    "10.1.0.7:5000",
    "127.0.0.1:80",
    "169.254.169.254:80",
    "192.168.1.10:5000",
    "192.168.1.11:5000",
    "198.41.0.4:443",
    "198.41.0.5:443",
    "[::ffff:9.9.9.9]:5000",
    "[::1]:80",
    "[fd00::7]:5000",
    "[64:ff9b::909:909]:5000",
    "9.9.9.9:0",
];
const LISTED: [(&str, u8); 4] = [("10.1.0.0", 16), ("192.168.1.10", 32), ("fd00::", 64), ("0.0.0.0", 2)];
const LOCAL: [&str; 6] = ["10.1.0.7", "192.168.1.10", "127.0.0.1", "::1", "9.9.9.10", "2a00:1450::98"];
const PAUSES: [u64; 12] = [0, 1, 999, 1_000, 9_999, 10_000, 30_000, 299_999, 300_000, 600_000, 1_800_000, 86_400_000];

/// Nobody has said anything.
const ENDED: Input<'static> = Input { by: None, bytes: &[], cause: Cause::End };

pub struct World {
    server: Server,
    now: Now,
    known: Known,
    ways: Ways,
    nonces: BTreeMap<usize, String>,
    asked: BTreeMap<usize, Request>,
    ids: u64,
    ports: u16,
    outputs: Vec<Output>,
}

impl World {
    pub fn new(setup: u8) -> Self {
        let set = |bit: u8| setup & (1 << bit) != 0;
        let ip = |text: &str| text.parse::<IpAddr>().expect("the texts are addresses");
        let mut published = vec![(ip("198.41.0.4"), ip(if set(0) { "198.41.0.5" } else { "198.41.0.4" }))];
        published.extend(set(1).then(|| (ip("2a00:1450::4"), ip("2a00:1450::4"))));
        let listed: Vec<(IpAddr, u8)> = LISTED.iter().filter(|_| set(2)).map(|(net, prefix)| (ip(net), *prefix)).collect();
        let limits = Limits {
            allocations_per_user: if set(3) { 2 } else { 4 },
            allocations_per_source: if set(3) { 3 } else { 6 },
            allocations: if set(3) { 4 } else { 8 },
            permissions_per_allocation: 3,
            channels_per_allocation: 2,
            challenges_per_second: if set(4) { 10 } else { 1_000 },
            bindings_per_second: 2,
            bytes_per_second: 1_000,
            bytes_per_second_per_user: 1_800,
            bytes_per_second_in_all: set(5).then_some(1_500),
        };
        let config = Config {
            realm: REALM.to_owned(),
            secret: Secret::new(SECRET),
            shared_secret: None,
            published: published.clone(),
            allow_peers: listed.clone(),
            keeps_whole: set(6),
            limits: limits.clone(),
            seed: Secret::new([9; 32]),
        };
        let now = Now { tick: Tick::from_millis(1_000_000), wall: Timestamp::from_millis(1_700_000_000_000) };
        Self {
            server: Server::new(config),
            now,
            known: Known::new(published, listed, limits),
            ways: Ways::default(),
            nonces: BTreeMap::new(),
            asked: BTreeMap::new(),
            ids: 0,
            ports: 50_000,
            outputs: Vec::new(),
        }
    }

    /// Plays the script to its end, closes the relay, and returns all that it put out.
    pub fn play(mut self, mut script: Script<'_>) -> Vec<Output> {
        while self.step(&mut script).is_some() {
            self.known.check_quotas(&self.server);
            self.known.check_holdings(self.now.tick);
        }
        self.close();
        self.outputs
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.byte()? % 16 {
            0 => self.stranger(script),
            1..=4 => self.request(script),
            5 => self.say(script),
            6 | 7 => self.channel(script),
            8 | 9 => self.hear(script),
            10 | 11 => self.open(script),
            12 => self.wait(script),
            13 => self.admission(script),
            14 => self.gone(script),
            _ => self.addresses(script),
        }
    }

    /// Bytes as they come.
    fn stranger(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (who, length) = (script.byte()?, usize::from(script.byte()?));
        self.datagram(usize::from(who), script.bytes(length), Cause::Bytes);
        Some(())
    }

    fn request(&mut self, script: &mut Script<'_>) -> Option<()> {
        let who = usize::from(script.byte()?) % CLIENTS;
        if !self.nonces.contains_key(&who) {
            let id = self.new_id();
            self.datagram(who, &request::greeting(id), Cause::Bytes);
        }
        let request = request::request(script, self, who)?;
        self.asked.insert(who, request.clone());
        self.datagram(who, &request.bytes, Cause::Request(&request));
        Some(())
    }

    fn say(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (who, peer, length) = (script.byte()?, self.peer(script)?, usize::from(script.byte()?));
        let (id, data) = (self.new_id(), script.bytes(length));
        let packet = request::send_indication(id, peer, data);
        self.datagram(usize::from(who), &packet, Cause::Payload { to: Some(peer), channel: None, data });
        Some(())
    }

    fn channel(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (who, number) = (script.byte()?, 0x3fff + u16::from(script.byte()? % 8));
        let (length, behind) = (usize::from(script.byte()?), script.byte()? % 4);
        let data = script.bytes(length);
        let told = u16::try_from(data.len()).expect("a byte was its length");
        let packet = [&number.to_be_bytes(), &told.to_be_bytes(), data, &[0; 3][..usize::from(behind)]].concat();
        self.datagram(usize::from(who), &packet, Cause::Payload { to: None, channel: Some(number), data });
        Some(())
    }

    /// A packet of a peer comes to a relay socket; or to one that is not open, as when it was just closed.
    fn hear(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (relay, peer, length) = (script.byte()?, self.peer(script)?, usize::from(script.byte()?));
        let (relay, data) = (self.known.nth_relay(relay), script.bytes(length));
        let throttled = self.server.counters().throttled;
        self.server.handle_peer(relay, PeerSocket(peer), data, self.now);
        let outputs = self.settle(&Input { by: None, bytes: data, cause: Cause::Peer { relay, peer } });
        self.check_way(Entrance::Relay(relay, PeerSocket(peer)), &outputs, throttled);
        self.check_timer();
        Some(())
    }

    /// The edge has opened a relay socket, or couldn't.
    fn open(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (which, fails) = (script.byte()?, script.byte()? % 4 == 0);
        let Some((relay, family, port)) = self.known.take_awaited(which) else { return Some(()) };
        self.ports = (self.ports + 2).max(50_000);
        let odd = u16::from(port == Port::Any);
        let bound = self.known.relay_address(family).map(|ip| SocketAddr::new(ip, self.ports + odd));
        let outcome = bound.filter(|_| !fails).ok_or(NoPort);
        self.known.note_opened(relay, outcome);
        self.server.relay_opened(relay, outcome, self.now);
        self.settle(&Input { by: None, bytes: &[], cause: Cause::Opened { relay } });
        Some(())
    }

    /// Time passes, with the timer or while it sleeps on.
    fn wait(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (pause, oversleeps) = (script.one_of(&PAUSES)?, script.byte()? % 4 == 0);
        let end = self.now.tick.plus(Duration::from_millis(pause));
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end && !oversleeps) {
            self.set_clock(due.max(self.now.tick));
            self.server.handle_timeout(self.now);
            self.settle(&ENDED);
            self.check_timer();
        }
        self.set_clock(end);
        Some(())
    }

    fn admission(&mut self, script: &mut Script<'_>) -> Option<()> {
        let who = script.byte()?;
        let number = usize::from(who / 2) % PARTICIPANTS;
        if who % 2 == 0 {
            self.known.note_readmitted(number);
            self.server.readmit(participant(number));
        } else {
            self.server.revoke(participant(number), self.now);
            self.settle(&ENDED);
            self.known.note_revoked(number, self.now.wall);
        }
        Some(())
    }

    /// A client's stream ends, or the whole relay does.
    fn gone(&mut self, script: &mut Script<'_>) -> Option<()> {
        let who = script.byte()?;
        if who == 0xff {
            self.close();
            return Some(());
        }
        let client = client(usize::from(who));
        self.server.client_gone(client);
        self.settle(&ENDED);
        self.known.check_gone(client, &self.server);
        Some(())
    }

    fn addresses(&mut self, script: &mut Script<'_>) -> Option<()> {
        let chosen = script.byte()?;
        let ips = LOCAL.iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0);
        let local: HashSet<IpAddr> = ips.map(|(_, ip)| ip.parse().expect("the texts are addresses")).collect();
        self.known.note_local(local.clone());
        self.server.set_local_addresses(local);
        Some(())
    }

    fn close(&mut self) {
        self.server.close();
        self.settle(&ENDED);
        self.known.check_closed(&self.server);
    }

    fn datagram(&mut self, who: usize, bytes: &[u8], cause: Cause<'_>) {
        let client = client(who);
        let held = self.server.holds(client);
        let throttled = self.server.counters().throttled;
        self.server.handle_datagram(client, bytes, self.now);
        let outputs = self.settle(&Input { by: Some(client), bytes, cause });
        self.check_timer();
        if let [n0 @ 0x40..=0x4F, n1, l0, l1, data @ ..] = bytes
            && usize::from(u16::from_be_bytes([*l0, *l1])) <= data.len()
        {
            self.check_way(Entrance::Channel(client, u16::from_be_bytes([*n0, *n1])), &outputs, throttled);
        }
        let mut said = 0;
        for output in &outputs {
            if let Output::Answer { client: to, message } = output {
                said += 1;
                assert_eq!(*to, client, "somebody else was answered");
                let reflected = message.len() + 28 > 2 * (bytes.len() + 28);
                assert!(held || !reflected, "{} bytes answered {}", message.len(), bytes.len());
                self.nonces.extend(told::nonce(message).map(|nonce| (who % CLIENTS, nonce)));
            } else if matches!(output, Output::ToPeer { .. } | Output::ToClient { .. }) {
                said += 1;
            }
        }
        assert!(said <= 1, "one packet caused several: {outputs:?}");
    }

    /// Checks the way of a packet before which so many had been throttled.
    fn check_way(&mut self, entrance: Entrance, outputs: &[Output], throttled: u64) {
        let throttled = self.server.counters().throttled > throttled;
        self.ways.check(entrance, &self.server, outputs, throttled, self.now);
    }

    /// Takes what the relay puts out, looks at it, and keeps it.
    fn settle(&mut self, input: &Input<'_>) -> Vec<Output> {
        let outputs: Vec<Output> = std::iter::from_fn(|| self.server.poll_output()).collect();
        for output in &outputs {
            self.known.take(output, input, self.now);
        }
        self.outputs.extend(outputs.iter().cloned());
        outputs
    }

    /// What has ended was seen to when something was last handed in.
    fn check_timer(&self) {
        assert!(self.server.poll_timeout().is_none_or(|next| next > self.now.tick), "the timer asks for what is over");
    }

    fn set_clock(&mut self, tick: Tick) {
        self.now = Now { tick, wall: self.now.wall.plus(tick.since(self.now.tick)) };
    }

    // What a script may speak of.

    pub fn now(&self) -> Now {
        self.now
    }

    pub fn new_id(&mut self) -> TransactionId {
        self.ids += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.ids.to_be_bytes());
        TransactionId(id)
    }

    /// One of the peers, or of the relay's own sockets.
    pub fn peer(&self, script: &mut Script<'_>) -> Option<SocketAddr> {
        let choice = usize::from(script.byte()?);
        let own = choice.checked_sub(200).and_then(|choice| self.known.nth_address(choice));
        Some(own.unwrap_or_else(|| PEERS[choice % PEERS.len()].parse().expect("the texts are addresses")))
    }

    pub fn nonce(&self, who: usize) -> String {
        self.nonces.get(&(who % CLIENTS)).cloned().unwrap_or_default()
    }

    /// What this client asked last.
    pub fn asked(&self, who: usize) -> Option<Request> {
        self.asked.get(&who).cloned()
    }

    /// A token that somebody got, or one that nobody has.
    pub fn token(&self, choice: u8) -> Vec<u8> {
        self.known.nth_token(choice).unwrap_or_else(|| vec![choice; 8])
    }
}

pub fn participant(number: usize) -> ParticipantId {
    ParticipantId::from_bytes([u8::try_from(number).expect("there are few"); 10])
}

/// Two neighbours behind one address, two streams, and two at IPv6.
fn client(who: usize) -> ClientSocket {
    let (transport, remote) = match who % CLIENTS {
        0 => (Transport::Udp, "8.8.8.1:4000"),
        1 => (Transport::Udp, "8.8.8.1:4001"),
        2 => (Transport::Tcp, "8.8.8.2:4000"),
        3 => (Transport::Tls, "8.8.8.3:4000"),
        4 => (Transport::Udp, "[2a00:1450::1:1]:4000"),
        _ => (Transport::Udp, "[2a00:1450::1:2]:4000"),
    };
    let local = if who % CLIENTS < 4 { "198.41.0.4:3478" } else { "[2a00:1450::4]:3478" };
    let address = |text: &str| text.parse().expect("the texts are addresses");
    ClientSocket { transport, local: address(local), remote: address(remote) }
}
