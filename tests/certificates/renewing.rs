//! Certificates of seconds: what is renewed disturbs nobody, and what can't be renewed is told (R26, R27).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::harness::{Person, Socket, eventually};
use crate::site::{Plan, Site};

/// How long a certificate is good, in seconds. Renewed after two thirds of it; the last third is the time that a busy machine has for
/// that.
const LIFETIME: u32 = 20;

/// A STUN Binding request (RFC 8489 §5), which every relay answers.
const BINDING: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

#[tokio::test]
async fn r27_renewals_under_traffic_fail_no_handshake_and_end_no_connection() {
    let Some(mut site) = Site::start(Plan { lifetime: LIFETIME, ..Plan::default() }).await else { return };
    let mut last = site.issued().await;
    let root = [site.authority.root().await];
    let ben = Person::member(&site.server, "Ben").await;
    let room = ben.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&site.server, &ben, &room, "Ben").await;

    let site = Arc::new(site);
    let (ended, shaken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let shaking: Vec<_> = (0..2)
        .map(|_| {
            let (site, root, ended, shaken) = (Arc::clone(&site), root.clone(), Arc::clone(&ended), Arc::clone(&shaken));
            tokio::spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    site.try_shake_hands(&root).await.unwrap();
                    shaken.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..3 {
        // A client of the relay that says nothing for ten seconds, or has no allocation after half a minute, is sent away.
        let mut relayed = site.try_shake_hands(&root).await.unwrap();
        bind(&mut relayed).await;
        last = site.renewed(Some(&last)).await;
        socket.expect_quiet().await;
        bind(&mut relayed).await;
    }
    ended.store(true, Ordering::Relaxed);
    for task in shaking {
        task.await.expect("a handshake failed");
    }
    assert!(shaken.load(Ordering::Relaxed) > 100, "{shaken:?} handshakes are not many");
}

/// Insists that the relay answers.
async fn bind(relayed: &mut TlsStream<TcpStream>) {
    relayed.write_all(&BINDING).await.unwrap();
    let mut answer = [0; 20];
    relayed.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..2], [1, 1], "no answer to a Binding request");
    let mut rest = vec![0; usize::from(u16::from_be_bytes([answer[2], answer[3]]))];
    relayed.read_exact(&mut rest).await.unwrap();
}

#[tokio::test]
async fn r26_while_the_authority_is_away_the_old_certificate_serves_on_with_a_warning_until_another_comes() {
    let Some(mut site) = Site::start(Plan { lifetime: LIFETIME, ..Plan::default() }).await else { return };
    let first = site.issued().await;
    let root = [site.authority.root().await];
    let ada = Person::admin(&site.server).await;
    site.authority.stop();
    eventually_soon("the warning is given", &site, 1).await;
    assert_eq!(site.figure("hearth_certificate_problem").await, 1);
    assert_eq!(site.shown_to(&root).await, Some(first.clone()));
    let told = ada.get("/api/admin/status").await.ok()["certificate"].clone();
    assert_eq!((&told["source"], &told["expiresSoon"]), (&json!("acme"), &json!(true)));
    assert!(told["problem"].as_str().is_some_and(|problem| problem.contains("can't be asked")), "{told}");
    eventually("the warning is logged", async || {
        site.server.log().contains("less than a third of the certificate's life is left")
    })
    .await;
    // It has forgotten the account, too.
    site.authority.go_on().await;
    site.issued().await;
    eventually_soon("the warning is taken back", &site, 0).await;
    eventually("the problem is over", async || site.figure("hearth_certificate_problem").await == 0).await;
}

/// Waits until the figure says so.
async fn eventually_soon(what: &str, site: &Site, value: u64) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while site.figure("hearth_certificate_expires_soon").await != value {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("this did not come about: {what}"));
}
