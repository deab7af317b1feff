//! The relay and the machine it runs on: what it listens on, and a system that refuses to do what it is asked.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hearth::ids::ParticipantId;
use hearth::turn::Settings;
use stun::message::{
    BINDING_REQUEST, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, Setter,
};
use turn::proto::channum::ChannelNumber;
use turn::proto::lifetime::Lifetime;

use crate::client::{By, Canary, Client, PATIENCE, build, code, mint, peer, udp};
use crate::harness::{Options, can_trace, sooner_or_later};
use crate::peers::{alone_in_this_network, in_a_network_of_its_own, ip};
use crate::site::{Site, settings, start, start_with, with_local_peers};

/// The states in `/proc/net` of a socket that listens: TCP's LISTEN, and UDP's only one without a peer.
const LISTENING: [(&str, &str); 4] = [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")];

/// `0100007F:1F90`, as `/proc/net` writes an address.
fn address(text: &str) -> SocketAddr {
    let (ip, port) = text.split_once(':').unwrap();
    let words = ip.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).unwrap(), 16).unwrap());
    let bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
    let port = u16::from_str_radix(port, 16).unwrap();
    match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(bytes) => SocketAddr::from((Ipv4Addr::from(bytes), port)),
        Err(_) => SocketAddr::from((Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).unwrap()), port)),
    }
}

/// Every address that the server can be spoken to at, each with its protocol; local sockets by their path.
fn doors(site: &Site) -> BTreeSet<(String, String)> {
    let pid = site.server.pid();
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode = |link: &str| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    let inodes: BTreeSet<String> = links.filter_map(|link| inode(link.to_str()?)).collect();
    let table = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let mut doors = BTreeSet::new();
    for (name, state) in LISTENING {
        for line in table(name).lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            if columns[3] == state && inodes.contains(columns[9]) {
                doors.insert((name.to_owned(), address(columns[1]).to_string()));
            }
        }
    }
    for line in table("unix").lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        // The flag says that it takes connections.
        if columns[3] == "00010000" && inodes.contains(columns[6]) {
            doors.insert(("unix".to_owned(), columns.get(7).copied().unwrap_or_default().to_owned()));
        }
    }
    doors
}

#[tokio::test]
async fn t30_nothing_listens_but_what_is_configured() {
    let site = start(settings()).await;
    let https = ("tcp".to_owned(), site.server.socket_address().to_string());
    let relay = ["tcp", "udp"].map(|protocol| (protocol.to_owned(), site.address.to_string()));
    let over_tls = ("tcp".to_owned(), site.door(By::Tls).to_string());
    // For commands on this machine, in a directory that is closed to other users.
    let commands = ("unix".to_owned(), site.server.data_dir().join("control.sock").to_str().unwrap().to_owned());
    let configured: BTreeSet<_> = relay.into_iter().chain([https, over_tls, commands]).collect();
    assert_eq!(doors(&site), configured);
    let client = site.allocated().await;
    let door = ("udp".to_owned(), client.relayed.unwrap().to_string());
    let with_relay: BTreeSet<_> = configured.iter().cloned().chain([door]).collect();
    assert_eq!(doors(&site), with_relay, "an allocation opens one port");
    assert_eq!(code(&client.request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]).await), 0);
    assert_eq!(doors(&site), configured, "and closes it when it ends");
}

