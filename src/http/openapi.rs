//! `GET /api/openapi.json`: the API as OpenAPI 3.1 describes it (row O11), put together from what stands above each handler.
//!
//! A handler's attribute names only the answers that are its own. What the layers and extractors answer before a handler is
//! reached follows from the operation, and is added here: see [`Frame`]. Aliases for older clients and the socket are left out.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{Modify, OpenApi as _};

use super::{accounts, check, doctor, health, meetings, metrics, server, settings, status, trust};
use crate::wire::error::ErrorBody;

/// The name of the scheme for access tokens in `security(…)`.
const BEARER: &str = "bearer";
/// The name of the scheme for the refresh cookie in `security(…)`.
const REFRESH: &str = "refresh";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Hearth",
        description = "Accounts and meetings of one Hearth server. Every answer that is not a success is an `ErrorBody`; the \
                       description of such an answer lists the values that `error.code` can have. The messages of the socket \
                       at `/api/signaling` are not part of this document.",
    ),
    paths(
        server::info,
        document,
        health::alive,
        health::ready,
        metrics::page,
        trust::info,
        trust::code,
        trust::certificate,
        trust::profile,
        accounts::setup,
        accounts::register,
        accounts::login,
        accounts::refresh,
        accounts::logout,
        accounts::me,
        settings::read,
        settings::change,
        settings::test_relay,
        meetings::list::own,
        meetings::create::create,
        meetings::join::join,
        meetings::list::of_user,
        meetings::read::read,
        meetings::end::delete,
        meetings::read::preview,
        meetings::read::participants,
        meetings::end::end,
        status::status,
        doctor::state,
        doctor::begin,
        doctor::prepare,
        check::begin,
        check::report,
    ),
    components(schemas(ErrorBody)),
    tags(
        (name = "server", description = "The server itself"),
        (name = "accounts", description = "Making accounts, signing in and out"),
        (name = "meetings", description = "Making, finding, joining and ending meetings"),
        (name = "admin", description = "Running the server"),
    ),
    modifiers(&Schemes, &Frame),
)]
struct Document;

/// Describes this API.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "describeApi", tag = "server",
    responses((status = 200, body = Object, description = "This document")),
)]
pub(super) async fn document() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = Document::openapi().to_pretty_json().expect("a document of text keys is JSON");
        text.push('\n');
        text
    });
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// How one proves who one is.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The `accessToken` of a sign-in"));
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
        let cookie = ApiKeyValue::with_description(accounts::COOKIE_NAME, "Set by a sign-in, for `/api/auth` alone");
        components.add_security_scheme(REFRESH, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// What is answered around the handlers, by the layers of [`super::router`] and by [`super::extract`].
struct Frame;

impl Modify for Frame {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            if !path.starts_with("/api/") {
                continue;
            }
            let PathItem { get, post, put, delete, .. } = item;
            for changes in [post, put, delete].into_iter().flatten() {
                refuse(changes, 403, "`cross_origin`");
                surround(changes);
            }
            get.iter_mut().for_each(surround);
        }
    }
}

fn surround(operation: &mut Operation) {
    let bearer = SecurityRequirement::new(BEARER, [""; 0]);
    if operation.security.as_ref().is_some_and(|security| security.contains(&bearer)) {
        refuse(operation, 401, "`unauthenticated`");
    }
    if operation.request_body.is_some() {
        refuse(operation, 400, "`invalid_json`");
        refuse(operation, 408, "`body_too_slow`");
        refuse(operation, 413, "`body_too_large`");
        refuse(operation, 415, "`not_json`, `compressed_body`");
        refuse(operation, 422, "`invalid_body`");
    }
    refuse(operation, 429, "`too_many_requests`");
    refuse(operation, 500, "`internal`");
    refuse(operation, 503, "`storage_unavailable`, `timed_out`");
}

/// Adds codes to those that an operation answers with this status.
fn refuse(operation: &mut Operation, status: u16, codes: &str) {
    let response = operation.responses.responses.entry(status.to_string()).or_insert_with(|| RefOr::T(refusal(status)));
    if let RefOr::T(Response { description, .. }) = response {
        let separator = if description.is_empty() { "" } else { ", " };
        *description = format!("{description}{separator}{codes}");
    }
}

fn refusal(status: u16) -> Response {
    let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    let response = ResponseBuilder::new().content("application/json", body);
    if status != 429 {
        return response.build();
    }
    let seconds = HeaderBuilder::new().schema(Some(Object::with_type(Type::Integer))).description(Some("In seconds"));
    response.header("retry-after", seconds.build()).build()
}
