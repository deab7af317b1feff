//! What holds however people, peers, time and strangers' bytes come in turn.
//!
//! Beside the relay runs a model that knows only what clients were answered: from whom to whom packets may pass follows from that.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ::turn::proto::lifetime::Lifetime;
use proptest::prelude::*;
use stun::attributes::ATTR_NONCE;
use stun::message::{Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, Method};

use super::super::{ClientSocket, Destination, NoPort, Output, PeerSocket, RelayId, Route};
use super::scenario::*;
use crate::clock::Tick;
use crate::ids::ParticipantId;

/// The first three are allowed, the next two never are; the last three are ports of our own address, live for a while at most.
const PEERS: [&str; 8] = [
    "9.9.9.9:5000",
    "9.9.9.9:6000",
    "9.9.9.10:5000",
    "10.0.0.1:5000",
    "198.41.0.4:443",
    "198.41.0.4:50001",
    "198.41.0.4:50002",
    "198.41.0.4:50003",
];
const CLIENTS: usize = 4;
const PARTICIPANTS: usize = 2;
const PERMISSIONS: usize = 2;
const CHANNELS: usize = 2;
const PER_USER: usize = 2;
const IN_ALL: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Allocate { who: usize, even: bool, opens: bool },
    Refresh { who: usize, seconds: u64 },
    Permit { who: usize, peers: Vec<usize> },
    Bind { who: usize, number: u16, peer: usize },
    Say { who: usize, peer: usize },
    Channel { who: usize, number: u16 },
    Hear { relay: u64, peer: usize },
    Wait { seconds: u64 },
    Revoke { participant: usize },
    Readmit { participant: usize },
    Garbage { who: usize, bytes: Vec<u8> },
    Altered { who: usize, place: usize, bit: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let (who, peer, number) = (0..CLIENTS, 0..PEERS.len(), 0x3FFF..0x4003u16);
    let garbage = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        // A header that looks right, with anything behind it.
        (any::<u16>(), prop::collection::vec(any::<u8>(), 0..15)).prop_map(|(typ, rest)| {
            let rest: Vec<u8> = rest.into_iter().flat_map(|byte| [0, byte, 0, byte]).collect();
            let length = u16::try_from(rest.len()).unwrap();
            [&(typ & 0x3fff).to_be_bytes()[..], &length.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42], &[1; 12], &rest].concat()
        }),
    ];
    prop_oneof![
        4 => (who.clone(), any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(who, even, opens)| Step::Allocate { who, even, opens }),
        2 => (who.clone(), prop_oneof![Just(0), Just(600), Just(1800)]).prop_map(|(who, seconds)| Step::Refresh { who, seconds }),
        4 => (who.clone(), prop::collection::vec(peer.clone(), 0..3)).prop_map(|(who, peers)| Step::Permit { who, peers }),
        4 => (who.clone(), number.clone(), peer.clone()).prop_map(|(who, number, peer)| Step::Bind { who, number, peer }),
        6 => (who.clone(), peer.clone()).prop_map(|(who, peer)| Step::Say { who, peer }),
        6 => (who.clone(), number).prop_map(|(who, number)| Step::Channel { who, number }),
        6 => (0..12u64, peer).prop_map(|(relay, peer)| Step::Hear { relay, peer }),
        3 => prop_oneof![0..10u64, Just(299), Just(300), Just(301), Just(599), Just(600)]
            .prop_map(|seconds| Step::Wait { seconds }),
        1 => (0..PARTICIPANTS).prop_map(|participant| Step::Revoke { participant }),
        1 => (0..PARTICIPANTS).prop_map(|participant| Step::Readmit { participant }),
        2 => (who.clone(), garbage).prop_map(|(who, bytes)| Step::Garbage { who, bytes }),
        2 => (who, any::<usize>(), 0..8u8).prop_map(|(who, place, bit)| Step::Altered { who, place, bit }),
    ]
}

struct World {
    site: Site,
    people: Vec<Person>,
    /// Until when each client's allocation lives, by the answers it got.
    alive: HashMap<ClientSocket, Tick>,
    /// Until when a client has a permission for an address, by the answers it got.
    permitted: HashMap<(ClientSocket, IpAddr), Tick>,
    open: HashMap<RelayId, SocketAddr>,
    closed: HashSet<RelayId>,
    /// Ways that were asked for at some time and are still kept.
    routes: HashMap<Entrance, Route>,
}

/// Where packets come in that may know their way.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Entrance {
    Channel(ClientSocket, u16),
    Relay(RelayId, PeerSocket),
}

