//! The relay's test of itself, on loopback.

use tokio::net::UdpSocket;

use super::*;
use crate::ids::Secret;
use crate::turn::{Limits, Relay};

fn settings() -> Settings {
    Settings::on_loopback()
}

async fn start(settings: Settings) -> (Relay, Tasks) {
    let tasks = Tasks::new();
    (Relay::start(settings, &tasks).await.unwrap(), tasks)
}

/// What the relay finds when it tests itself for the first time.
async fn found_by(relay: &Relay, tasks: &Tasks) -> Finding {
    relay.keep_testing(Vec::new(), tasks);
    loop {
        match relay.health() {
            Some(health) => return health.finding,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn found(settings: Settings) -> Finding {
    let (relay, tasks) = start(settings).await;
    found_by(&relay, &tasks).await
}

/// What a test finds that asks at `server`, although the relay may be elsewhere.
async fn found_at(server: SocketAddr) -> Finding {
    let test = SelfTest::new(&settings(), &[server]);
    let addresses = *test.addresses.borrow();
    test.test(&test.places(addresses).unwrap()).await
}

/// A socket that takes everything and says nothing.
async fn black_hole() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_relay_that_works_is_found_to_work_and_keeps_nothing_of_its_test() {
    let (relay, tasks) = start(settings()).await;
    assert_eq!(relay.health(), None);
    assert_eq!(found_by(&relay, &tasks).await, Finding::Works);
    let counters = relay.counters();
    assert_eq!((counters.allocated, counters.allocations), (2, 0));
    assert!(tasks.stop(std::future::pending()).await);
}

#[tokio::test]
async fn t20_the_test_is_outside_of_all_quotas() {
    let none = Limits { allocations: 0, allocations_per_source: 0, allocations_per_user: 0, ..Limits::default() };
    assert_eq!(found(Settings { limits: none, ..settings() }).await, Finding::Works);
}

#[tokio::test]
async fn a_relay_is_tested_at_its_ipv6_address_where_it_has_no_other() {
    let listen = vec![SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 0))];
    let settings = Settings { listen, relay_ipv4: None, relay_ipv6: Some(std::net::Ipv6Addr::LOCALHOST), ..settings() };
    assert_eq!(found(settings).await, Finding::Works);
}

#[tokio::test]
async fn an_outside_address_that_does_not_answer_may_be_the_routers_doing() {
    let external_ipv4 = Some(Ipv4Addr::new(127, 0, 0, 2));
    assert_eq!(found(Settings { external_ipv4, ..settings() }).await, Finding::OnlyInside);
}

#[tokio::test]
async fn silence_at_the_own_address_is_a_fault() {
    let (_socket, at) = black_hole().await;
    assert_eq!(found_at(at).await, Finding::Broken { at, fault: Fault::Silent });
}

#[tokio::test]
async fn another_relay_at_the_address_is_told_from_this_one() {
    for other in
        [Settings { secret: Secret::new([8; 32]), ..settings() }, Settings { realm: String::from("other"), ..settings() }]
    {
        let (relay, _tasks) = start(other).await;
        let at = relay.local_addrs()[0];
        assert_eq!(found_at(at).await, Finding::Broken { at, fault: Fault::Stranger });
    }
}

#[tokio::test]
async fn relay_ports_that_are_taken_are_a_fault() {
    let (_socket, taken) = black_hole().await;
    let (relay, tasks) = start(Settings { ports: taken.port()..=taken.port(), ..settings() }).await;
    let fault = Fault::Refused { step: Step::Allocate, code: 508 };
    assert_eq!(found_by(&relay, &tasks).await, Finding::Broken { at: relay.local_addrs()[0], fault });
}

#[tokio::test]
async fn a_test_that_finds_one_free_port_alone_gives_it_back() {
    // Nobody else binds ports at this address.
    let relay_ipv4 = Some(Ipv4Addr::new(127, 0, 71, 20));
    let (relay, tasks) = start(Settings { relay_ipv4, ports: 20_000..=20_000, ..settings() }).await;
    let fault = Fault::Refused { step: Step::Allocate, code: 508 };
    assert_eq!(found_by(&relay, &tasks).await, Finding::Broken { at: relay.local_addrs()[0], fault });
    let counters = relay.counters();
    assert_eq!((counters.allocated, counters.allocations), (1, 0));
}

#[tokio::test]
async fn a_test_that_is_under_way_ends_with_the_program() {
    let (_socket, at) = black_hole().await;
    let (tasks, test) = (Tasks::new(), SelfTest::new(&settings(), &[at]));
    let of_test = tasks.clone();
    let running = tasks.spawn(async move { test.keep(&[], |_, _| {}, &of_test).await });
    tokio::task::yield_now().await;
    assert!(!running.is_finished());
    assert!(tasks.stop(std::future::pending()).await, "the test had to be cut off");
}

#[tokio::test]
async fn the_address_outside_is_asked_of_the_first_server_that_answers() {
    let (relay, _tasks) = start(settings()).await;
    let server = |address: SocketAddr| StunServer { host: address.ip().to_string(), port: address.port() };
    let (_socket, silent) = black_hole().await;
    let own = Ipv4Addr::LOCALHOST;
    let nowhere = StunServer { host: String::from("::1"), port: 9 };
    let asked = [nowhere.clone(), server(silent), server(relay.local_addrs()[0])];
    assert_eq!(outside::find(own, &asked).await, Outside::Known(own));
    assert_eq!(outside::find(own, &[nowhere]).await, Outside::Unknown);
    assert_eq!(outside::find(own, &[]).await, Outside::Unasked);
}

#[test]
fn r39_the_test_is_made_where_the_relay_has_moved_to() {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 3478));
    let test = SelfTest::new(&settings(), &[any]);
    let asked_at = |addresses| test.places(addresses).map(|places| places.own);
    let (before, after) = (*test.addresses.borrow(), (Some(Ipv4Addr::new(198, 41, 0, 5)), None));
    assert_eq!(asked_at(before), Some("127.0.0.1:3478".parse().unwrap()));
    assert!(test.move_to(after) && !test.move_to(after));
    assert_eq!(asked_at(*test.addresses.borrow()), Some("198.41.0.5:3478".parse().unwrap()));
    assert_eq!(asked_at((None, None)), None);
}
