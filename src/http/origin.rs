//! By which names this server goes, and whether a request comes from its own page.
//!
//! A server has two names at most: the configured public one (`server.public_url`), and the one that a request itself names in
//! `Host` or `:authority`. The second differs where people in the house reach the server by another name or address, and where a
//! proxy writes its own name for the server over the public one. A page from either origin is ours: browsers connect to no other
//! host than the one they write into `Host`, and the certificate must fit it.
//!
//! Which of the two the browser uses is told by `Origin`, which goes with every socket and everything that changes something: no
//! proxy rewrites it. Where there is none, there is no browser, and the public name counts.

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, HeaderName, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::cors::Invited;
use super::error::ApiError;
use super::extract::ReachedHost;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names that this server goes by in one request.
pub(super) struct OwnHosts {
    public: Option<ReachedHost>,
    named: Option<ReachedHost>,
}

impl OwnHosts {
    pub(super) fn of(api: &Api, uri: &Uri, headers: &HeaderMap) -> Self {
        let public = api.settings.get().public_host.clone();
        let named = ReachedHost::of(uri, headers).filter(|named| public.as_ref() != Some(named));
        Self { public, named }
    }

    /// Each of them once, the public one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ReachedHost> {
        self.public.iter().chain(&self.named)
    }

    /// The one under which the browser reached this server.
    pub(super) fn reached(&self, headers: &HeaderMap) -> Option<ReachedHost> {
        let by_origin = headers.get(ORIGIN).and_then(|origin| self.with_origin(origin.as_bytes()));
        by_origin.or_else(|| self.iter().next()).cloned()
    }

    fn with_origin(&self, origin: &[u8]) -> Option<&ReachedHost> {
        self.iter().find(|host| origin.eq_ignore_ascii_case(format!("https://{}", host.authority).as_bytes()))
    }
}

/// Refuses what another site's page sent (attacks H10 and W1): every request that changes something, and every socket.
pub(super) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    if request.extensions().get::<Invited>().is_some() {
        return next.run(request).await;
    }
    let is_socket = request.headers().contains_key(UPGRADE) || request.uri().path() == "/api/signaling";
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if (is_socket || changes) && !is_ours(&OwnHosts::of(&api, request.uri(), request.headers()), request.headers(), is_socket) {
        let message = "This request came from another site's page, which may not speak for you here.";
        return ApiError::new(StatusCode::FORBIDDEN, "cross_origin", message).into_response();
    }
    next.run(request).await
}

fn is_ours(hosts: &OwnHosts, headers: &HeaderMap, is_socket: bool) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return false;
    }
    match headers.get(ORIGIN) {
        Some(origin) => hosts.with_origin(origin.as_bytes()).is_some(),
        // A browser that opens a socket always says where from; only something else could send a cookie without it.
        None => !is_socket || !headers.contains_key(COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(authority: &str) -> ReachedHost {
        ReachedHost { authority: authority.to_owned() }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn ours(pairs: &[(&'static str, &'static str)], is_socket: bool) -> bool {
        let hosts = OwnHosts { public: None, named: Some(host("meet.example:8443")) };
        is_ours(&hosts, &headers(pairs), is_socket)
    }

    #[test]
    fn the_origin_tells_by_which_of_its_two_names_the_server_was_reached() {
        let hosts = OwnHosts { public: Some(host("meet.example")), named: Some(host("10.0.0.5:8443")) };
        let reached = |pairs| hosts.reached(&headers(pairs)).unwrap().authority;
        assert_eq!(reached(&[("origin", "https://meet.example")]), "meet.example");
        assert_eq!(reached(&[("origin", "https://10.0.0.5:8443")]), "10.0.0.5:8443");
        assert_eq!(reached(&[]), "meet.example");
        assert!(!is_ours(&hosts, &headers(&[("origin", "https://10.0.0.5")]), false));
    }

    #[test]
    fn h10_w1_only_our_own_page_may_change_things_or_open_sockets() {
        assert!(ours(&[("origin", "https://meet.example:8443"), ("sec-fetch-site", "same-origin")], true));
        assert!(ours(&[], false));
        for evil in [
            "null",
            "https://evil.example",
            "https://meet.example:8443.evil.example",
            "https://meet.example",
            "http://meet.example:8443",
        ] {
            assert!(!ours(&[("origin", evil)], false), "{evil} was taken");
            assert!(!ours(&[("origin", evil)], true), "{evil} was taken");
        }
        assert!(!ours(&[("sec-fetch-site", "cross-site")], false));
        assert!(!ours(&[("sec-fetch-site", "same-site"), ("origin", "https://meet.example:8443")], false));
        assert!(!ours(&[("cookie", "a=b")], true));
    }
}
