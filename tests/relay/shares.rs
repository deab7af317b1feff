//! What a participant, and the whole relay, may move in a second. What arrives is counted, not what the relay says of itself.

use std::time::{Duration, Instant};

use hearth::ids::ParticipantId;
use hearth::turn::{Limits, Settings};
use stun::message::{BINDING_REQUEST, METHOD_CHANNEL_BIND, METHOD_REFRESH, Setter};
use turn::proto::channum::ChannelNumber;
use turn::proto::lifetime::Lifetime;

use crate::client::{By, Canary, Client, build, code, mint, peer};
use crate::site::{settings, start, with_local_peers};

/// The least that may be configured: 1000 kbit/s, in bytes.
const SHARE: u64 = 125_000;

/// The payload of each packet.
const LENGTH: u64 = 1000;

/// With these limits and otherwise the usual ones, so that nothing else is as narrow.
fn limited(limits: Limits) -> Settings {
    let (challenges_per_second, bindings_per_second) = (1_000_000, 1_000_000);
    Settings { limits: Limits { challenges_per_second, bindings_per_second, ..limits }, ..with_local_peers() }
}

/// Lets this client speak to the sink by a channel.
async fn bind(client: &Client, sink: &Canary) {
    let channel = Box::new(ChannelNumber(0x4000)) as Box<dyn Setter>;
    assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, vec![channel, peer(&sink.address())]).await), 0);
}

/// Sends so many packets by each client in turn, as fast as the relay takes them and no faster. Returns how many bytes arrive.
async fn pour(clients: &[&Client], sink: &Canary, packets: u64) -> u64 {
    const AT_ONCE: u64 = 10;
    let packet = [&[0x40, 0, 0x03, 0xE8][..], &[1; LENGTH as usize]].concat();
    let (mut arrived, mut buffer) = (0, [0; 2048]);
    for _ in 0..packets / AT_ONCE {
        for client in clients {
            for _ in 0..AT_ONCE {
                client.send(&packet).await;
            }
            client.ask(&build(BINDING_REQUEST, Vec::new())).await;
            while let Ok(length) = sink.0.try_recv(&mut buffer) {
                arrived += length as u64;
            }
        }
    }
    arrived
}

/// The most that may pass since then: what had been saved up, what has been earned, and a tenth of a second for clocks that differ.
fn most(since: Instant) -> u64 {
    let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap();
    SHARE + SHARE * (milliseconds + 100) / 1000
}

#[tokio::test]
async fn t28_the_whole_relay_moves_no_more_than_its_share() {
    const PACKETS: u64 = 500;
    let limits = Limits { bytes_per_second_in_all: Some(SHARE), ..settings().limits };
    let site = start(limited(limits)).await;
    let (sink, begun) = (Canary::new().await, Instant::now());
    let (mut by_tcp, mut by_tls) = (
        Client::by_stream(&site, By::Tcp, mint(ParticipantId::random())).await,
        Client::by_stream(&site, By::Tls, mint(ParticipantId::random())).await,
    );
    by_tcp.allocate().await;
    by_tls.allocate().await;
    let clients = [&site.allocated().await, &site.allocated().await, &by_tcp, &by_tls];
    for client in clients {
        bind(client, &sink).await;
    }
    let arrived = pour(&clients, &sink, PACKETS).await;
    let most = most(begun);
    println!("t28: {arrived} bytes of four participants passed where {most} may");
    assert!(arrived <= most, "{arrived} bytes passed where {most} may");
    assert!(arrived > SHARE / 2, "the share is not given: {arrived} bytes passed");
    for client in clients {
        assert_eq!(code(&client.request(METHOD_REFRESH, vec![]).await), 0, "control is not limited");
    }
}

#[tokio::test]
async fn t28_several_allocations_of_one_participant_have_one_share() {
    const PACKETS: u64 = 500;
    let limits = Limits { bytes_per_second_per_user: SHARE, ..settings().limits };
    let site = start(limited(limits)).await;
    let (sink, participant, begun) = (Canary::new().await, ParticipantId::random(), Instant::now());
    let mut greedy = vec![
        site.client_of(participant).await,
        site.client_of(participant).await,
        Client::by_stream(&site, By::Tcp, mint(participant)).await,
        Client::by_stream(&site, By::Tls, mint(participant)).await,
    ];
    for client in &mut greedy {
        client.allocate().await;
        bind(client, &sink).await;
    }
    let greedy: Vec<&Client> = greedy.iter().collect();
    let arrived = pour(&greedy, &sink, PACKETS).await;
    let most = most(begun);
    println!("t28: {arrived} bytes of one participant passed where {most} may");
    assert!(arrived <= most, "{arrived} bytes passed where {most} may");
    assert!(arrived > SHARE / 2, "the share is not given: {arrived} bytes passed");
    let (other, own) = (site.allocated().await, Canary::new().await);
    bind(&other, &own).await;
    assert_eq!(pour(&[&other], &own, 100).await, 100 * LENGTH, "somebody else lost something by it");
}

#[tokio::test]
async fn t28_allocating_anew_gives_no_new_share() {
    const TIMES: usize = 10;
    let limits = Limits { bytes_per_second_per_user: SHARE, ..settings().limits };
    let site = start(limited(limits)).await;
    let (sink, participant, begun) = (Canary::new().await, ParticipantId::random(), Instant::now());
    let mut arrived = 0;
    for _ in 0..TIMES {
        let mut client = site.client_of(participant).await;
        client.allocate().await;
        bind(&client, &sink).await;
        arrived += pour(&[&client], &sink, 2 * SHARE / LENGTH).await;
        assert_eq!(code(&client.request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]).await), 0);
        assert_eq!(site.counters().await.allocations, 0);
    }
    let most = most(begun);
    println!("t28: {arrived} bytes passed by {TIMES} allocations in turn, where {most} may");
    assert!(arrived <= most, "{arrived} bytes passed where {most} may");
    assert!(arrived > SHARE / 2, "the share is not given: {arrived} bytes passed");
}
