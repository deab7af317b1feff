//! A machine that loses IPv6, gets it back, or never had any, and has no way out (R39, R41).

use std::fs;

use hearth::turn::Settings;
use stun::message::METHOD_ALLOCATE;
use turn::proto::reqfamily::REQUESTED_FAMILY_IPV6;

use crate::client::{code, udp};
use crate::harness::{Options, Person, TestServer, eventually, sooner_or_later};
use crate::peers::{alone_in_this_network, in_a_network_of_its_own, ip};
use crate::site::{Site, settings, start_with};

/// What RFC 8656 §7.2 answers who wants an address of a family that the relay has not.
const ADDRESS_FAMILY_NOT_SUPPORTED: u16 = 440;

fn has_ipv6(has: bool) {
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", if has { "0" } else { "1" }).unwrap();
}

#[test]
fn r39_the_relay_notices_that_ipv6_is_lost_and_that_it_is_there_again() {
    in_a_network_of_its_own("surroundings_ipv6::a_machine_loses_ipv6");
}

#[tokio::test]
#[ignore = "needs a network of its own, which r39 makes for it"]
async fn a_machine_loses_ipv6() {
    if !alone_in_this_network() {
        return;
    }
    ip("link set lo up");
    ip("addr add 198.41.0.4/32 dev lo");
    let arrive = |address: &str| {
        ip(&format!("-6 addr add {address}/128 dev lo"));
        ip("-6 route replace default dev lo");
    };
    has_ipv6(true);
    arrive("2a0e:beef::7");
    let run_by = ["env", "HEARTH_RELAY_IPV6=true"].map(str::to_owned).to_vec();
    let options = Options { finds_relay_address: true, run_by, ..Options::default() };
    let site = start_with(Settings { relay_ipv4: None, ..settings() }, options).await;
    relays_at(&site, Some("2a0e:beef::7")).await;
    has_ipv6(false);
    relays_at(&site, None).await;
    assert_eq!(relayed(&site, false).await, Ok(String::from("198.41.0.4")), "the other family goes on");
    // Another address than before, as providers give.
    has_ipv6(true);
    arrive("2a0e:beef::8");
    relays_at(&site, Some("2a0e:beef::8")).await;
    assert_eq!(relayed(&site, false).await, Ok(String::from("198.41.0.4")));
}

/// Where a new allocation relays, or why there is none.
async fn relayed(site: &Site, by_ipv6: bool) -> Result<String, u16> {
    let mut client = site.client().await;
    let attributes = if by_ipv6 { vec![udp(), Box::new(REQUESTED_FAMILY_IPV6) as _] } else { vec![udp()] };
    let answer = client.request(METHOD_ALLOCATE, attributes).await;
    match code(&answer) {
        0 => Ok(client.allocated_by(&answer).ip().to_string()),
        refused => Err(refused),
    }
}

/// Waits until new allocations of IPv6 are made there, or are refused as where there is none.
async fn relays_at(site: &Site, address: Option<&str>) {
    let expected = address.map(str::to_owned).ok_or(ADDRESS_FAMILY_NOT_SUPPORTED);
    sooner_or_later(&format!("the relay gives {expected:?}"), async || relayed(site, true).await == expected).await;
}

#[test]
fn r41_without_ipv6_and_without_a_way_out_everything_is_served_and_the_log_says_what_is_missing() {
    in_a_network_of_its_own("surroundings_ipv6::a_machine_without_ipv6_and_without_a_way_out");
}

#[tokio::test]
#[ignore = "needs a network of its own, which r41 makes for it"]
async fn a_machine_without_ipv6_and_without_a_way_out() {
    if !alone_in_this_network() {
        return;
    }
    ip("link set lo up");
    has_ipv6(false);
    let run_by = ["env", "HEARTH_SERVER_LISTEN=0.0.0.0:8443,[::1]:8443"].map(str::to_owned).to_vec();
    let relay = String::from("listen = [\"0.0.0.0:3478\", \"[::1]:3478\"]\nlisten_tls = [\"0.0.0.0:5349\", \"[::1]:5349\"]");
    let mut server = TestServer::with(&Options { relay, finds_relay_address: true, run_by, ..Options::default() });
    let admin = Person::admin(&server).await;
    admin.get("/readyz").await.ok();
    for missing in ["this machine has no IPv6", "the relay has no address that others can reach"] {
        eventually("the log says what is missing", async || server.log().contains(missing)).await;
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    // The network comes up, without a restart.
    ip("addr add 198.41.0.4/32 dev lo");
    sooner_or_later("the relay follows", async || server.log().contains("198.41.0.4")).await;
    assert!(server.stop().success());
}
