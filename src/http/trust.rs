//! `/api/trust`: what a device is given so that it trusts this server, when the server's own authority vouches for it.
//!
//! All of it is public and works over a connection that is not trusted yet. What makes it safe is that people compare the
//! fingerprint with the one that the server printed for its administrator.

mod profile;

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;

use super::Api;
use super::error::ApiError;
use super::extract::ReachedHost;
use super::qr;
use crate::authority;
use crate::tls::{Authority, Source};
use crate::wire::trust::{TrustAuthority, TrustInfo, Voucher};

/// Tells who vouches for this server's certificate, and how other devices reach the page that explains it.
#[utoipa::path(
    get, path = "/api/trust", operation_id = "trust", tag = "server",
    responses(
        (status = 200, body = TrustInfo, description = "Who vouches for the certificate"),
        (status = 400, body = crate::wire::error::ErrorBody, description = "`invalid_host`"),
    ),
)]
pub(super) async fn info(State(api): State<Api>, host: ReachedHost) -> Json<TrustInfo> {
    let status = api.certificate.status();
    let voucher = match status.source {
        Source::Acme => Voucher::Public,
        Source::Files => Voucher::Administrator,
        Source::LocalCa => Voucher::Server,
    };
    let authority = offered(&api).ok().map(|authority| TrustAuthority {
        name: authority.name.clone(),
        fingerprint: authority.fingerprint(),
        ends_at: authority.not_after,
    });
    let temporary = authority.is_some() && status.problem.is_some();
    Json(TrustInfo { voucher, authority, temporary, address: address(&api, &host) })
}

/// Draws the address of the page that explains how to trust this server, for other devices.
#[utoipa::path(
    get, path = "/api/trust/qr.svg", operation_id = "trustCode", tag = "server",
    responses(
        (status = 200, content_type = "image/svg+xml", body = String, description = "A QR code"),
        (status = 400, body = crate::wire::error::ErrorBody, description = "`invalid_host`"),
    ),
)]
pub(super) async fn code(State(api): State<Api>, host: ReachedHost) -> Result<impl IntoResponse, ApiError> {
    let code = qr::draw(&address(&api, &host)).ok_or_else(|| {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_host", "This server's address is too long for a QR code.")
    })?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], qr::picture(&code)))
}

/// Gives the certificate of the server's own authority, as text.
#[utoipa::path(
    get, path = "/api/trust/ca.crt", operation_id = "trustCertificate", tag = "server",
    responses(
        (status = 200, content_type = "application/x-x509-ca-cert", body = String, description = "The certificate, as PEM"),
        (status = 404, body = crate::wire::error::ErrorBody, description = "`no_own_authority`"),
    ),
)]
pub(super) async fn certificate(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let disposition = "attachment; filename=\"hearth-ca.crt\"";
    Ok(([(CONTENT_TYPE, "application/x-x509-ca-cert"), (CONTENT_DISPOSITION, disposition)], offered(&api)?.pem()))
}

/// Gives the same certificate as a configuration profile for devices by Apple.
#[utoipa::path(
    get, path = "/api/trust/hearth.mobileconfig", operation_id = "trustProfile", tag = "server",
    responses(
        (status = 200, content_type = "application/x-apple-aspen-config", body = String, description = "The profile"),
        (status = 404, body = crate::wire::error::ErrorBody, description = "`no_own_authority`"),
    ),
)]
pub(super) async fn profile(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let disposition = "attachment; filename=\"hearth.mobileconfig\"";
    let profile = profile::of(offered(&api)?, &api.settings.get().name);
    Ok(([(CONTENT_TYPE, "application/x-apple-aspen-config"), (CONTENT_DISPOSITION, disposition)], profile))
}

/// The authority, while it is the one that vouches. Nobody should install what they don't need.
fn offered(api: &Api) -> Result<&Authority, ApiError> {
    match api.certificate.status().source {
        Source::LocalCa => Ok(&api.authority),
        Source::Acme | Source::Files => Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "no_own_authority",
            "This server's certificate is not vouched for by an authority of its own, so there is nothing to install.",
        )),
    }
}

/// Where the page is found. Never a name that only the request gives: nothing is drawn that somebody else could choose.
fn address(api: &Api, host: &ReachedHost) -> String {
    let authority = match &api.settings.get().public_host {
        Some(public) => public.authority.clone(),
        None => own_authority(&host.authority, &api.certificate.status().names),
    };
    format!("https://{authority}/trust")
}

/// The name by which the server was reached, if it is one of its own that other devices can use, or else the best of those.
fn own_authority(reached: &str, names: &[String]) -> String {
    let (host, port) = authority::parts_of(reached);
    let host = host.trim_matches(['[', ']']);
    let known = names.iter().find(|name| *name == host && usefulness(name) > Usefulness::Here);
    let best = known.or_else(|| names.iter().max_by_key(|name| usefulness(name))).map_or("localhost", String::as_str);
    authority::written(best, port)
}

/// How likely it is that a phone in the same house reaches the server by this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Usefulness {
    /// A pattern and no name.
    None,
    /// Leads to the device itself.
    Here,
    /// One label, or the network of a container engine.
    Doubtful,
    /// A name, which needs somebody who knows it.
    Name,
    /// An address outside of private networks, or within a larger one.
    Address,
    /// An address as routers at home give out.
    AtHome,
}

fn usefulness(name: &str) -> Usefulness {
    match name.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => Usefulness::Here,
        Ok(IpAddr::V4(address)) => match address.octets() {
            [192, 168, ..] => Usefulness::AtHome,
            [172, 16..=31, ..] | [169, 254, ..] => Usefulness::Doubtful,
            _ => Usefulness::Address,
        },
        Ok(IpAddr::V6(_)) => Usefulness::Doubtful,
        Err(_) if name.starts_with('*') => Usefulness::None,
        Err(_) if name == "localhost" => Usefulness::Here,
        Err(_) if name.contains('.') => Usefulness::Name,
        Err(_) => Usefulness::Doubtful,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_server_itself_are_drawn_and_those_that_others_can_use() {
        let names =
            ["*.example.org", "10.1.2.3", "127.0.0.1", "172.17.0.1", "192.168.1.5", "::1", "den", "den.local", "localhost"];
        let names = names.map(String::from);
        for (reached, drawn) in [
            ("192.168.1.5:8443", "192.168.1.5:8443"),
            ("den.local:8443", "den.local:8443"),
            ("den.local", "den.local"),
            ("172.17.0.1:8443", "172.17.0.1:8443"),
            ("localhost:8443", "192.168.1.5:8443"),
            ("127.0.0.1", "192.168.1.5"),
            ("[::1]:8443", "192.168.1.5:8443"),
            ("evil.example:8443", "192.168.1.5:8443"),
            ("evil.example:pay-here", "192.168.1.5"),
            ("*.example.org", "192.168.1.5"),
        ] {
            assert_eq!(own_authority(reached, &names), drawn, "{reached}");
        }
        assert_eq!(own_authority("localhost:8443", &["::1".into(), "2001:db8::1".into()]), "[2001:db8::1]:8443");
        assert_eq!(own_authority("evil.example:8443", &["localhost".into()]), "localhost:8443");
        assert_eq!(own_authority("evil.example:8443", &[]), "localhost:8443");
    }
}
