//! What handlers are given: parsed, checked and typed, or the request never reaches them.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, HOST};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::{Json, RequestPartsExt};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Object, Required, Type};

use super::Api;
use super::error::ApiError;
use super::origin::OwnHosts;
use crate::auth::{Admin, AuthError, Caller};
use crate::clock::Timestamp;
use crate::ids::RoomId;

/// How long the body of a request may take to arrive: 64 KiB do so even over a line of 30 kbit/s.
const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// A JSON body of type `T`, and of nothing but JSON (attacks H7 to H9).
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        if request.headers().contains_key(CONTENT_ENCODING) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "compressed_body",
                "Send the body as it is, without Content-Encoding.",
            ));
        }
        let read = timeout(BODY_DEADLINE, Json::<T>::from_request(request, api)).await;
        let Json(body) = read.map_err(|_| slow_body())?.map_err(bad_body)?;
        Ok(Self(body))
    }
}

fn slow_body() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_too_slow",
        "The body of the request did not arrive within 20 seconds. Try again.",
    )
}

fn bad_body(rejection: JsonRejection) -> ApiError {
    let (code, message) = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", String::from("The body is larger than 64 KiB.")),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("not_json", String::from("Send JSON, with the header Content-Type: application/json."))
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            ("invalid_body", format!("The body is not as it should be: {}.", cause_of(&rejection)))
        }
        _ => ("invalid_json", String::from("The body is not valid JSON.")),
    };
    ApiError::new(rejection.status(), code, message)
}

/// What is wrong, without the library's introduction to it.
fn cause_of(rejection: &dyn std::error::Error) -> String {
    let mut cause = rejection;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Like [`Body`], where the body may be left out altogether.
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Api> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        use http_body::Body as _;
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, api).await.map(|Body(body)| Self(body))
    }
}

/// A query string of type `T`.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequestParts<Api> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let query: Result<Query<T>, QueryRejection> = parts.extract().await;
        query.map(|Query(params)| Self(params)).map_err(|rejection| {
            let message = format!("The query is not as it should be: {}.", cause_of(&rejection));
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_query", message)
        })
    }
}

/// The meeting that the path names. What is no code is answered just like a code that no meeting has (attack H4).
pub struct RoomPath(pub RoomId);

impl IntoParams for RoomPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let room = ParameterBuilder::new()
            .name("room")
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some("The meeting's code"))
            .schema(Some(Object::with_type(Type::String)));
        vec![room.build()]
    }
}

impl FromRequestParts<Api> for RoomPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        let Path(text): Path<String> = parts.extract().await.map_err(|_| ApiError::meeting_not_found())?;
        text.parse().map(Self).map_err(|_| ApiError::meeting_not_found())
    }
}

/// Whoever signed in. Handlers that take it can't be reached by anybody else.
pub struct SignedInCaller(pub Caller);

impl FromRequestParts<Api> for SignedInCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        match caller(&parts.headers, api).await? {
            Some(caller) => Ok(Self(caller)),
            None => Err(AuthError::Unauthenticated.into()),
        }
    }
}

/// An administrator who signed in. Handlers that take it can't be reached by anybody else.
pub struct AdminCaller(pub Admin);

impl FromRequestParts<Api> for AdminCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let SignedInCaller(caller) = SignedInCaller::from_request_parts(parts, api).await?;
        caller
            .as_admin()
            .map(Self)
            .ok_or_else(|| ApiError::new(StatusCode::FORBIDDEN, "admins_only", "This is for the administrators of this place."))
    }
}

/// Whoever signed in, or nobody. A token that is not good is refused all the same: it is a mistake, not a guest.
pub struct MaybeCaller(pub Option<Caller>);

impl FromRequestParts<Api> for MaybeCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        caller(&parts.headers, api).await.map(Self)
    }
}

async fn caller(headers: &HeaderMap, api: &Api) -> Result<Option<Caller>, ApiError> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let token =
        value.to_str().ok().and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else { return Err(AuthError::Unauthenticated.into()) };
    Ok(Some(api.auth.authenticate(token.trim(), Timestamp::now()).await?))
}

/// The address that the request came from, by the socket and not by any header (attack H13).
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<Api> for ClientAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, ApiError> {
        Ok(*parts.extensions.get::<Self>().expect("the listener puts the client's address into every request"))
    }
}

/// A name of this server, as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachedHost {
    /// With the port, where it is not 443.
    pub authority: String,
}

impl ReachedHost {
    /// From HTTP/2's `:authority` or HTTP/1.1's `Host`; `None` when neither is there or it is not one.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let text = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(HOST)?.to_str().ok()?,
        };
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'));
        let authority = Authority::from_str(text).ok().filter(|_| plain && text.len() <= 255)?;
        Some(Self { authority: authority.as_str().to_ascii_lowercase() })
    }
}

/// The name under which the browser reached this server: see [`super::origin`].
impl FromRequestParts<Api> for ReachedHost {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        OwnHosts::of(api, &parts.uri, &parts.headers)
            .reached(&parts.headers)
            .ok_or_else(|| ApiError::new(StatusCode::BAD_REQUEST, "invalid_host", "The request names no host."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(host: &str) -> Option<ReachedHost> {
        let request = Request::builder().uri("/").header(HOST, host).body(axum::body::Body::empty()).unwrap();
        ReachedHost::of(request.uri(), request.headers())
    }

    #[test]
    fn the_reached_host_is_read_with_and_without_port() {
        assert_eq!(reached("Meet.Example.org:8443").unwrap().authority, "meet.example.org:8443");
        assert_eq!(reached("meet.example.org").unwrap().authority, "meet.example.org");
        assert_eq!(reached("[::1]:8443").unwrap().authority, "[::1]:8443");
    }

    #[test]
    fn h12_what_could_break_out_of_a_header_is_no_host() {
        for evil in ["a b", "a;b", "a'b", "user@host", "a,b", "", "a/b", "*"] {
            assert_eq!(reached(evil), None, "{evil:?}");
        }
    }
}
