//! Whether a request comes from our own page. Browsers say so; other clients say nothing and carry no cookies of ours.

use axum::extract::Request;
use axum::http::header::{COOKIE, HeaderName, ORIGIN, UPGRADE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::extract::ReachedHost;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what another site's page sent (attacks H10 and W1): every request that changes something, and every socket.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let is_socket = request.headers().contains_key(UPGRADE) || request.uri().path() == "/api/signaling";
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if (is_socket || changes) && !is_ours(request.headers(), ReachedHost::of(&request).as_ref(), is_socket) {
        let message = "This request came from another site's page, which may not speak for you here.";
        return ApiError::new(StatusCode::FORBIDDEN, "cross_origin", message).into_response();
    }
    next.run(request).await
}

fn is_ours(headers: &HeaderMap, reached: Option<&ReachedHost>, is_socket: bool) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && !matches!(site.as_bytes(), b"same-origin" | b"none")
    {
        return false;
    }
    match headers.get(ORIGIN) {
        Some(origin) => {
            let ours = reached.map(|host| format!("https://{}", host.authority));
            ours.is_some_and(|ours| origin.as_bytes().eq_ignore_ascii_case(ours.as_bytes()))
        }
        // A browser that opens a socket always says where from; only something else could send a cookie without it.
        None => !is_socket || !headers.contains_key(COOKIE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(pairs: &[(&'static str, &'static str)], is_socket: bool) -> bool {
        let headers = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let host = ReachedHost { authority: "meet.example:8443".into(), host: "meet.example".into() };
        is_ours(&headers, Some(&host), is_socket)
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
