//! Pages of other sites that may use this server (CORS, as the Fetch standard has it): those that an administrator named, each by its
//! exact origin.
//!
//! They come with an access token of their own. The cookie of this site's page never counts for them and none is set by them, so that
//! no such page can do anything in the name of somebody who is only signed in here (attack H11).

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, COOKIE, ORIGIN, SET_COOKIE, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;

/// How long a browser may remember that it was let in, in seconds. Whoever is no longer named is refused all the same.
const REMEMBERED_SECONDS: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type");
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");

/// Marks a request of a page that an administrator named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invited;

/// Lets pages of the named origins in, and tells their browsers so.
pub(super) async fn invite(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some(origin) = invited_origin(&request, &api.settings.get().cors_origins) else { return next.run(request).await };
    let headers = request.headers_mut();
    let is_preflight = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    headers.remove(COOKIE);
    let mut response = if is_preflight && request.method() == Method::OPTIONS {
        let allowed = [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS),
        ];
        (StatusCode::NO_CONTENT, allowed).into_response()
    } else {
        request.extensions_mut().insert(Invited);
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.remove(SET_COOKIE);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(VARY, HeaderValue::from_static("origin"));
    response
}

/// The origin of a request to the API, if it is one of `invited`.
fn invited_origin(request: &Request, invited: &[String]) -> Option<HeaderValue> {
    let is_api = ["/api/", "/auth/", "/meeting/"].iter().any(|start| request.uri().path().starts_with(start));
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let origin = origins.next().filter(|_| is_api)?;
    // Browsers write an origin in lower case; what differs by anything is another one.
    let named = origins.next().is_none() && invited.iter().any(|known| known.as_bytes() == origin.as_bytes());
    named.then(|| origin.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invited(path: &str, origins: &[&str]) -> bool {
        let mut request = Request::builder().uri(path);
        for origin in origins {
            request = request.header(ORIGIN, *origin);
        }
        let named = [String::from("https://www.example.org"), String::from("http://localhost:5173")];
        invited_origin(&request.body(axum::body::Body::empty()).unwrap(), &named).is_some()
    }

    #[test]
    fn h11_an_origin_is_invited_when_it_is_exactly_one_of_those_named() {
        assert!(invited("/api/server", &["https://www.example.org"]) && invited("/meeting/join", &["http://localhost:5173"]));
        for other in [
            "https://example.org",
            "https://www.example.org.evil.example",
            "https://evil.example/https://www.example.org",
            "http://www.example.org",
            "https://www.example.org:8443",
            "https://www.example.org/",
            "HTTPS://www.example.org",
            "null",
            "*",
            "",
        ] {
            assert!(!invited("/api/server", &[other]), "{other:?}");
        }
        assert!(!invited("/api/server", &[]) && !invited("/metrics", &["https://www.example.org"]));
        assert!(!invited("/api/server", &["https://www.example.org", "https://evil.example"]), "two origins are none");
    }
}