impl World {
    fn new() -> Self {
        let mut site = Site::with(|config| {
            config.limits.allocations_per_user = PER_USER;
            config.limits.allocations = IN_ALL;
            config.limits.permissions_per_allocation = PERMISSIONS;
            config.limits.channels_per_allocation = CHANNELS;
        });
        let person = |n: usize| {
            let byte = |n: usize| u8::try_from(n).unwrap();
            site.person_at(client(byte(n)), ParticipantId::from_bytes([byte(n % PARTICIPANTS); 10]))
        };
        let people = (0..CLIENTS).map(person).collect();
        let (alive, permitted, open, closed, routes) = Default::default();
        Self { site, people, alive, permitted, open, closed, routes }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Allocate { who, even, opens } => {
                let attributes = || std::iter::once(udp()).chain(even.then(|| raw(0x0018, &[0x80]))).collect();
                self.ask(who, METHOD_ALLOCATE, &attributes, &[], opens);
            }
            Step::Refresh { who, seconds } => self.ask(who, METHOD_REFRESH, &|| vec![lifetime(seconds)], &[], true),
            Step::Permit { who, peers } => {
                let attributes = || peers.iter().map(|index| peer(PEERS[*index])).collect();
                self.ask(who, METHOD_CREATE_PERMISSION, &attributes, &peers, true);
            }
            Step::Bind { who, number, peer: to } => {
                let attributes = || vec![channel(number), peer(PEERS[to])];
                self.ask(who, METHOD_CHANNEL_BIND, &attributes, &[to], true);
            }
            Step::Say { who, peer } => {
                self.payload(who, &send_indication(PEERS[peer], b"data"));
            }
            Step::Channel { who, number } => {
                let outputs = self.payload(who, &channel_data(number, b"data"));
                self.check_route(Entrance::Channel(self.people[who].client, number), &outputs);
            }
            Step::Hear { relay, peer } => {
                let outputs = self.site.peer_sends(RelayId(relay), PEERS[peer], b"data");
                assert!(outputs.len() <= 1, "{outputs:?}");
                self.check_payloads(&outputs, address(PEERS[peer]).ip());
                self.check_route(Entrance::Relay(RelayId(relay), PeerSocket(address(PEERS[peer]))), &outputs);
            }
            Step::Wait { seconds } => {
                let outputs = self.site.wait(Duration::from_secs(seconds));
                let timely = |output: &Output| !matches!(output, Output::ToPeer { .. } | Output::ToClient { .. });
                assert!(outputs.iter().all(timely), "{outputs:?}");
                self.note_closed(&outputs);
            }
            Step::Revoke { participant } => self.revoke(participant),
            Step::Readmit { participant } => {
                let participant = self.people[participant].participant;
                self.site.server.readmit(participant);
            }
            Step::Garbage { who, bytes } => {
                self.payload(who, &bytes);
            }
            Step::Altered { who, place, bit } => {
                let mut request = self.people[who].request(METHOD_REFRESH, vec![lifetime(0)]).raw;
                let place = place % request.len();
                request[place] ^= 1 << bit;
                let outputs = self.site.client_sends(self.people[who].client, &request);
                assert!(outputs.iter().all(|output| matches!(output, Output::Answer { .. })), "{outputs:?}");
            }
        }
        self.check_sizes();
    }

    /// Asks, and asks again with a new nonce when the old one is stale.
    fn ask(&mut self, who: usize, method: Method, attributes: &dyn Fn() -> Attributes, peers: &[usize], opens: bool) {
        for _ in 0..2 {
            let person = self.people[who].clone();
            let (_, mut outputs) = self.site.ask(&person, method, attributes());
            outputs = self.with_relays(outputs, opens);
            let Some(answer) = self.answer_for(&person, &outputs) else { panic!("no answer: {outputs:?}") };
            match code(&answer) {
                438 => self.people[who].nonce = text(&answer, ATTR_NONCE),
                0 => return self.note_success(person.client, &answer, method, peers),
                _ => return,
            }
        }
        panic!("a fresh nonce is stale");
    }

    /// Does what an edge does about relay sockets.
    fn with_relays(&mut self, outputs: Vec<Output>, opens: bool) -> Vec<Output> {
        let mut all = Vec::new();
        for output in outputs {
            if let Output::OpenRelay { relay, .. } = output {
                let bound = SocketAddr::new(OWN_V4, port(relay));
                self.open.extend(opens.then_some((relay, bound)));
                all.extend(self.site.opened(relay, if opens { Ok(bound) } else { Err(NoPort) }));
            } else {
                all.push(output);
            }
        }
        self.note_closed(&all);
        all
    }

    fn answer_for(&self, person: &Person, outputs: &[Output]) -> Option<Message> {
        let answers = outputs.iter().filter(|output| matches!(output, Output::Answer { .. })).cloned();
        let answers: Vec<Output> = answers.collect();
        let [Output::Answer { client, .. }] = &answers[..] else { return None };
        assert_eq!(*client, person.client);
        Some(answer(&answers))
    }

    fn note_success(&mut self, client: ClientSocket, answer: &Message, method: Method, peers: &[usize]) {
        let now = self.site.now.tick;
        let mut granted = Lifetime::default();
        match method {
            METHOD_ALLOCATE | METHOD_REFRESH => {
                granted.get_from(answer).unwrap();
                self.alive.insert(client, now.plus(granted.0));
                if method == METHOD_ALLOCATE || granted.0.is_zero() {
                    self.permitted.retain(|(holder, _), _| *holder != client);
                }
            }
            _ => {
                let until = now.plus(Duration::from_secs(300));
                self.permitted.extend(peers.iter().map(|peer| ((client, address(PEERS[*peer]).ip()), until)));
            }
        }
    }

    fn note_closed(&mut self, outputs: &[Output]) {
        for output in outputs {
            if let Output::CloseRelay { relay } = output {
                assert!(self.closed.insert(*relay), "{relay:?} was closed twice");
                self.open.remove(relay);
            }
        }
    }

    fn payload(&mut self, who: usize, bytes: &[u8]) -> Vec<Output> {
        let outputs = self.site.client_sends(self.people[who].client, bytes);
        assert!(outputs.len() <= 1, "{outputs:?}");
        let sender = self.people[who].client;
        if let Some(Output::ToPeer { relay, peer, .. }) = outputs.first() {
            assert!(self.open.contains_key(relay) && self.is_permitted(sender, peer.0.ip()), "{outputs:?}");
            assert!(PEERS[..3].contains(&peer.0.to_string().as_str()), "a forbidden peer: {outputs:?}");
        }
        if matches!(outputs.first(), Some(Output::ToClient { .. })) {
            assert!(self.is_permitted(sender, OWN_V4));
        }
        self.check_payloads(&outputs, OWN_V4);
        outputs
    }

    /// A way that is kept leads where the core sends the packet, and nowhere when the core drops it.
    fn check_route(&mut self, entrance: Entrance, outputs: &[Output]) {
        let kept = self.routes.get(&entrance).filter(|route| route.holds(self.site.now.tick));
        let goes = outputs.first().and_then(|output| match output {
            Output::ToPeer { relay, peer, .. } => Some(Destination::Peer { relay: *relay, peer: *peer }),
            Output::ToClient { client, head, .. } => match *head.as_bytes() {
                [n0, n1, _, _] => Some(Destination::Client { client: *client, channel: u16::from_be_bytes([n0, n1]) }),
                _ => None,
            },
            Output::Answer { .. } | Output::OpenRelay { .. } | Output::CloseRelay { .. } => None,
        });
        assert!(kept.is_none_or(|route| Some(route.to) == goes), "{kept:?}, but {outputs:?}");
        let route = match entrance {
            Entrance::Channel(client, number) => self.site.server.outward_route(client, number, self.site.now),
            Entrance::Relay(relay, peer) => self.site.server.inward_route(relay, peer, self.site.now),
        };
        assert_eq!(route.as_ref().map(|route| route.to), goes, "{outputs:?}");
        // An earlier way that still holds is kept: the longer it is, the more it must live through.
        if kept.is_none() {
            self.routes.remove(&entrance);
            self.routes.extend(route.map(|route| (entrance, route)));
        }
    }

    fn check_payloads(&self, outputs: &[Output], from: IpAddr) {
        for output in outputs {
            if let Output::ToClient { client, .. } = output {
                assert!(self.is_permitted(*client, from), "{output:?} from {from}");
            }
        }
    }

    fn is_permitted(&self, client: ClientSocket, peer: IpAddr) -> bool {
        let now = self.site.now.tick;
        let lasts = |until: Option<&Tick>| until.is_some_and(|until| *until > now);
        lasts(self.alive.get(&client)) && lasts(self.permitted.get(&(client, peer)))
    }

    fn revoke(&mut self, participant: usize) {
        let participant = self.people[participant].participant;
        self.site.server.revoke(participant, self.site.now);
        let outputs = self.site.outputs();
        assert!(outputs.iter().all(|output| matches!(output, Output::CloseRelay { .. })), "{outputs:?}");
        self.note_closed(&outputs);
        for person in self.people.iter().filter(|person| person.participant == participant) {
            self.alive.remove(&person.client);
        }
    }

    fn check_sizes(&self) {
        let table = &self.site.server.table;
        assert!(table.opening.is_empty());
        assert!(table.open.len() + table.reserved.len() <= IN_ALL);
        assert_eq!(table.timers.len(), table.open.len() + table.reserved.len());
        assert_eq!(table.relays.len(), table.open.len());
        for allocation in table.open.values() {
            let (permissions, channels) = allocation.holdings();
            assert!(permissions <= PERMISSIONS && channels <= CHANNELS);
            assert!(self.alive.get(&allocation.client).is_some_and(|until| *until > self.site.now.tick), "one that has ended");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn nothing_passes_that_no_answer_allowed_and_nothing_grows(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.take(step));
    }

    #[test]
    fn the_same_inputs_give_the_same_outputs(steps in prop::collection::vec(step(), 1..20)) {
        let run = |steps: Vec<Step>| {
            let mut world = World::new();
            steps.into_iter().for_each(|step| world.take(step));
            (world.site.server.counters(), world.closed, world.people.into_iter().map(|person| person.nonce).collect::<Vec<_>>())
        };
        prop_assert_eq!(run(steps.clone()), run(steps));
    }
}
