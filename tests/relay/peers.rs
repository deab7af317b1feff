//! Whom a relay can be made to reach: nobody it may not, by whatever spelling.
//!
//! These tests run in a network namespace of their own, in which every address there is leads to this machine. So a single socket
//! sees whatever the relay sends to anybody, and that nothing came says that nothing was sent.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use hearth::turn::Settings;
use stun::attributes::{AttrType, RawAttribute};
use stun::message::{BINDING_REQUEST, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, Setter};
use tokio::net::UdpSocket;
use turn::proto::channum::ChannelNumber;

use crate::client::{Client, build, code, peer, receive, udp};
use crate::harness::{skip, world};
use crate::site::{Site, settings, start};

/// The port at which the canary listens on every address.
const PORT: u16 = 5000;

/// This machine's public addresses.
const OWN_V4: Ipv4Addr = Ipv4Addr::new(198, 41, 0, 4);
const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2a00, 0x1450, 0x4001, 0, 0, 0, 0, 4);

/// Addresses that no relay may reach, each in a row of the table of attacks.
const FORBIDDEN: [&str; 61] = [
    // T6: this machine.
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    // T7: IPv4 mapped into IPv6.
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::ffff:192.168.1.1",
    "::ffff:198.41.0.4",
    // T8: IPv4 inside of IPv6 otherwise.
    "::127.0.0.1",
    "::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2001:0:7f00:1::",
    // T9: link-local, unique-local, site-local, and what clouds tell their guests by.
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "fe80::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fec0::1",
    // T10: everything that is not public unicast.
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "240.0.0.1",
    "255.255.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001:db8::1",
    "2001:2::1",
    "2001:10::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "e000::1",
    // T12: this machine's own addresses.
    "198.41.0.4",
    "2a00:1450:4001::4",
];

/// Addresses that a relay is there to reach.
const PUBLIC: [&str; 2] = ["8.8.4.4", "2a00:1450::1"];

/// Runs one of the ignored tests, which is named with its module, where it can do no harm.
pub fn in_a_network_of_its_own(test: &str) {
    let Some(words) = world(&["--net"], &["ip", "link", "set", "lo", "up"]) else { return };
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{complained}");
}

pub fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether this is a network that nobody uses, so that it may be changed.
pub fn alone_in_this_network() -> bool {
    let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap();
    let alone = devices.lines().skip(2).all(|line| line.trim_start().starts_with("lo:"));
    if !alone {
        skip("this test changes routes, and is run by another one in a network of its own");
    }
    alone
}

/// Makes every address lead here. False when this is a network that somebody uses: then nothing is changed.
pub fn lead_everything_here() -> bool {
    if !alone_in_this_network() {
        return false;
    }
    ip("link set lo up");
    ip(&format!("addr add {OWN_V4}/32 dev lo"));
    ip(&format!("-6 addr add {OWN_V6}/128 dev lo"));
    ip("route add local 0.0.0.0/0 dev lo");
    ip("-6 route add local ::/0 dev lo");
    true
}

/// Sees all that is sent to [`PORT`] of any address.
struct Canaries([UdpSocket; 2]);

impl Canaries {
    async fn new() -> Self {
        let v6 = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
        v6.set_only_v6(true).unwrap();
        v6.set_nonblocking(true).unwrap();
        v6.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)).into()).unwrap();
        let v4 = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
        Self([v4, UdpSocket::from_std(v6.into()).unwrap()])
    }

    /// Passes when nothing has come: the first packet is the one that is now sent here.
    async fn have_seen_nothing(&self) {
        for (canary, home) in self.0.iter().zip(["127.0.0.1", "::1"]) {
            canary.send_to(b"mine", at(home)).await.unwrap();
            let (data, from) = receive(canary).await;
            assert_eq!((data.as_slice(), from.port()), (&b"mine"[..], PORT), "the relay sent something");
        }
    }
}

fn at(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), PORT)
}

fn channel(number: u16) -> Box<dyn Setter> {
    Box::new(ChannelNumber(number))
}

fn public() -> Settings {
    Settings { relay_ipv4: Some(OWN_V4), relay_ipv6: Some(OWN_V6), ..settings() }
}

/// A client with a relay address of each family.
async fn of_both_families(site: &Site) -> Client {
    let mut client = site.client().await;
    let additional = Box::new(RawAttribute { typ: AttrType(0x8000), length: 0, value: vec![2, 0, 0, 0] });
    client.allocate_with(vec![udp(), additional]).await;
    client
}

async fn permit(client: &Client, address: &str) -> u16 {
    code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&at(address).to_string())]).await)
}

/// Says something to this peer by every way there is.
async fn say(client: &Client, address: &str, number: u16) {
    client.send_indication(&at(address).to_string(), b"boo").await;
    let [n0, n1] = number.to_be_bytes();
    client.send(&[n0, n1, 0, 3, b'b', b'o', b'o']).await;
}

#[test]
fn t6_t7_t8_t9_t10_no_spelling_of_a_forbidden_address_reaches_anybody() {
    in_a_network_of_its_own("peers::forbidden_addresses_are_out_of_reach");
}

