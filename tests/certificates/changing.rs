//! Another certificate while the server runs: set in the browser or in the file, it comes without a restart, and nobody who came by
//! the old way is shut out meanwhile (O2, O5).

use std::time::Duration;

use reqwest::Method;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

use crate::authority::{Authority, Wishes};
use crate::harness::{Answer, Options, Person, Port, Socket, TestServer, eventually};
use crate::site::{HOUR, PATIENCE, shake_hands};

const PUBLIC: &str = "meet.hearth-club.net";
const OTHER: &str = "other.hearth-club.net";

/// A server that vouches for itself, and an authority that it could ask.
struct Place {
    server: TestServer,
    authority: Authority,
}

impl Place {
    /// `None` where there is no authority to be had.
    async fn start() -> Option<Self> {
        Self::start_with("https_only = false").await
    }

    /// With these lines about the server.
    async fn start_with(lines: &str) -> Option<Self> {
        let (mut server, http) = (TestServer::prepare(), Port::reserve());
        let (tls_port, http_port) = (server.port(), http.number);
        let authority = Authority::start(Wishes { tls_port, http_port, lifetime: HOUR, external_accounts: false }).await?;
        server.configure(&Options { config: Self::settings(&authority), server: lines.to_owned(), ..Options::default() });
        server.launch();
        Some(Self { server, authority })
    }

    /// Whom to ask, but not that anybody is to be asked.
    fn settings(authority: &Authority) -> String {
        authority.settings().replace("mode = \"acme\"\n", "")
    }

    /// Whether a client that trusts `root` alone and comes by `name` gets in.
    async fn admits(&self, name: &'static str, root: &str) -> bool {
        let name = ServerName::try_from(name).unwrap();
        shake_hands(self.server.socket_address(), &[root.to_owned()], name, &[b"http/1.1"]).await.is_ok()
    }

