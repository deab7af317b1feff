//! Plain HTTP on port 80: leads browsers to HTTPS, shows a certificate authority what it comes for, and does nothing else.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;

use super::connection::{Accepted, MAX_HEADER_BYTES};
use super::listener::Listener;
use super::places::Places;
use super::stall::Unstalled;
use crate::authority;
use crate::lifecycle::{Live, Tasks};
use crate::tls::{CertificateWatch, Challenges};

/// How long a client may take for the headers of its one request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a certificate authority looks (RFC 8555 §8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// What is answered over plain HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plain {
    /// What a certificate authority may ask for.
    pub challenges: Challenges,
    /// Tells by which names this server is known.
    pub certificate: CertificateWatch,
    /// The origin by which people know this server, where one is configured. Browsers are sent there, whatever they asked for.
    pub public_origin: Live<Option<String>>,
    /// The port of HTTPS, where browsers are sent otherwise if they asked for a name of the certificate.
    pub port: u16,
    /// The origin for those who asked for another name.
    pub otherwise: Arc<str>,
}

impl Plain {
    /// Answers on `listener` until the program stops. `places` is shared with the other listeners.
    pub async fn serve(self, listener: Listener, places: Places, tasks: Tasks) {
        let serve = |accepted: Accepted| {
            let plain = self.clone();
            tasks.spawn(async move { plain.converse(accepted).await });
        };
        listener.accept_all(&places, &tasks, serve).await;
    }

    /// One request and its answer.
    async fn converse(self, accepted: Accepted) {
        let Accepted { stream, place: _place, .. } = accepted;
        let stream = TokioIo::new(Unstalled::new(stream, PATIENCE));
        let service = service_fn(move |request| self.answer(&request));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(MAX_HEADER_BYTES).keep_alive(false);
        let connection = pin!(builder.serve_connection(stream, service));
        // Whoever fails is not told why, and not logged: scanners do it all day.
        let _ = timeout(PATIENCE * 2, connection).await;
    }

    fn answer<B>(&self, request: &Request<B>) -> Ready<Result<Response<String>, Infallible>> {
        let path = request.uri().path();
        ready(Ok(match path.strip_prefix(CHALLENGES) {
            Some(token) if matches!(*request.method(), Method::GET | Method::HEAD) => self.challenge(token),
            Some(_) => status(StatusCode::METHOD_NOT_ALLOWED),
            None => self.redirect(request),
        }))
    }

