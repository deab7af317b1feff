//! Everything over HTTPS: the API, its aliases, the socket's door and the page itself.
//!
//! All routes stand in [`router`]. A handler is given parsed and checked arguments ([`extract`]), asks the services, and returns
//! a wire type or an [`error::ApiError`]. It never touches a room and never sees a configuration.

mod accounts;
mod assets;
mod check;
mod connection;
mod cors;
mod doctor;
mod error;
mod extract;
mod headers;
mod health;
mod limits;
mod listener;
mod meetings;
mod metrics;
mod neighbour;
mod openapi;
mod origin;
mod places;
mod plain;
mod qr;
mod server;
mod settings;
mod socket;
mod stall;
mod status;
mod trust;
mod vitals;

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::sync::oneshot;
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::{Auth, SharedToken};
use crate::backup::BackupWatch;
use crate::clock::Timestamp;
use crate::doctor::Doctor;
use crate::hub::{Hub, HubError};
use crate::lifecycle::{Live, Tasks};
use crate::meeting;
use crate::signaling::{IceDirectory, Signaling};
use crate::store::Store;
use crate::tls::{Authority, CertificateWatch};
use crate::wire::server::Registration;

use error::ApiError;
pub use extract::ReachedHost;
use limits::Limits;
pub use limits::Rates;
pub use listener::Listener;
pub use neighbour::Neighbour;
pub use places::Places;
pub use plain::Plain;
pub use settings::{SettingsKeeper, SettingsRefusal};
use vitals::DiskWatch;

/// Largest body of a request, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What the HTTP side is told. A request is served by what holds when it comes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this place is called.
    pub name: String,
    /// The host under which the server is known, where one is configured. Otherwise each request's own host counts.
    pub public_host: Option<ReachedHost>,
    /// The name of that host, where a public authority would vouch for it and it has no port.
    pub public_name: Option<String>,
    /// Whether browsers are told to use nothing but HTTPS for that name.
    pub https_only: bool,
    /// Who may register.
    pub registration: Registration,
    /// What a new meeting has where its host decides nothing.
    pub meeting_defaults: meeting::Settings,
    /// The most people in one meeting, whatever its host wants.
    pub max_participants: u32,
    /// What lets programs on other machines read the figures. Without it, none of them may.
    pub metrics_token: Option<SharedToken>,
    /// Origins of other sites whose pages may use the API.
    pub cors_origins: Vec<String>,
    /// How much one client may ask for.
    pub rates: Rates,
}

/// The services that handlers ask.
pub struct Services {
    /// Accounts.
    pub auth: Auth,
    /// What is kept on disk.
    pub store: Store,
    /// The rooms.
    pub hub: Hub,
    /// The sockets.
    pub signaling: Signaling,
    /// The relays that clients are told of.
    pub ice: IceDirectory,
    /// Who finds out what is wrong with this server's place.
    pub doctor: Doctor,
    /// The certificate that the server shows.
    pub certificate: CertificateWatch,
    /// The server's own authority, for devices that are to trust it.
    pub authority: Authority,
    /// Where the data are; its disk is watched.
    pub data_dir: PathBuf,
    /// How the automatic backups fare.
    pub backups: BackupWatch,
}

/// What handlers have at hand. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Api {
    settings: Live<Settings>,
    auth: Auth,
    store: Store,
    hub: Hub,
    signaling: Signaling,
    ice: IceDirectory,
    doctor: Doctor,
    certificate: CertificateWatch,
    authority: Arc<Authority>,
    limits: Arc<Limits>,
    seatless: Places,
    disk: DiskWatch,
    backups: BackupWatch,
    started_at: Timestamp,
    tasks: Tasks,
    keeper: Option<Arc<dyn SettingsKeeper>>,
}

impl Api {
    /// The API over these services.
    pub fn new(settings: Settings, services: Services, tasks: Tasks) -> Self {
        let Services { auth, store, hub, signaling, ice, doctor, certificate, authority, data_dir, backups } = services;
        let seatless = Places::for_sockets_without_a_seat();
        let disk = DiskWatch::new(&data_dir);
        let (limits, started_at) = (Arc::new(Limits::new(settings.rates)), Timestamp::now());
        let (settings, authority, keeper) = (Live::new(settings), Arc::new(authority), None);
        Self {
            settings,
            auth,
            store,
            hub,
            signaling,
            ice,
            doctor,
            certificate,
            authority,
            limits,
            seatless,
            disk,
            backups,
            started_at,
            tasks,
            keeper,
        }
    }

