//! The headers that every answer carries, whatever it answers.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Api;
use super::extract::ReachedHost;
use super::origin::OwnHosts;
use crate::clock::Timestamp;
use crate::tls::Source;

const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), fullscreen=(self), \
                           geolocation=(), payment=(), usb=(), serial=(), midi=(), hid=(), browsing-topics=()";

/// A year, which is what OWASP ASVS 5.0 asks for (V3.4.1).
const LONGEST_PROMISE: Duration = Duration::from_secs(31_536_000);

/// Adds the security headers (OWASP ASVS 5.0, V3.4).
pub(super) async fn secure(State(api): State<Api>, request: Request, next: Next) -> Response {
    let hosts = OwnHosts::of(&api, request.uri(), request.headers());
    let strict_transport = strict_transport(&api, request.uri(), request.headers());
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
    if let Some(policy) = strict_transport {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, policy);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, content_security_policy(hosts.iter().map(|host| host.authority.as_str())));
    if is_api || !headers.contains_key(header::CACHE_CONTROL) {
        forbid_storing(headers);
    }
    response
}

/// What browsers are told of the name that they reached this server by (RFC 6797). They ask nobody about a certificate that they
/// don't trust from then on, so nothing is said of a name that this server's own authority vouches for, or that isn't the
/// configured one. Nor of names below it, which may be anybody's.
fn strict_transport(api: &Api, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let settings = api.settings.get();
    let name = settings.public_name.as_ref()?;
    if ReachedHost::of(uri, headers)?.authority != *name {
        return None;
    }
    let certificate = api.certificate.status();
    let is_vouched_for = match certificate.source {
        Source::Acme | Source::Files => certificate.covers(name),
        Source::LocalCa => false,
    };
    let promise = if settings.https_only { promise(certificate.not_after, Timestamp::now()) } else { Duration::ZERO };
    is_vouched_for
        .then(|| HeaderValue::from_str(&format!("max-age={}", promise.as_secs())).expect("a number is good in a header"))
}

/// For how long browsers may keep to HTTPS: no longer than the certificate in hand is good. Where it is lost afterwards, or none comes
/// after it, this server's own authority stands in, and whoever holds a promise can't pass over the warning that browsers show then.
fn promise(not_after: Timestamp, now: Timestamp) -> Duration {
    not_after.since(now).min(LONGEST_PROMISE)
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
    fn u5_browsers_are_promised_https_for_as_long_as_the_certificate_in_hand_is_good() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        for (left, promised) in [(86_400, 86_400), (31_536_000, 31_536_000), (40_000_000, 31_536_000)] {
            assert_eq!(promise(now.plus(Duration::from_secs(left)), now).as_secs(), promised);
        }
        assert_eq!(promise(Timestamp::from_millis(0), now), Duration::ZERO, "an expired one promises nothing");
    }

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
