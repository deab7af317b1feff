//! What the configuration means for each part of the program, at the start and whenever it is read again.

use std::time::Duration;

use crate::auth::{RegistrationPolicy, SharedToken, throttle::Rate};
use crate::config::{self, Config, Problem, Problems};
use crate::http::{self, Rates, ReachedHost};
use crate::signaling::{self, OtherServer};
use crate::tls::{Wanted, Wish};
use crate::wire::server::Registration;
use crate::{hub, meeting, turn};

use super::{certificates, doctor, ice};

/// Everything that the parts may be told while they run.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) http: http::Settings,
    pub(super) hub: hub::Settings,
    pub(super) signaling: signaling::Settings,
    pub(super) registration: RegistrationPolicy,
    /// STUN and TURN servers of others.
    pub(super) others: Vec<OtherServer>,
    /// How long a credential for our own relay is good.
    pub(super) credential_ttl: Duration,
    pub(super) relay: turn::Limits,
    /// How many connections there may be, in all and from one network.
    pub(super) connections: (usize, usize),
    /// What is logged.
    pub(super) log: String,
    /// Which certificate to have.
    pub(super) certificate: Wish,
    /// The origin by which people know this server, where one is configured.
    pub(super) public_origin: Option<String>,
    /// What the doctor holds the place to.
    pub(super) doctor: doctor::Changing,
}