    /// The same API, by which administrators change the settings that `keeper` keeps.
    #[must_use]
    pub fn kept_by(self, keeper: Arc<dyn SettingsKeeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// Serves requests that come from now on with these settings.
    pub fn reconfigure(&self, settings: Settings) {
        self.limits.reconfigure(settings.rates);
        self.settings.set(settings);
    }

    /// Does `work` to its end although the client that asked for it may hang up, which drops its handler.
    async fn finish<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, ApiError> {
        let (sender, outcome) = oneshot::channel();
        self.tasks.spawn(async move {
            // Nobody to tell is what this is for.
            let _ = sender.send(work.await);
        });
        outcome.await.map_err(|_| HubError::Stopping.into())
    }
}

/// Every route there is.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/api/server", get(server::info))
        .route("/api/openapi.json", get(openapi::document))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::page))
        // What a device needs to trust this server.
        .route("/api/trust", get(trust::info))
        .route("/api/trust/qr.svg", get(trust::code))
        .route("/api/trust/ca.crt", get(trust::certificate))
        .route("/api/trust/hearth.mobileconfig", get(trust::profile))
        // Accounts and sign-in.
        .route("/api/setup", post(accounts::setup))
        .route("/api/auth/register", post(accounts::register))
        .route("/api/auth/login", post(accounts::login))
        .route("/api/auth/refresh", post(accounts::refresh))
        .route("/api/auth/logout", post(accounts::logout))
        .route("/api/auth/me", get(accounts::me))
        // For administrators.
        .route("/api/admin/settings", get(settings::read).put(settings::change))
        .route("/api/admin/relay-test", post(settings::test_relay))
        // Meetings.
        .route("/api/meetings", get(meetings::list::own))
        .route("/api/meetings/create", post(meetings::create::create))
        .route("/api/meetings/join", post(meetings::join::join))
        .route("/api/meetings/user/{user}", get(meetings::list::of_user))
        .route("/api/meetings/{room}", get(meetings::read::read).delete(meetings::end::delete))
        .route("/api/meetings/{room}/preview", get(meetings::read::preview))
        .route("/api/meetings/{room}/participants", get(meetings::read::participants))
        .route("/api/meetings/{room}/end", post(meetings::end::end))
        // The same under the names that older clients know.
        .route("/auth/login", post(accounts::login))
        .route("/meeting/create", post(meetings::create::create))
        .route("/meeting/join", post(meetings::join::join))
        .route("/meeting/{room}", get(meetings::read::read).delete(meetings::end::delete))
        // For administrators.
        .route("/api/admin/status", get(status::status))
        .route("/api/admin/doctor", get(doctor::state).post(doctor::begin))
        .route("/api/admin/doctor/outside", post(doctor::prepare))
        // The test from outside that an administrator asked for.
        .route("/api/check/begin", post(check::begin))
        .route("/api/check/report", post(check::report))
        // The socket.
        .route("/api/signaling", get(socket::upgrade))
        .fallback(otherwise)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(api.clone(), limits::throttle))
        .layer(middleware::from_fn_with_state(api.clone(), origin::check))
        .layer(middleware::from_fn_with_state(api.clone(), cors::invite))
        .layer(middleware::from_fn(limits::deadline))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(api.clone(), headers::secure))
        .with_state(api)
}

/// The page and its files, and a proper answer for everything that isn't there.
async fn otherwise(method: Method, uri: Uri, headers: axum::http::HeaderMap) -> Response {
    if uri.path().starts_with("/api/") || !matches!(method, Method::GET | Method::HEAD) {
        return ApiError::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.").into_response();
    }
    assets::serve(uri.path(), &headers)
}

async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address doesn't take this method.")
}

/// A handler that panicked costs its own request and nothing else (fault R30). What it panicked with stays in the log.
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let cause = cause.downcast_ref::<&str>().copied().or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    tracing::error!(cause = cause.unwrap_or("unknown"), "a handler panicked");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on the server. Try again.").into_response()
}
