//! The headers of every answer (attacks U2, U4, U5).

use reqwest::Method;

use crate::harness::{Person, TestServer};

#[tokio::test]
async fn u2_u4_u5_every_answer_carries_the_security_headers_errors_included() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    let host = server.address.strip_prefix("https://").unwrap();
    let answers = [
        guest.get("/").await,
        guest.get("/m/abcd-efgh-jkmn").await,
        guest.get("/api/server").await,
        guest.get("/healthz").await,
        guest.get("/api/nothing").await,
        guest.get("/no/such/page").await,
        guest.send(Method::PUT, "/api/server", &[], None).await,
        guest.send(Method::POST, "/api/auth/login", &[("origin", "https://evil.example")], None).await,
        guest.get("/api/signaling").await,
    ];
    for answer in answers {
        let header =
            |name: &str| answer.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(policy.contains(&format!("connect-src 'self' wss://{host};")), "{policy}");
        assert!(!policy.contains("unsafe"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert!(header("permissions-policy").contains("camera=(self)"));
        assert!(!header("cache-control").is_empty());
        assert!(!answer.headers.contains_key("server"));
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(guest.get("/api/server").await.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn o1_the_page_is_in_the_binary_and_its_files_are_cached_for_good() {
    let server = TestServer::start();
    let guest = Person::guest(&server);
    for path in ["/", "/signin", "/register", "/setup", "/m/abcd-efgh-jkmn"] {
        let page = guest.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-cache");
    }
    assert_eq!(guest.get("/nowhere").await.status, 404);
    let etag = guest.get("/").await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(guest.send(Method::GET, "/", &[("if-none-match", &etag)], None).await.status, 304);
    let script = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist/assets")).unwrap();
    let script =
        script.map(|entry| entry.unwrap().file_name().into_string().unwrap()).find(|name| name.ends_with(".js")).unwrap();
    let path = format!("/assets/{script}");
    for (encoding, expected) in [("gzip, br", "br"), ("gzip", "gzip"), ("gzip;q=0, br;q=0", ""), ("identity", "")] {
        let asset = guest.send(Method::GET, &path, &[("accept-encoding", encoding)], None).await;
        assert_eq!(asset.status, 200);
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(asset.headers.get("content-encoding").map_or("", |value| value.to_str().unwrap()), expected, "{encoding}");
    }
    assert_eq!(guest.get(&format!("{path}.br")).await.status, 404);
}
