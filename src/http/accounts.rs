//! `/api/setup` and `/api/auth/*`: making accounts, signing in and out.

use axum::Json;
use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Api;
use super::error::ApiError;
use super::extract::{Body, ClientAddress, SignedInCaller};
use crate::auth::{AuthError, NewAccount, SignedIn};
use crate::clock::{Now, Timestamp};
use crate::ids::Secret;
use crate::store::{AccountRole, User};
use crate::wire::auth as wire;
use crate::wire::error::ErrorBody;
use crate::wire::meetings::Done;

/// The refresh token's cookie: out of reach for scripts, sent to these paths alone, and never with another site's request.
pub(super) const COOKIE_NAME: &str = "__Secure-hearth-refresh";

/// Makes the first admin, by the one-time link.
#[utoipa::path(
    post, path = "/api/setup", operation_id = "setUp", tag = "accounts",
    request_body = wire::SetupRequest,
    responses(
        (status = 201, body = wire::SignedIn, description = "The account was made and is signed in"),
        (status = 403, body = ErrorBody, description = "`setup_token_invalid`"),
        (status = 410, body = ErrorBody, description = "`setup_done`"),
        (status = 422, body = ErrorBody, description = "`invalid_email`, `invalid_name`, `invalid_password`"),
    ),
)]
pub(super) async fn setup(
    State(api): State<Api>,
    client: ClientAddress,
    Body(request): Body<wire::SetupRequest>,
) -> Result<Response, ApiError> {
    let wire::SetupRequest { token, email, name, password } = request;
    let account = NewAccount { email: Secret::new(email), name: Secret::new(name), password: Secret::new(password) };
    let signed_in = api.limits.registering(client, api.auth.setup(&token, account, Timestamp::now())).await?;
    Ok((StatusCode::CREATED, welcome(signed_in)).into_response())
}

/// Makes an account for oneself, where the server allows it.
#[utoipa::path(
    post, path = "/api/auth/register", operation_id = "register", tag = "accounts",
    request_body = wire::RegisterRequest,
    responses(
        (status = 201, body = wire::SignedIn, description = "The account was made and is signed in"),
        (status = 403, body = ErrorBody, description = "`registration_closed`"),
        (status = 409, body = ErrorBody, description = "`email_taken`"),
        (status = 422, body = ErrorBody, description = "`invalid_email`, `invalid_name`, `invalid_password`"),
    ),
)]
pub(super) async fn register(
    State(api): State<Api>,
    client: ClientAddress,
    Body(request): Body<wire::RegisterRequest>,
) -> Result<Response, ApiError> {
    let wire::RegisterRequest { email, name, password } = request;
    let account = NewAccount { email: Secret::new(email), name: Secret::new(name), password: Secret::new(password) };
    let signed_in = api.limits.registering(client, api.auth.register(account, Timestamp::now())).await?;
    Ok((StatusCode::CREATED, welcome(signed_in)).into_response())
}

/// Signs in.
#[utoipa::path(
    post, path = "/api/auth/login", operation_id = "logIn", tag = "accounts",
    request_body = wire::LoginRequest,
    responses(
        (status = 200, body = wire::SignedIn, description = "Signed in"),
        (status = 401, body = ErrorBody, description = "`wrong_credentials`"),
        (status = 422, body = ErrorBody, description = "`invalid_password`"),
    ),
)]
pub(super) async fn login(
    State(api): State<Api>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<wire::LoginRequest>,
) -> Result<Response, ApiError> {
    let wire::LoginRequest { email, password } = request;
    let signed_in = api.auth.login(&email, Secret::new(password), client, Now::read()).await?;
    Ok(welcome(signed_in))
}

/// Gives a new access token for the refresh cookie, which is replaced.
#[utoipa::path(
    post, path = "/api/auth/refresh", operation_id = "refresh", tag = "accounts", security(("refresh" = [])),
    responses(
        (status = 200, body = wire::SignedIn, description = "Still signed in"),
        (status = 401, body = ErrorBody, description = "`unauthenticated`"),
    ),
)]
pub(super) async fn refresh(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    let token = refresh_cookie(&headers).ok_or(AuthError::Unauthenticated)?;
    match api.auth.refresh(token.expose(), Timestamp::now()).await {
        Ok(signed_in) => Ok(welcome(signed_in)),
        Err(error @ AuthError::Unauthenticated) => Ok((forget_cookie(), ApiError::from(error)).into_response()),
        Err(error) => Err(error.into()),
    }
}

/// Signs out. Works for whoever is not signed in, too.
#[utoipa::path(
    post, path = "/api/auth/logout", operation_id = "logOut", tag = "accounts", security((), ("refresh" = [])),
    responses((status = 200, body = Done, description = "Signed out; the cookie is taken back")),
)]
pub(super) async fn logout(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(token) = refresh_cookie(&headers) {
        api.auth.logout(token.expose()).await?;
    }
    // Attack U11: on a shared computer nothing of the account is to be left behind.
    let clear = [(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""))];
    Ok((forget_cookie(), clear, Json(Done { success: true })).into_response())
}

/// Tells who is signed in.
#[utoipa::path(
    get, path = "/api/auth/me", operation_id = "me", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = wire::Account, description = "The account")),
)]
pub(super) async fn me(SignedInCaller(caller): SignedInCaller) -> Json<wire::Account> {
    Json(account(caller.user()))
}

fn account(user: &User) -> wire::Account {
    let role = match user.role {
        AccountRole::Admin => wire::AccountRole::Admin,
        AccountRole::Member => wire::AccountRole::Member,
    };
    wire::Account { id: user.id, email: user.email.clone(), name: user.name.clone(), role }
}

fn welcome(signed_in: SignedIn) -> Response {
    let body = wire::SignedIn {
        success: true,
        access_token: signed_in.access_token.expose().clone(),
        expires_in_seconds: u32::try_from(signed_in.expires_in.as_secs()).unwrap_or(u32::MAX),
        user: account(&signed_in.user),
    };
    let max_age = signed_in.refresh_expires_in.as_secs();
    ([(SET_COOKIE, cookie(signed_in.refresh_token.expose(), max_age))], Json(body)).into_response()
}

fn forget_cookie() -> [(HeaderName, HeaderValue); 1] {
    [(SET_COOKIE, cookie("", 0))]
}

fn cookie(value: &str, max_age: u64) -> HeaderValue {
    let text = format!("{COOKIE_NAME}={value}; Path=/api/auth; Max-Age={max_age}; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).expect("refresh tokens are made of letters, digits, dots, hyphens and underscores")
}

fn refresh_cookie(headers: &HeaderMap) -> Option<Secret<String>> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE_NAME && !value.is_empty())
        .map(|(_, value)| Secret::new(value.to_owned()))
}
