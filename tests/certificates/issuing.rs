//! First certificates: how the authority looks the server up, whom it knows, and what is kept (O2, R25, R28, F1, D8).

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;

use rustls::pki_types::{DnsName, ServerName};

use crate::harness::eventually;
use crate::site::{PATIENCE, Plan, Site, shake_hands};

/// Waits for a line of the log.
async fn logged(site: &Site, words: &str) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !site.server.log().contains(words) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{words:?} was not logged"));
}

#[tokio::test]
async fn o2_a_certificate_is_issued_over_the_https_port_alone_and_kept_over_a_restart() {
    let Some(mut site) = Site::start(Plan::default()).await else { return };
    let own = site.server.fingerprint.clone();
    let issued = site.issued().await;
    assert_eq!(site.figure("hearth_certificate_problem").await, 0);
    assert_eq!(site.figure("hearth_certificate_expires_soon").await, 0);
    assert!(site.server.stop().success());

    // Nobody needs to be asked again.
    let root = [site.authority.root().await];
    site.authority.stop();
    site.server.launch();
    assert_ne!(site.server.fingerprint, own);
    assert_eq!(site.shown_to(&root).await, Some(issued));
}

#[tokio::test]
async fn o2_a_public_name_is_all_that_needs_to_be_configured() {
    let plan = Plan { name: "meet.hearth-club.net", chosen_by_itself: true, ..Plan::default() };
    let Some(mut site) = Site::start(plan).await else { return };
    assert_eq!(site.server.address, "https://meet.hearth-club.net");
    site.issued().await;
}

#[tokio::test]
async fn f1_account_and_certificate_are_for_this_user_alone() {
    let Some(mut site) = Site::start(Plan::default()).await else { return };
    site.issued().await;
    let dir = site.server.data_dir().join("tls/acme");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in ["account.json", "certificate.pem"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

#[tokio::test]
async fn o2_a_certificate_is_issued_over_plain_http_where_that_is_open() {
    let plan = Plan { by_tls: false, by_http: true, ..Plan::default() };
    let Some(mut site) = Site::start(plan).await else { return };
    site.issued().await;
}

#[tokio::test]
async fn o2_with_both_ways_open_the_one_that_works_is_found() {
    let Some(mut site) = Site::prepare(Plan::default()).await else { return };
    // The server listens for plain HTTP, but where the authority doesn't look.
    let elsewhere = crate::harness::Port::reserve();
    site.configure("");
    let text = fs::read_to_string(site.server.config_file()).unwrap();
    let text = text.replace("listen_http = []", &format!("listen_http = [\"127.0.0.1:{}\"]", elsewhere.number));
    fs::write(site.server.config_file(), text).unwrap();
    site.server.launch();
    site.issued().await;
    // Without that the way over plain HTTP was not tried.
    site.server.has_logged("server.listen_http");
}

#[tokio::test]
async fn o2_where_another_program_has_port_80_nobody_is_invited_there() {
    let Some(mut site) = Site::prepare(Plan { by_http: true, ..Plan::default() }).await else { return };
    let other = std::net::TcpListener::bind(("127.0.0.1", site.http_port.number)).unwrap();
    site.server.launch();
    site.issued().await;
    assert_eq!(site.authority.orders(), 1, "the first attempt was made where another program answers");
    drop(other);
}

#[tokio::test]
async fn o2_an_address_gets_a_certificate_too() {
    let Some(mut site) = Site::start(Plan { name: "127.0.0.1", ..Plan::default() }).await else { return };
    site.issued().await;
}

#[tokio::test]
async fn o2_an_account_that_the_authority_knows_already_is_used() {
    let Some(mut site) = Site::prepare(Plan { external_accounts: true, ..Plan::default() }).await else { return };
    site.server.launch();
    logged(&site, "tls.acme_eab_key_id").await;
    assert_eq!(site.figure("hearth_certificate_problem").await, 1);
    assert!(site.server.stop().success());

    let file = site.authority.key_file();
    site.configure(&format!("acme_eab_key_id = \"kid-1\"\nacme_eab_key_file = {file:?}\nacme_contact = \"ada@example.org\"\n"));
    site.server.launch();
    site.issued().await;
}

#[tokio::test]
async fn r25_while_the_authority_is_away_the_own_one_stands_in_and_later_the_certificate_comes_by_itself() {
    let Some(mut site) = Site::prepare(Plan::default()).await else { return };
    site.authority.stop();
    site.server.launch();
    let own = fs::read_to_string(site.server.data_dir().join("tls/ca.pem")).unwrap();
    assert!(site.shown_to(&[own]).await.is_some(), "there is no certificate at all");
    logged(&site, "can't be asked").await;
    assert_eq!(site.figure("hearth_certificate_problem").await, 1);
    site.authority.go_on().await;
    site.issued().await;
    eventually("the problem is over", async || site.figure("hearth_certificate_problem").await == 0).await;
}

#[tokio::test]
async fn r25_a_name_that_leads_elsewhere_is_told_with_its_mend_and_orders_become_rare() {
    let Some(mut site) = Site::start(Plan { by_tls: false, ..Plan::default() }).await else { return };
    logged(&site, "TCP port 443 leads from outside").await;
    // Pauses of 1, 2 and 4 seconds, give or take a quarter, allow for three more at most.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert!((1..=5).contains(&site.authority.orders()), "{} orders", site.authority.orders());
    assert!(site.server.stop().success());
    assert!(!site.server.log().contains("did not end in time"));
}

#[tokio::test]
async fn r28_damaged_and_missing_files_lead_to_a_new_account_or_order_and_never_to_an_exit() {
    let Some(mut site) = Site::start(Plan::default()).await else { return };
    let mut last = site.issued().await;
    let dir = site.server.data_dir().join("tls/acme");
    for (file, content) in [
        ("certificate.pem", None),
        ("certificate.pem", Some("")),
        ("certificate.pem", Some("-----BEGIN CERTIFICATE-----\nAAAA")),
        ("account.json", Some("{")),
    ] {
        assert!(site.server.stop().success());
        match content {
            Some(content) => fs::write(dir.join(file), content).unwrap(),
            None => fs::remove_file(dir.join(file)).unwrap(),
        }
        // Without an account no order can be placed, so that a damaged one is noticed.
        if file == "account.json" {
            fs::remove_file(dir.join("certificate.pem")).unwrap();
        }
        site.server.launch();
        let next = site.renewed(Some(&last)).await;
        assert_eq!(site.figure("hearth_certificate_problem").await, 0, "{file} with {content:?}");
        last = next;
    }
    site.server.has_logged("is damaged");
}

#[tokio::test]
async fn d8_names_that_nobody_knows_and_uninvited_challenges_cost_no_order() {
    let Some(mut site) = Site::start(Plan::default()).await else { return };
    site.issued().await;
    let (orders, root) = (site.authority.orders(), [site.authority.root().await]);
    let address = site.server.socket_address();
    for number in 0..50 {
        let name = ServerName::DnsName(DnsName::try_from(format!("name-{number}.example.org")).unwrap());
        assert!(shake_hands(address, &root, name, &[b"http/1.1"]).await.is_err(), "there is a certificate for any name");
    }
    for name in [ServerName::try_from("meet.hearth.test").unwrap(), ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST))] {
        let uninvited = shake_hands(address, &root, name, &[b"acme-tls/1"]).await;
        assert!(uninvited.is_err(), "a challenge was answered that nobody posed");
    }
    assert_eq!((orders, site.authority.orders()), (1, 1));
    assert!(site.shown().await.is_some());
}