/// Asks until there is an answer, as clients do that speak UDP.
async fn insist(client: &Client, request: &Message) -> Message {
    let asking = async {
        loop {
            client.send(&request.raw).await;
            let answered = async {
                loop {
                    let mut message = Message { raw: client.receive().await, ..Message::default() };
                    if message.decode().is_ok() && message.transaction_id == request.transaction_id {
                        return message;
                    }
                }
            };
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(100), answered).await {
                return answer;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the relay answers no more")
}

/// Relays while the system refuses every third of these calls.
async fn relays_although(calls: &str, error: &str) {
    /// How many of a hundred must pass, each way.
    const ENOUGH: usize = 30;
    if !can_trace() {
        return;
    }
    let traced = tempfile::NamedTempFile::new().unwrap();
    let output = traced.path().to_str().unwrap();
    let inject = format!("inject={calls}:error={error}:when=4+3");
    let trace = format!("trace={calls}");
    // As a grandchild, so that the server's process is the one that was started and is ended.
    let words = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", output, "-e", &trace, "-e", &inject];
    let run_by = words.map(str::to_owned).to_vec();
    let mut site = start_with(with_local_peers(), Options { run_by, ..Options::default() }).await;
    let mut client = Client::without_nonce(site.address, mint(ParticipantId::random())).await;
    let challenge = insist(&client, &client.unsealed(METHOD_ALLOCATE, vec![udp()])).await;
    client.learn(&challenge);
    client.allocated_by(&insist(&client, &client.sealed(METHOD_ALLOCATE, vec![udp()])).await);
    let friend = Canary::new().await;
    let channel = Box::new(ChannelNumber(0x4000)) as Box<dyn Setter>;
    let bound = insist(&client, &client.sealed(METHOD_CHANNEL_BIND, vec![channel, peer(&friend.address())])).await;
    assert_eq!(code(&bound), 0);
    let (mut out, mut back) = (0, 0);
    let mut buffer = [0; 2048];
    let mut count = || {
        out += std::iter::from_fn(|| friend.0.try_recv(&mut buffer).ok()).count();
        back += client.waiting();
        out.min(back)
    };
    for _ in 0..100 {
        client.send(&[0x40, 0, 0, 1, b'x']).await;
        friend.0.send_to(b"y", client.relayed.unwrap()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        count();
    }
    // Where the machine is busy, some are still on their way.
    let late = async {
        while count() < ENOUGH {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, late).await;
    assert_eq!(code(&insist(&client, &client.sealed(METHOD_REFRESH, vec![])).await), 0);
    insist(&client, &build(BINDING_REQUEST, Vec::new())).await;
    assert!(site.server.is_running());
    let refused = fs::read_to_string(traced.path()).unwrap().matches("(INJECTED)").count();
    println!("r31: {calls} refused {refused} times with {error}; {out} of 100 packets came out and {back} back");
    assert!(refused > 0, "nothing was refused");
    assert!(out >= ENOUGH && back >= ENOUGH, "after {refused} refusals, {out} of 100 packets came out and {back} back");
}

#[tokio::test]
async fn r31_sends_that_the_system_refuses_end_nothing() {
    for error in ["ENETUNREACH", "EHOSTUNREACH", "ENOBUFS"] {
        relays_although("sendto,sendmsg,sendmmsg", error).await;
    }
}

#[tokio::test]
async fn r31_receives_that_the_system_refuses_end_nothing() {
    for error in ["ENOBUFS", "ENOMEM"] {
        relays_although("recvfrom,recvmsg,recvmmsg", error).await;
    }
}

#[test]
fn r39_the_relay_follows_this_machine_to_other_addresses() {
    in_a_network_of_its_own("surroundings::a_machine_gets_other_addresses");
}

/// Waits until new allocations are made at this address.
async fn relays_at(site: &Site, address: &str) {
    sooner_or_later(&format!("the relay is at {address}"), async || {
        let mut client = site.client().await;
        let answer = client.request(METHOD_ALLOCATE, vec![udp()]).await;
        if code(&answer) == 508 {
            // The address is gone, and the relay hasn't looked yet.
            return false;
        }
        let relayed = client.allocated_by(&answer);
        assert_eq!(code(&client.request(METHOD_REFRESH, vec![Box::new(Lifetime(Duration::ZERO))]).await), 0);
        relayed.ip().to_string() == address
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a network of its own, which r39 makes for it"]
async fn a_machine_gets_other_addresses() {
    if !alone_in_this_network() {
        return;
    }
    ip("link set lo up");
    let options = Options { finds_relay_address: true, ..Options::default() };
    let site = start_with(Settings { relay_ipv4: None, ..settings() }, options).await;
    relays_at(&site, "127.0.0.1").await;
    // The network comes up late (R41), then the machine gets another address, and then it has none.
    ip("addr add 198.41.0.4/32 dev lo");
    relays_at(&site, "198.41.0.4").await;
    let (early, peer_of_early) = (site.allocated().await, site.allocated().await);
    ip("addr add 198.41.0.5/32 dev lo");
    ip("addr del 198.41.0.4/32 dev lo");
    relays_at(&site, "198.41.0.5").await;
    assert_eq!(code(&early.request(METHOD_REFRESH, vec![]).await), 0, "what was allocated is kept");
    let (one, other) = (early.relayed.unwrap().to_string(), peer_of_early.relayed.unwrap().to_string());
    assert_eq!(code(&early.request(METHOD_CREATE_PERMISSION, vec![peer(&other)]).await), 0, "and its friends are known");
    assert_eq!(code(&peer_of_early.request(METHOD_CREATE_PERMISSION, vec![peer(&one)]).await), 0);
    early.send_indication(&other, b"still here").await;
    assert_eq!(peer_of_early.receive_data().await, (b"still here".to_vec(), one.parse().unwrap()));
    ip("addr del 198.41.0.5/32 dev lo");
    relays_at(&site, "127.0.0.1").await;
}