impl Settings {
    /// What follows from `config`, and from the files that it names.
    ///
    /// # Errors
    /// When a secret in a file of its own can't be read.
    pub(super) fn of(config: &Config) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let others = ice::others(&config.ice).unwrap_or_else(|problem| {
            problems.add(problem);
            Vec::new()
        });
        let token = config.metrics.token_file.as_deref().map(SharedToken::load).transpose().unwrap_or_else(|error| {
            let mend = "name a file with a token that this user alone may read, or leave the key out";
            problems.add(Problem::new("metrics.token_file", error.to_string(), mend));
            None
        });
        let certificate = certificates::wish(config).unwrap_or_else(|problem| {
            problems.add(problem);
            Wish { wanted: Wanted::Local, host: None }
        });
        let limits = &config.limits;
        problems.none_or(Self {
            http: http(config, token),
            hub: hub::Settings {
                capacity: config.meetings.max_participants,
                resume_window: seconds(config.meetings.resume_window_seconds),
                empty_after: meeting::DEFAULT_EMPTY_AFTER,
            },
            signaling: signaling::Settings {
                ping_timeout: seconds(config.meetings.ping_timeout_seconds),
                chat_lines_per_ten_seconds: limits.chat_lines_per_ten_seconds,
            },
            registration: match config.accounts.registration {
                config::Registration::Open => RegistrationPolicy::Open,
                config::Registration::Closed => RegistrationPolicy::Closed,
            },
            others,
            credential_ttl: seconds(config.relay.credential_ttl_seconds),
            relay: relay(&config.relay),
            connections: (limits.connections as usize, limits.connections_per_address as usize),
            log: config.log.level.clone(),
            certificate,
            public_origin: config.server.public_url.as_ref().map(|url| url.origin().to_owned()),
            doctor: doctor::Changing::of(config),
        })
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn relay(config: &config::Relay) -> turn::Limits {
    let bytes = |kbps: u32| u64::from(kbps) * 1000 / 8;
    turn::Limits {
        allocations: config.max_allocations as usize,
        allocations_per_source: config.max_allocations_per_address as usize,
        allocations_per_user: config.max_allocations_per_participant as usize,
        challenges_per_second: config.challenges_per_second,
        bindings_per_second: config.bindings_per_second,
        bytes_per_second: bytes(config.max_kbps_per_allocation),
        bytes_per_second_per_user: bytes(config.max_kbps_per_participant),
        bytes_per_second_in_all: config.max_kbps.map(bytes),
        ..turn::Limits::default()
    }
}

fn http(config: &Config, metrics_token: Option<SharedToken>) -> http::Settings {
    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3600);
    let public_host = config.server.public_url.as_ref().map(|url| {
        let origin = url.origin();
        ReachedHost { authority: origin.strip_prefix("https://").unwrap_or(origin).to_owned() }
    });
    let limits = &config.limits;
    http::Settings {
        name: config.server.name.clone(),
        public_host,
        public_name: config.server.public_url.as_ref().and_then(|url| url.public_name()).map(str::to_owned),
        https_only: config.server.https_only,
        registration: match config.accounts.registration {
            config::Registration::Open => Registration::Open,
            config::Registration::Closed => Registration::Closed,
        },
        meeting_defaults: meeting::Settings {
            max_participants: config.meetings.max_participants,
            recording_enabled: false,
            chat_enabled: true,
            screen_share_enabled: true,
            require_approval: false,
            allowed_domains: Vec::new(),
            guests_allowed: config.meetings.guests_allowed,
        },
        max_participants: config.meetings.max_participants,
        metrics_token,
        cors_origins: config.server.cors_origins.iter().map(|origin| origin.as_str().to_owned()).collect(),
        rates: Rates {
            requests: Rate::new(limits.requests_per_minute, MINUTE),
            creations: Rate::new(limits.meetings_per_hour, HOUR),
            registrations: Rate::new(limits.registrations_per_hour, HOUR),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::{Overrides, Sources, keys};
    use crate::tls::LocalCa;

    /// For each key that may change while the server runs, something else than its default.
    const OTHERWISE: &[(&str, &str)] = &[
        ("server.name", "Other"),
        ("server.public_url", "https://other.example.org"),
        ("server.https_only", "false"),
        ("server.cors_origins", "https://www.example.org"),
        ("accounts.registration", "closed"),
        ("meetings.max_participants", "3"),
        ("meetings.guests_allowed", "false"),
        ("meetings.ping_timeout_seconds", "60"),
        ("meetings.resume_window_seconds", "60"),
        ("relay.credential_ttl_seconds", "600"),
        ("relay.max_allocations", "9"),
        ("relay.max_allocations_per_address", "9"),
        ("relay.max_allocations_per_participant", "9"),
        ("relay.max_kbps_per_allocation", "9000"),
        ("relay.max_kbps_per_participant", "9000"),
        ("relay.max_kbps", "9000"),
        ("relay.challenges_per_second", "9"),
        ("relay.bindings_per_second", "9"),
        ("ice.servers", "[{ urls = [\"stun:stun.example.org\"] }]"),
        ("metrics.token_file", "TOKEN"),
        ("limits.connections", "99"),
        ("limits.connections_per_address", "99"),
        ("limits.requests_per_minute", "99"),
        ("limits.meetings_per_hour", "99"),
        ("limits.registrations_per_hour", "99"),
        ("limits.chat_lines_per_ten_seconds", "99"),
        ("log.level", "debug"),
        ("tls.mode", "local"),
        ("tls.certificate_file", "FILE"),
        ("tls.key_file", "FILE"),
        ("tls.acme_directory", "https://ca.example/directory"),
        ("tls.acme_contact", "ada@example.org"),
        ("tls.acme_profile", "shortlived"),
        ("tls.acme_root_file", "ROOTS"),
        ("tls.acme_eab_key_id", "kid-1"),
        ("tls.acme_eab_key_file", "FILE"),
        ("tls.acme_retry_seconds", "9"),
        // And for others, which the running parts are not told of.
        ("server.listen", "127.0.0.1:9443"),
        ("server.data_dir", "/srv"),
        ("relay.enabled", "false"),
        ("relay.listen", "127.0.0.1:9478"),
        ("relay.external_address", "203.0.113.7"),
        ("relay.ports", "50000-50100"),
        ("relay.allow_peers", "10.0.0.0/8"),
        ("relay.self_test", "false"),
        ("relay.threads", "1"),
        ("log.format", "json"),
    ];

    /// Keys that mean nothing without another one.
    const TOGETHER: [(&str, &str); 2] =
        [("tls.certificate_file", "tls.key_file"), ("tls.acme_eab_key_id", "tls.acme_eab_key_file")];

    /// The settings of a server that asks an authority for its certificate, with these variables.
    fn with(variables: &[(String, String)]) -> String {
        let public = (String::from("HEARTH_SERVER_PUBLIC_URL"), String::from("https://meet.hearth-club.net"));
        let env = [public].into_iter().chain(variables.iter().cloned());
        let config = Sources::new(None, env, Overrides::default()).load().unwrap().config;
        let mut text = String::new();
        write!(text, "{:?}", Settings::of(&config).unwrap()).unwrap();
        text
    }

    #[test]
    fn a_key_is_live_exactly_when_the_running_parts_are_told_of_it() {
        let dir = tempfile::tempdir().unwrap();
        LocalCa::open(dir.path(), Timestamp::now()).unwrap();
        for (name, text) in [("token", "b4f5c0ffee00b4f5c0ffee00b4f5c0ff"), ("file", "-_8")] {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let put = |value: &str| match value {
            "TOKEN" => dir.path().join("token").to_str().unwrap().to_owned(),
            "FILE" => dir.path().join("file").to_str().unwrap().to_owned(),
            "ROOTS" => dir.path().join("ca.pem").to_str().unwrap().to_owned(),
            value => value.to_owned(),
        };
        let other = |name: &str| OTHERWISE.iter().find(|(known, _)| *known == name).map(|(_, value)| put(value));
        let usual = with(&[]);
        for key in keys() {
            let Some(value) = other(&key.name) else {
                assert!(!key.live, "{} says that it may change while the server runs; try it here", key.name);
                continue;
            };
            let mut variables = vec![(key.variable.clone(), value)];
            let partner = TOGETHER.iter().find_map(|(one, two)| match key.name.as_str() {
                name if name == *one => Some(*two),
                name if name == *two => Some(*one),
                _ => None,
            });
            if let Some(partner) = keys().into_iter().find(|key| partner == Some(key.name.as_str())) {
                variables.push((partner.variable, other(&partner.name).unwrap()));
            }
            assert_eq!(with(&variables) != usual, key.live, "{variables:?}");
        }
    }
}
