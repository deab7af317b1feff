//! Very much of something: allocations one after the other, strangers, garbage, and somebody who uses all of a fast line.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket as StdUdpSocket};
use std::time::{Duration, Instant};

use hearth::turn::{Limits, Settings};
use stun::attributes::{ATTR_NONCE, ATTR_SOFTWARE};
use stun::message::{
    BINDING_REQUEST, CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
    METHOD_REFRESH, METHOD_SEND, Message, MessageType, Setter,
};
use tokio::net::UdpSocket;
use turn::proto::channum::ChannelNumber;
use turn::proto::data::Data;
use turn::proto::lifetime::Lifetime;

use crate::client::{By, Canary, Client, build, code, peer, receive_frame, say, text, udp};
use crate::site::{Site, settings, start, with_local_peers};

/// How much a flood may add to the memory of the server.
const GROWTH_LIMIT: u64 = 2 << 20;

/// The limits that hold when nothing is configured.
fn with_usual_limits() -> Settings {
    Settings { limits: Limits::default(), ..settings() }
}

/// What a stranger sends who wants an answer for as little as possible.
fn shortest_allocate() -> Vec<u8> {
    build(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST), Vec::new()).raw
}

fn lines(text: &str) -> u64 {
    text.lines().count() as u64
}

/// The next datagram, if one has come.
fn next(socket: &StdUdpSocket) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 2048];
    match socket.recv(&mut buffer) {
        Ok(length) => {
            buffer.truncate(length);
            Some(buffer)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

fn stranger_at(address: Ipv4Addr, server: SocketAddr) -> StdUdpSocket {
    let socket = StdUdpSocket::bind((address, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.connect(server).unwrap();
    socket
}

#[tokio::test]
async fn t18_twenty_thousand_nonces_are_all_different() {
    const ASKED: usize = 20_000;
    let limits = Limits { challenges_per_second: 1_000_000, ..settings().limits };
    let site = start(Settings { limits, ..settings() }).await;
    let client = site.client().await;
    let mut nonces = HashSet::new();
    for _ in 0..ASKED {
        let answer = client.anonymous(METHOD_ALLOCATE, Vec::new()).await;
        assert!(nonces.insert(text(&answer, ATTR_NONCE)), "a nonce came twice after {}", nonces.len());
    }
}

#[tokio::test]
async fn t19_ten_thousand_relay_ports_are_uniform_over_the_range_and_in_no_order() {
    const ALLOCATIONS: usize = 10_000;
    const BINS: usize = 64;
    let site = start(settings()).await;
    let mut client = site.client().await;
    let mut ports = Vec::with_capacity(ALLOCATIONS);
    for _ in 0..ALLOCATIONS {
        ports.push(client.allocate().await.port());
        assert_eq!(code(&client.request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]).await), 0);
    }
    let (first, last) = (*settings().ports.start(), *settings().ports.end());
    assert!(ports.iter().all(|port| (first..=last).contains(port)));
    let width = (usize::from(last - first) + 1) / BINS;
    let mut bins = [0_u32; BINS];
    ports.iter().for_each(|port| bins[usize::from(port - first) / width] += 1);
    let expected = ALLOCATIONS as f64 / BINS as f64;
    let chi_square: f64 = bins.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
    // With 63 degrees of freedom it is 63 on average, and above 200 not once in the life of this test.
    assert!(chi_square < 200.0, "chi-square is {chi_square}: {bins:?}");
    let odd = ports.iter().filter(|port| **port % 2 == 1).count();
    assert!((4500..=5500).contains(&odd), "{odd} of {ALLOCATIONS} ports are odd");
    // By chance, one in a thousand comes that close to the one before it.
    let near = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 8).count();
    assert!(near < 100, "{near} of {ALLOCATIONS} ports lie beside the one before");
    let steps: HashSet<u16> = ports.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert!(steps.len() > ALLOCATIONS / 3, "there are only {} different steps from port to port", steps.len());
}

/// Sends 30 requests from each of so many sources, not faster than they are read. Returns the most answers that one source got
/// more than it may.
async fn flood(site: &Site, first: Ipv4Addr, sources: u32) -> u64 {
    const AT_ONCE: u32 = 8;
    const EACH: u64 = 30;
    let packet = shortest_allocate();
    let per_second = u64::from(Limits::default().challenges_per_second);
    let mut received = site.counters().await.received;
    let mut excess = 0;
    for wave in (0..sources).step_by(AT_ONCE as usize) {
        let address = |n| Ipv4Addr::from_bits(first.to_bits() + wave + n);
        let strangers: Vec<_> = (0..AT_ONCE).map(|n| stranger_at(address(n), site.address)).collect();
        let begun = Instant::now();
        for _ in 0..EACH {
            for stranger in &strangers {
                stranger.send(&packet).unwrap();
            }
        }
        received += EACH * u64::from(AT_ONCE);
        site.until("what was sent is read", |counters| counters.received >= received).await;
        // The seconds that count begin with any of these.
        let allowed = per_second * (begun.elapsed().as_secs() + 2);
        for stranger in strangers {
            let answers = std::iter::from_fn(|| next(&stranger)).count() as u64;
            excess = excess.max(answers.saturating_sub(allowed));
        }
    }
    excess
}

#[tokio::test]
async fn t21_three_hundred_thousand_requests_of_ten_thousand_strangers_leave_nothing() {
    let site = start(with_usual_limits()).await;
    // What is made at the first use belongs to the server, not to the flood.
    flood(&site, Ipv4Addr::new(127, 100, 0, 0), 1000).await;
    let (before, lines_before) = (site.resident_bytes(), lines(&site.server.log()));
    let (counted, begun) = (site.counters().await, Instant::now());
    let excess = flood(&site, Ipv4Addr::new(127, 1, 0, 0), 10_000).await;
    let (after, elapsed) = (site.resident_bytes(), begun.elapsed());
    let counters = site.counters().await;
    let (challenged, limited) = (counters.challenged - counted.challenged, counters.limited - counted.limited);
    println!(
        "t21: resident memory {} KiB before, {} KiB after; {challenged} answers to 300000 requests in {} s",
        before / 1024,
        after / 1024,
        elapsed.as_secs()
    );
    assert_eq!((challenged + limited, counters.allocations), (300_000, 0));
    assert!(after < before + GROWTH_LIMIT, "memory grew from {before} to {after} bytes");
    assert_eq!(excess, 0, "somebody got more answers than its share of each second");
    let logged = lines(&site.server.log()) - lines_before;
    assert!(logged <= elapsed.as_secs() + 1, "{logged} lines were logged in {} s", elapsed.as_secs());
}

#[tokio::test]
async fn t22_a_victim_gets_less_than_was_sent_in_its_name() {
    const SECONDS: u64 = 10;
    const PER_TICK: usize = 4;
    let site = start(with_usual_limits()).await;
    let victim = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let questions = [shortest_allocate(), build(BINDING_REQUEST, Vec::new()).raw];
    let (mut sent, mut got) = (0, 0);
    let mut buffer = [0; 2048];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(SECONDS) {
        for question in questions.iter().cycle().take(PER_TICK) {
            sent += victim.send_to(question, site.address).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        while let Ok(length) = victim.try_recv(&mut buffer) {
            got += length;
            let mut answer = Message { raw: buffer[..length].to_vec(), ..Message::default() };
            answer.decode().unwrap();
            assert!(!answer.contains(ATTR_SOFTWARE), "the answer tells what runs here");
        }
    }
    println!("t22: {got} bytes came for {sent} that were sent");
    assert!(got > 0, "nothing was answered at all");
    assert!(got <= sent, "{got} bytes came for {sent} that were sent");
}

#[tokio::test]
async fn t22_a_whole_office_that_comes_by_streams_at_once_is_answered() {
    // Six browsers, each with one connection by TCP and one by TLS for each of the other five.
    const CLIENTS: usize = 60;
    let site = start(with_usual_limits()).await;
    let mut streams = Vec::new();
    for n in 0..CLIENTS {
        streams.push(site.stream(if n % 2 == 0 { By::Tcp } else { By::Tls }).await);
    }
    for stream in &mut streams {
        say(stream, &shortest_allocate()).await.unwrap();
    }
    for stream in &mut streams {
        let mut answer = Message { raw: receive_frame(stream).await, ..Message::default() };
        answer.decode().unwrap();
        assert_eq!(code(&answer), 401);
    }
    assert_eq!(site.counters().await.limited, 0);
}

/// Numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    /// The next, below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    /// The packet with something wrong in it.
    fn spoil(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut packet = packet.to_vec();
        match self.below(5) {
            0 => packet.truncate(self.below(packet.len())),
            1 => packet.extend((0..self.below(64)).map(|n| n.to_le_bytes()[0])),
            2 => {
                // Two lengths say different things, or one says zero.
                let at = if packet.len() > 24 && self.below(2) == 0 { 22 } else { 2 };
                packet[at] = [0, 0, 0xFF][self.below(3)];
                packet[at + 1] = [0, 4, 0xFF][self.below(3)];
            }
            3 if packet.len() > 28 => {
                // An attribute is there twice, or begins in the middle of another.
                let (from, to) = (20 + self.below(packet.len() - 24), 20 + self.below(packet.len() - 24));
                let piece = packet[from..from + 4].to_vec();
                packet[to..to + 4].copy_from_slice(&piece);
            }
            _ => {
                for _ in 0..=self.below(4) {
                    let at = self.below(packet.len());
                    packet[at] = self.below(256).to_le_bytes()[0];
                }
            }
        }
        packet
    }
}

#[tokio::test]
async fn t24_spoiled_packets_harm_nobody_and_truncated_ones_get_no_answer() {
    const SPOILED: usize = 60_000;
    let limits = Limits { bindings_per_second: 1_000_000, ..with_local_peers().limits };
    let site = start(Settings { limits, ..with_local_peers() }).await;
    let (client, friend) = (site.allocated().await, Canary::new().await);
    let channel = || Box::new(ChannelNumber(0x4000)) as Box<dyn Setter>;
    let data = || Box::new(Data(vec![7; 30])) as Box<dyn Setter>;
    assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, vec![channel(), peer(&friend.address())]).await), 0);
    let good = [
        build(BINDING_REQUEST, vec![udp()]).raw,
        client.sealed(METHOD_ALLOCATE, vec![udp()]).raw,
        client.sealed(METHOD_REFRESH, vec![]).raw,
        client.sealed(METHOD_CREATE_PERMISSION, vec![peer(&friend.address())]).raw,
        client.sealed(METHOD_CHANNEL_BIND, vec![channel(), peer(&friend.address())]).raw,
        build(MessageType::new(METHOD_SEND, CLASS_INDICATION), vec![peer(&friend.address()), data()]).raw,
        [&[0x40, 0, 0, 30][..], &[7; 30]].concat(),
    ];
    for packet in &good {
        for length in 0..packet.len() {
            client.send(&packet[..length]).await;
        }
        client.heard_nothing().await;
    }
    let (mut numbers, stranger) = (Numbers(24), site.client().await);
    for n in 0..SPOILED {
        let sender = if n % 2 == 0 { &client } else { &stranger };
        sender.send(&numbers.spoil(&good[n % good.len()])).await;
        // Not faster than it is read. Some of what was spoiled is still good and has answers, which are passed over.
        if n % 100 < 2 {
            sender.ask(&build(BINDING_REQUEST, Vec::new())).await;
        }
    }
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 0, "the allocation is gone");
    assert_eq!(site.counters().await.allocations, 1);
    assert!(!site.server.log().contains("panicked"), "{}", site.server.log());
}

