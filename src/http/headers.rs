//! The headers that every answer carries, whatever it answers.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Api;
use super::origin::OwnHosts;

const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), fullscreen=(self), \
                           geolocation=(), payment=(), usb=(), serial=(), midi=(), hid=(), browsing-topics=()";

/// Adds the security headers (OWASP ASVS 5.0, V3.4). Strict transport security waits for a certificate that browsers trust: with
/// a self-made one it would lock people out.
pub(super) async fn secure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let hosts = OwnHosts::of(&api, request.uri(), request.headers());
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
    headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy(hosts.iter().map(|host| host.authority.as_str())));
    if is_api || !headers.contains_key(header::CACHE_CONTROL) {
        forbid_storing(headers);
    }
    response
}

fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// The policy of DEFAULTS: nothing but this origin, no inline script or style, no frames. The hosts of the socket are named because
/// older Safari doesn't count `wss:` as `'self'`.
fn content_security_policy<'a>(socket_hosts: impl Iterator<Item = &'a str>) -> HeaderValue {
    let sockets: String = socket_hosts.map(|host| format!(" wss://{host}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
         font-src 'self'; connect-src 'self'{sockets}; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; \
         form-action 'self'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'"
    );
    HeaderValue::from_str(&policy).expect("a host of ours has only letters, digits, dots, hyphens, colons and brackets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u2_the_policy_allows_nothing_inline_and_no_other_origin() {
        let policy = content_security_policy(["meet.example.org", "10.0.0.5:8443"].into_iter());
        let policy = policy.to_str().unwrap();
        assert!(policy.contains("default-src 'none'"));
        assert!(policy.contains("connect-src 'self' wss://meet.example.org wss://10.0.0.5:8443;"));
        assert!(!policy.contains("unsafe"));
        assert!(!policy.contains('*'));
    }
}