#[tokio::test]
#[ignore = "needs a network of its own, which t6_t7_t8_t9_t10 makes for it"]
async fn forbidden_addresses_are_out_of_reach() {
    if !lead_everything_here() {
        return;
    }
    let (site, canaries) = (start(public()).await, Canaries::new().await);
    let (client, other) = (of_both_families(&site).await, of_both_families(&site).await);
    // A permission is for an address and not for its port, so that the next one gives it for this machine's own address (T11).
    let relayed = other.relayed.unwrap().to_string();
    assert_eq!(code(&client.request(METHOD_CREATE_PERMISSION, vec![peer(&relayed)]).await), 0);
    for (n, address) in (0_u16..).zip(FORBIDDEN) {
        let number = 0x4000 + n;
        assert_eq!(permit(&client, address).await, 403, "permission for {address}");
        let bind = vec![channel(number), peer(&at(address).to_string())];
        assert_eq!(code(&client.request(METHOD_CHANNEL_BIND, bind).await), 403, "channel to {address}");
        say(&client, address, number).await;
    }
    client.heard_nothing().await;
    canaries.have_seen_nothing().await;
    // The canaries do see what is sent: to public addresses, and back.
    for (address, canary) in PUBLIC.iter().zip(&canaries.0) {
        assert_eq!(permit(&client, address).await, 0, "{address}");
        client.send_indication(&at(address).to_string(), b"hello").await;
        assert_eq!(receive(canary).await.0, b"hello", "{address}");
    }
    let counters = site.counters().await;
    let forbidden = (counters.forbidden, counters.forbidden_packets);
    assert_eq!((counters.packets_out, forbidden), (2, (2 * FORBIDDEN.len() as u64, 1)), "{counters:?}");
}

#[test]
fn t10_a_listed_range_is_reached_and_its_neighbours_are_not() {
    in_a_network_of_its_own("peers::listed_ranges_are_within_reach");
}

#[tokio::test]
#[ignore = "needs a network of its own, which t10 makes for it"]
async fn listed_ranges_are_within_reach() {
    if !lead_everything_here() {
        return;
    }
    ip("addr add 10.1.9.9/32 dev lo");
    let allow_peers = vec![(Ipv4Addr::new(10, 1, 0, 0).into(), 16)];
    let (site, canaries) = (start(Settings { allow_peers, ..public() }).await, Canaries::new().await);
    let client = of_both_families(&site).await;
    for address in ["10.0.255.255", "10.2.0.0", "192.168.0.1", "127.0.0.1", "10.1.9.9", "::ffff:10.1.2.3"] {
        assert_eq!(permit(&client, address).await, 403, "{address}");
        say(&client, address, 0x4000).await;
    }
    client.heard_nothing().await;
    canaries.have_seen_nothing().await;
    assert_eq!(permit(&client, "10.1.2.3").await, 0);
    client.send_indication(&at("10.1.2.3").to_string(), b"hello").await;
    assert_eq!(receive(&canaries.0[0]).await.0, b"hello");
}

#[test]
fn t12_an_address_that_the_machine_is_given_later_is_closed_soon_after() {
    in_a_network_of_its_own("peers::new_addresses_are_closed");
}

#[tokio::test]
#[ignore = "needs a network of its own, which t12 makes for it"]
async fn new_addresses_are_closed() {
    // The list is read every five seconds; a busy machine may be late.
    const PROMISE: Duration = Duration::from_secs(15);
    if !lead_everything_here() {
        return;
    }
    let (site, canaries) = (start(public()).await, Canaries::new().await);
    let client = of_both_families(&site).await;
    for (address, canary) in PUBLIC.iter().zip(&canaries.0) {
        assert_eq!(permit(&client, address).await, 0);
        client.send_indication(&at(address).to_string(), b"hello").await;
        assert_eq!(receive(canary).await.0, b"hello");
    }
    ip("addr add 8.8.4.4/32 dev lo");
    ip("-6 addr add 2a00:1450::1/128 dev lo");
    for address in PUBLIC {
        let closed = async {
            while permit(&client, address).await != 403 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PROMISE, closed).await.expect("the new address is still open");
        // The permission from before is still there and helps nobody.
        say(&client, address, 0x4000).await;
    }
    client.heard_nothing().await;
    canaries.have_seen_nothing().await;
}

#[test]
fn t23_services_that_answer_anything_are_not_spoken_to() {
    in_a_network_of_its_own("peers::chattering_services_get_no_answer");
}

#[tokio::test]
#[ignore = "needs a network of its own, which t23 makes for it"]
async fn chattering_services_get_no_answer() {
    if !lead_everything_here() {
        return;
    }
    let site = start(settings()).await;
    let mut services = Vec::new();
    for port in [7, 19, 53, 123] {
        let service = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        service.send_to(&build(BINDING_REQUEST, Vec::new()).raw, site.address).await.unwrap();
        services.push(service);
    }
    site.until("all were read", |counters| counters.malformed == 4).await;
    for service in services {
        let nothing = service.try_recv(&mut [0; 2048]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock, "{:?} was answered", service.local_addr());
    }
    site.client().await.heard_nothing().await;
}
