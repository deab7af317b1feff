//! The headers that every answer carries, whatever it answers.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::extract::ReachedHost;

const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), fullscreen=(self), \
                           geolocation=(), payment=(), usb=(), serial=(), bluetooth=(), midi=(), hid=(), browsing-topics=()";

/// Adds the security headers (OWASP ASVS 5.0, V3.4). Strict transport security waits for a certificate that browsers trust: with
/// a self-made one it would lock people out.
pub(super) async fn secure(request: Request, next: Next) -> Response {
    let socket_host = ReachedHost::of(&request).map(|host| host.authority);
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), PERMISSIONS);
    headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy(socket_host.as_deref()));
    if is_api || !headers.contains_key(header::CACHE_CONTROL) {
        forbid_storing(headers);
    }
    response
}

fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The policy of DEFAULTS: nothing but this origin, no inline script or style, no frames. The socket's host is named because
/// older Safari doesn't count `wss:` as `'self'`.
fn content_security_policy(socket_host: Option<&str>) -> HeaderValue {
    let socket = socket_host.map(|host| format!(" wss://{host}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
         font-src 'self'; connect-src 'self'{socket}; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; \
         form-action 'self'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'"
    );
    HeaderValue::from_str(&policy).expect("a reached host has only letters, digits, dots, hyphens, colons and brackets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u2_the_policy_allows_nothing_inline_and_no_other_origin() {
        let policy = content_security_policy(Some("meet.example.org:8443"));
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("default-src 'none'"));
        assert!(policy.contains("connect-src 'self' wss://meet.example.org:8443;"));
        assert!(!policy.contains("unsafe"));
        assert!(!policy.contains('*'));
    }
}