    fn challenge(&self, token: &str) -> Response<String> {
        let Some(answer) = self.challenges.by_http(token) else { return status(StatusCode::NOT_FOUND) };
        let mut response = Response::new(answer);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn redirect<B>(&self, request: &Request<B>) -> Response<String> {
        let path = request.uri().path_and_query().map(|path| path.as_str()).filter(|path| path.starts_with('/')).unwrap_or("/");
        let Ok(location) = HeaderValue::from_str(&format!("{}{path}", self.origin(request))) else {
            return status(StatusCode::BAD_REQUEST);
        };
        let mut response = status(StatusCode::PERMANENT_REDIRECT);
        response.headers_mut().insert(LOCATION, location);
        // A server may move; what a browser remembers for good it can't be told otherwise.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Where the client belongs. Never simply where it says: a name that is none of this server's may be anybody's.
    fn origin<B>(&self, request: &Request<B>) -> String {
        if let Some(origin) = self.public_origin.get().as_ref() {
            return origin.clone();
        }
        let Self { port, otherwise, .. } = self;
        let asked = asked_for(request).filter(|host| self.certificate.status().names.iter().any(|name| name == host));
        let Some(host) = asked else { return otherwise.to_string() };
        format!("https://{}", authority::written(&host, *port))
    }
}

/// The name or address that the client asked for, in lower case, an IPv6 address without brackets.
fn asked_for<B>(request: &Request<B>) -> Option<String> {
    let in_line = request.uri().authority().cloned();
    let in_header = || request.headers().get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let authority = if request.version() == Version::HTTP_10 { in_line } else { in_line.or_else(in_header) }?;
    Some(authority.host().trim_matches(['[', ']']).to_ascii_lowercase())
}

fn status(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::tls::{CertificateStatus, Source};

    /// Known by an origin, or serving HTTPS on this port.
    fn plain(known_as: Result<&str, u16>) -> Plain {
        let status = CertificateStatus {
            source: Source::LocalCa,
            names: ["localhost", "hearth.local", "192.168.1.10", "fd00::1"].map(String::from).into(),
            fingerprint: String::new(),
            not_before: Timestamp::default(),
            not_after: Timestamp::default(),
            renews_at: None,
            expires_soon: false,
            problem: None,
        };
        Plain {
            challenges: Challenges::default(),
            certificate: CertificateWatch::fixed(status),
            public_origin: Live::new(known_as.ok().map(str::to_owned)),
            port: known_as.err().unwrap_or(443),
            otherwise: "https://localhost:8443".into(),
        }
    }

    fn location(known_as: Result<&str, u16>, uri: &str, host: &str) -> String {
        let request = Request::builder().uri(uri).header(HOST, host).body(()).unwrap();
        let response = plain(known_as).answer(&request).into_inner().unwrap();
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        response.headers()[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn h14_h12_browsers_are_sent_to_the_configured_origin_whatever_they_ask_for() {
        for host in ["meet.club.net", "evil.example", "meet.club.net.evil.example", "x y", ""] {
            let to = |uri| location(Ok("https://meet.club.net"), uri, host);
            assert_eq!(to("/join/abc?x=1"), "https://meet.club.net/join/abc?x=1");
            assert_eq!(to("//evil.example/"), "https://meet.club.net//evil.example/");
            assert_eq!(to("http://evil.example/a"), "https://meet.club.net/a");
            assert_eq!(to("*"), "https://meet.club.net/");
        }
    }

    #[test]
    fn another_origin_counts_from_the_moment_it_is_set() {
        let plain = plain(Err(8443));
        let to = || {
            let request = Request::builder().uri("/").header(HOST, "hearth.local").body(()).unwrap();
            plain.answer(&request).into_inner().unwrap().headers()[LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(to(), "https://hearth.local:8443/");
        plain.public_origin.set(Some(String::from("https://meet.club.net")));
        assert_eq!(to(), "https://meet.club.net/");
    }

    #[test]
    fn without_a_configured_name_only_names_of_this_server_are_kept() {
        for (host, origin) in [
            ("hearth.local", "https://hearth.local:8443"),
            ("Hearth.Local:80", "https://hearth.local:8443"),
            ("192.168.1.10", "https://192.168.1.10:8443"),
            ("[fd00::1]", "https://[fd00::1]:8443"),
            ("evil.example", "https://localhost:8443"),
            ("hearth.local.evil.example", "https://localhost:8443"),
            ("hearth.local@evil.example", "https://localhost:8443"),
            ("", "https://localhost:8443"),
        ] {
            assert_eq!(location(Err(8443), "/a", host), format!("{origin}/a"), "{host}");
        }
        assert_eq!(location(Err(443), "/", "hearth.local"), "https://hearth.local/");
    }

    #[test]
    fn d8_challenges_that_nobody_is_expected_to_ask_for_are_not_there() {
        let plain = plain(Ok("https://meet.club.net"));
        let ask = |method: &str, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            plain.answer(&request).into_inner().unwrap().status()
        };
        assert_eq!(ask("GET", "/.well-known/acme-challenge/token"), StatusCode::NOT_FOUND);
        assert_eq!(ask("GET", "/.well-known/acme-challenge/"), StatusCode::NOT_FOUND);
        assert_eq!(ask("POST", "/.well-known/acme-challenge/token"), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(ask("GET", "/.well-known/other"), StatusCode::PERMANENT_REDIRECT);
    }
}
