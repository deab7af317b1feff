//! The server's own authority: who trusts it once goes on connecting, whatever happens to the certificates that it signs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use data_encoding::BASE64;
use hearth::tls::Names;
use reqwest::{Method, StatusCode};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use crate::harness::{Person, TestServer, eventually, tls};

/// Text as the server gives it to anybody who asks.
async fn download(server: &TestServer, path: &str, content_type: &str) -> String {
    let guest = Person::guest(server);
    let answer = guest.client.get(format!("{}{path}", server.address)).send().await.unwrap();
    assert_eq!((answer.status(), answer.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, content_type), "{path}");
    answer.text().await.unwrap()
}

async fn authority(server: &TestServer) -> CertificateDer<'static> {
    let text = download(server, "/api/trust/ca.crt", "application/x-x509-ca-cert").await;
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
}

/// Shakes hands as a device that trusts this authority and asks for this name; the certificate that it was shown.
async fn shown(server: &TestServer, authority: &CertificateDer<'static>, name: &str) -> std::io::Result<CertificateDer<'static>> {
    let stream = TcpStream::connect(server.socket_address()).await?;
    let stream = tls::shake_hands(stream, [authority.clone()], name.to_owned(), &[]).await?;
    Ok(stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned())
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

#[tokio::test]
async fn o2_who_trusts_the_authority_connects_by_every_name_also_after_renewal_and_restart() {
    let mut server = TestServer::start();
    let authority = authority(&server).await;
    assert_eq!(fingerprint(&authority), server.authority, "what is printed is what people compare");
    let by_every_name = async |server: &TestServer| {
        let mut last = None;
        for name in Names::of_this_machine().iter() {
            let certificate = shown(server, &authority, name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(fingerprint(&certificate), server.fingerprint, "{name}");
            last = Some(certificate);
        }
        last.unwrap()
    };
    let first = by_every_name(&server).await;
    assert!(shown(&server, &authority, "example.org").await.is_err());

    assert!(server.stop().success());
    server.launch();
    assert_eq!(by_every_name(&server).await, first, "a restart changes nothing");

    assert!(server.stop().success());
    for file in ["cert.pem", "key.pem"] {
        std::fs::remove_file(server.data_dir().join("tls").join(file)).unwrap();
    }
    server.launch();
    assert_ne!(by_every_name(&server).await, first);
    assert_eq!(server.authority, fingerprint(&authority));
}

#[tokio::test]
async fn a_name_that_is_configured_later_is_vouched_for_by_the_same_authority() {
    let mut server = TestServer::start();
    let authority = authority(&server).await;
    assert!(server.stop().success());
    let mut command = server.command();
    command.env("HEARTH_SERVER_PUBLIC_URL", "https://meet.example.org").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let announced: Vec<_> = lines.map(Result::unwrap).take_while(|line| line != "Press Ctrl-C to stop.").collect();
    let outcomes = [shown(&server, &authority, "meet.example.org").await, shown(&server, &authority, "localhost").await];
    child.kill().unwrap();
    child.wait().unwrap();
    for outcome in outcomes {
        outcome.unwrap();
    }
    assert!(announced.contains(&String::from("trust: https://meet.example.org/trust")), "{announced:?}");
}

#[tokio::test]
async fn r28_damaged_certificates_keys_and_authorities_never_keep_it_from_starting() {
    let mut server = TestServer::start();
    let tls = server.data_dir().join("tls");
    for (file, content, keeps_its_authority) in [
        ("cert.pem", "", true),
        ("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", true),
        ("cert.pem", "\0\u{1}\u{2}", true),
        ("ca-key.pem", "", false),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA", false),
    ] {
        let (before, fingerprint_before) = (authority(&server).await, server.fingerprint.clone());
        assert!(server.stop().success());
        std::fs::write(tls.join(file), content).unwrap();
        let log_before = server.log().len();
        server.launch();
        let after = authority(&server).await;
        assert_eq!(after == before, keeps_its_authority, "{file}");
        assert_ne!(server.fingerprint, fingerprint_before, "{file}");
        shown(&server, &after, "localhost").await.unwrap();
        let is_told = async || {
            let log = server.log();
            log[log_before..].contains("WARN") && log[log_before..].contains("made anew")
        };
        eventually(&format!("that {file} was damaged is logged"), is_told).await;
    }
}

#[tokio::test]
async fn the_self_signed_certificate_of_an_earlier_version_is_replaced_with_a_word_in_the_log() {
    let mut server = TestServer::start();
    assert!(server.stop().success());
    let tls = server.data_dir().join("tls");
    std::fs::remove_dir_all(&tls).unwrap();
    std::fs::create_dir(&tls).unwrap();
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    for (file, content) in
        [("cert.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem()), ("meta.json", String::from("{}"))]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(tls.join(file), content).unwrap();
        std::fs::set_permissions(tls.join(file), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    server.launch();
    let authority = authority(&server).await;
    assert_ne!(shown(&server, &authority, "localhost").await.unwrap(), *made.cert.der());
    server.has_logged("it was not signed by this server's own authority");
}

#[tokio::test]
async fn a_device_is_given_what_it_needs_without_a_sign_in() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let told = guest.get("/api/trust").await.ok();
    assert_eq!((told["voucher"].as_str(), told["temporary"].as_bool()), (Some("server"), Some(false)), "{told}");
    assert_eq!(told["authority"]["fingerprint"], server.authority);
    let name = told["authority"]["name"].as_str().unwrap();
    assert!(name.starts_with("Hearth "), "{name}");
    let own = guest.get("/api/server").await.ok();
    assert_eq!(own["ownAuthority"], true);

    let profile = download(&server, "/api/trust/hearth.mobileconfig", "application/x-apple-aspen-config").await;
    assert!(profile.contains(&format!("<data>{}</data>", BASE64.encode(&authority(&server).await))), "{profile}");
    assert!(profile.contains(&format!("<string>{name}</string>")), "{profile}");
    assert!(profile.contains("<string>com.apple.security.root</string>"));
    let answer = guest.get("/api/trust/ca.crt").await;
    assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"hearth-ca.crt\"");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let page = guest.client.get(format!("{}/trust", server.address)).send().await.unwrap();
    assert!(page.status().is_success() || cfg!(not(feature = "embed-ui")), "{}", page.status());
}

#[tokio::test]
async fn the_code_draws_the_servers_own_address_and_nothing_that_a_request_says() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let own = guest.get("/api/trust").await.ok()["address"].as_str().unwrap().to_owned();
    let drawn = download(&server, "/api/trust/qr.svg", "image/svg+xml").await;
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>") && !drawn.contains("<script"), "{drawn}");
    let port = server.socket_address().port();
    for path in ["/api/trust", "/api/trust/qr.svg?text=https://evil.example", "/api/trust/qr.svg"] {
        for (name, value) in [("host", format!("evil.example:{port}")), ("origin", String::from("https://evil.example"))] {
            let request = guest.client.request(Method::GET, format!("{}{path}", server.address)).header(name, &value);
            let text = request.send().await.unwrap().text().await.unwrap();
            assert!(!text.contains("evil"), "{path} {name}: {text}");
            if path == "/api/trust" {
                assert!(text.contains(&own), "{name}: {text}");
            } else {
                assert_eq!(text, drawn, "{path} {name}");
            }
        }
    }
}

/// The library that tells a program another time. The command that goes with it would start it as a child of its own.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut files = folders.map(|folder| folder.join("faketime/libfaketime.so.1"));
    files.find(|file| file.exists()).expect("tests/setup.sh installs faketime")
}

#[tokio::test]
async fn r13_with_the_clock_years_off_it_serves_on_with_what_devices_take() {
    let mut server = TestServer::start();
    let authority = authority(&server).await;
    for clock in ["+10y", "-1y", "-20y", "+1y", "+1h", "-1h"] {
        assert!(server.stop().success());
        let mut command = server.command();
        command.env("LD_PRELOAD", faketime()).env("FAKETIME", clock);
        // Timers go by the other clock, which does not jump.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let announced: Vec<_> = lines.map(Result::unwrap).take_while(|line| line != "Press Ctrl-C to stop.").collect();
        // This test's own clock is right, as those of devices are.
        let outcome = shown(&server, &authority, "localhost").await;
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        outcome.unwrap_or_else(|error| panic!("at {clock}: {error}\n{log}"));
        assert!(announced.contains(&format!("authority: {}", fingerprint(&authority))), "at {clock}: {announced:?}\n{log}");
        if clock.ends_with('y') {
            assert!(
                log.contains("by this machine's clock") || log.contains("this machine's clock must be wrong"),
                "at {clock}: {log}"
            );
        }
        server.launch();
        shown(&server, &authority, "localhost").await.unwrap_or_else(|error| panic!("after {clock}: {error}"));
    }
}