    async fn comes_to_admit(&self, name: &'static str, root: &str) {
        let waited = tokio::time::timeout(PATIENCE, async {
            while !self.admits(name, root).await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("no certificate for {name} came:\n{}", self.authority.log()));
    }

    fn own_root(&self) -> String {
        self.server.certificate()
    }
}

async fn set(admin: &Person, changes: &[(&str, Value)]) -> Value {
    try_set(admin, changes).await.ok()
}

async fn try_set(admin: &Person, changes: &[(&str, Value)]) -> Answer {
    let changes: Vec<_> = changes.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let body = json!({"changes": changes}).to_string().into_bytes();
    admin.send(Method::PUT, "/api/admin/settings", &[("content-type", "application/json")], Some(body)).await
}

async fn certificate(admin: &Person) -> Value {
    admin.get("/api/admin/status").await.ok()["certificate"].clone()
}

#[tokio::test]
async fn o2_a_public_name_that_is_set_in_the_browser_gets_its_certificate_without_a_restart() {
    let Some(place) = Place::start().await else { return };
    let (ada, root) = (Person::admin(&place.server).await, place.authority.root().await);
    let room = ada.create("Standup", json!({})).await;
    let (mut socket, _) = Socket::enter(&place.server, &ada, &room, "Ada").await;
    assert_eq!(certificate(&ada).await["source"], "localCa");

    let reply = set(&ada, &[("server.public_url", json!(format!("https://{PUBLIC}")))]).await;
    assert_eq!(reply["waiting"], json!([]));
    place.comes_to_admit(PUBLIC, &root).await;
    socket.expect_quiet().await;
    // Each request of hers shakes hands by another name of the machine, which the authority vouches for least of all.
    let told = certificate(&ada).await;
    assert_eq!((&told["source"], &told["names"], &told["problem"]), (&json!("acme"), &json!([PUBLIC]), &Value::Null));
    assert!(place.admits("localhost", &place.own_root()).await && place.admits("127.0.0.1", &place.own_root()).await);
    assert_eq!(place.authority.orders(), 1);

    // The same once more, and others that have nothing to do with it, are no reason to ask again.
    set(&ada, &[("server.public_url", json!(format!("https://{PUBLIC}"))), ("server.name", json!("The Lodge"))]).await;
    // Back and forth: what was obtained is still there.
    set(&ada, &[("tls.mode", json!("local"))]).await;
    place.comes_to_admit(PUBLIC, &place.own_root()).await;
    assert_eq!(certificate(&ada).await["source"], "localCa");
    set(&ada, &[("tls.mode", Value::Null)]).await;
    place.comes_to_admit(PUBLIC, &root).await;
    assert_eq!(place.authority.orders(), 1);
    socket.expect_quiet().await;
}

#[tokio::test]
async fn o2_another_authority_for_the_same_name_takes_nothing_away_before_it_has_given() {
    let Some(place) = Place::start().await else { return };
    let (ada, root) = (Person::admin(&place.server).await, place.authority.root().await);
    set(&ada, &[("server.public_url", json!(format!("https://{PUBLIC}")))]).await;
    place.comes_to_admit(PUBLIC, &root).await;
    // Nobody listens there.
    let nowhere = format!("https://localhost:{}/dir", Port::reserve().number);
    let settings = Place::settings(&place.authority);
    let line = settings.lines().find(|line| line.starts_with("acme_directory")).unwrap();
    place.server.configure(&Options {
        config: settings.replace(line, &format!("acme_directory = {nowhere:?}")),
        server: String::from("https_only = false"),
        ..Options::default()
    });
    place.server.signal("HUP");
    eventually("it is told why", async || {
        certificate(&ada).await["problem"].as_str().is_some_and(|problem| problem.contains("can't be asked"))
    })
    .await;
    assert!(place.admits(PUBLIC, &root).await, "a certificate was taken away that is as good as before");
    let told = certificate(&ada).await;
    assert_eq!((&told["source"], &told["names"]), (&json!("acme"), &json!([PUBLIC])), "{told}");
    assert!(!told["problem"].as_str().unwrap().contains("stands in"), "{told}");
}

#[tokio::test]
async fn o2_nobody_can_shut_everybody_out_from_the_browser_that_insists_on_being_vouched_for() {
    let Some(place) = Place::start_with("").await else { return };
    let (ada, root) = (Person::admin(&place.server).await, place.authority.root().await);
    let url = json!(format!("https://{PUBLIC}"));
    // While nobody vouches yet, minds can be changed.
    set(&ada, &[("server.public_url", url.clone()), ("tls.mode", json!("local"))]).await;
    set(&ada, &[("tls.mode", Value::Null), ("server.public_url", Value::Null)]).await;
    set(&ada, &[("server.public_url", url)]).await;
    place.comes_to_admit(PUBLIC, &root).await;
    eventually("it is told", async || certificate(&ada).await["source"] == "acme").await;
    for (key, value) in [
        ("tls.mode", json!("local")),
        ("server.public_url", Value::Null),
        ("server.public_url", json!(format!("https://{PUBLIC}:8443"))),
    ] {
        let refused = try_set(&ada, &[(key, value)]).await.refused(422, "invalid_settings");
        let problem = &refused.body["error"]["problems"][0];
        assert_eq!(problem["key"], key);
        assert!(problem["mend"].as_str().unwrap().contains("server.https_only"), "{problem}");
    }
    set(&ada, &[("server.public_url", json!(format!("https://{OTHER}")))]).await;
}

#[tokio::test]
async fn o2_until_another_name_has_its_certificate_the_old_one_keeps_its_own() {
    let Some(mut place) = Place::start().await else { return };
    let (ada, root) = (Person::admin(&place.server).await, place.authority.root().await);
    set(&ada, &[("server.public_url", json!(format!("https://{PUBLIC}")))]).await;
    place.comes_to_admit(PUBLIC, &root).await;
    place.authority.stop();
    set(&ada, &[("server.public_url", json!(format!("https://{OTHER}")))]).await;
    // Who comes by the new name is told the truth by the server's own authority, and who comes by the old one notices nothing.
    place.comes_to_admit(OTHER, &place.own_root()).await;
    assert!(place.admits(PUBLIC, &root).await);
    eventually("it is told why", async || {
        certificate(&ada).await["problem"].as_str().is_some_and(|problem| problem.contains("can't be asked"))
    })
    .await;
    place.authority.go_on().await;
    place.comes_to_admit(OTHER, &place.authority.root().await).await;
    eventually("the problem is over", async || certificate(&ada).await["problem"].is_null()).await;
}

#[tokio::test]
async fn o5_the_section_tls_is_read_again_at_sighup_and_what_is_wrong_changes_nothing() {
    let Some(place) = Place::start().await else { return };
    let root = place.authority.root().await;
    let configure = |more: &str, server: &str| {
        place.server.configure(&Options {
            config: Place::settings(&place.authority) + more,
            server: server.to_owned(),
            ..Options::default()
        });
        place.server.signal("HUP");
    };
    let url = format!("public_url = \"https://{PUBLIC}\"");
    configure("acme_eab_key_id = \"kid-1\"\nacme_eab_key_file = \"/nowhere\"\n", &url);
    eventually("what is wrong is told", async || place.server.log().contains("settings_refused")).await;
    assert!(!place.admits(PUBLIC, &place.own_root()).await, "half of it was taken");
    configure("", &url);
    place.comes_to_admit(PUBLIC, &root).await;
}