/// Sends ChannelData of 1,200 bytes.
async fn speak(client: &Client, times: usize) {
    let packet = [&[0x40, 0, 0x04, 0xB0][..], &[1; 1200]].concat();
    for _ in 0..times {
        client.send(&packet).await;
    }
}

#[tokio::test]
async fn t28_one_who_uses_a_fast_line_is_throttled_and_nobody_else_loses_anything() {
    const PACKETS: u64 = 3000;
    const SHARE: u64 = 250_000;
    let limits = Limits { bytes_per_second: SHARE, bindings_per_second: 1_000_000, ..with_local_peers().limits };
    let site = start(Settings { limits, ..with_local_peers() }).await;
    let (greedy, modest) = (site.allocated().await, site.allocated().await);
    let (sink, friend) = (Canary::new().await, Canary::new().await);
    for (client, peer_address) in [(&greedy, sink.address()), (&modest, friend.address())] {
        let channel = Box::new(ChannelNumber(0x4000)) as Box<dyn Setter>;
        assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, vec![channel, peer(&peer_address)]).await), 0);
    }
    let begun = Instant::now();
    let (mut drained, mut heard) = (0_u64, 0_u64);
    let mut buffer = [0; 2048];
    for _ in 0..PACKETS {
        speak(&greedy, 30).await;
        modest.send(&[0x40, 0, 0, 2, b'h', b'i']).await;
        // As fast as the relay takes it and no faster: what the system drops before it says nothing about the relay.
        greedy.ask(&build(BINDING_REQUEST, Vec::new())).await;
        modest.ask(&build(BINDING_REQUEST, Vec::new())).await;
        while let Ok(length) = sink.0.try_recv(&mut buffer) {
            drained += length as u64;
        }
        while friend.0.try_recv(&mut buffer).is_ok() {
            heard += 1;
        }
    }
    let elapsed = begun.elapsed();
    let counters = site.until("all was counted", |c| c.packets_out + c.throttled == 31 * PACKETS).await;
    while friend.0.try_recv(&mut buffer).is_ok() {
        heard += 1;
    }
    // A share for each second that has begun, and one for what had been saved.
    let most = SHARE * (elapsed.as_secs() + 2);
    println!("t28: {drained} bytes of {} passed in {} ms", 30 * PACKETS * 1200, elapsed.as_millis());
    assert!(drained <= most, "{drained} bytes passed where {most} may");
    assert!(counters.throttled > PACKETS, "nobody was throttled");
    assert!(heard * 100 >= PACKETS * 99, "{heard} of {PACKETS} packets of the other one came through");
}
