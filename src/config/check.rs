//! What types alone can't say: limits, and keys that must fit each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use tracing_subscriber::EnvFilter;

use super::problem::{Problem, Problems};
use super::server::is_host;
use super::{Config, Limits, Meetings, Relay, TlsMode};

/// The name of the place, in characters.
const NAME_LENGTH: RangeInclusive<usize> = 1..=60;
/// In less a slow network has no time to answer; after more, people talk to somebody who is gone.
const PING_TIMEOUT_SECONDS: RangeInclusive<u32> = 10..=300;
/// In less no page comes back; beyond, nobody wants to look at an empty seat.
const RESUME_WINDOW_SECONDS: RangeInclusive<u32> = 5..=600;
/// In a mesh everybody sends to everybody, which nobody's line carries beyond this.
const PARTICIPANTS: RangeInclusive<u32> = 2..=8;
/// With none, the newest would be removed as soon as it was made.
const KEPT_BACKUPS: RangeInclusive<u32> = 1..=1000;
/// From a minute, so that a call can be set up, to a day.
const CREDENTIAL_TTL_SECONDS: RangeInclusive<u32> = 60..=86_400;
/// A browser opens a few to load the page, and keeps one for each meeting.
const FEWEST_CONNECTIONS: u32 = 10;
/// Opening the page and joining takes some ten, and an administrator must be able to set this again.
const FEWEST_REQUESTS: u32 = 60;
/// Above, times between two requests can't be counted any more.
const MOST: u32 = 1_000_000;
/// Two people who are both relayed need one each.
const FEWEST_RELAY_PORTS: u32 = 2;
/// Less carries no picture, and far less not even one packet at a time.
const FEWEST_KBPS: u32 = 1000;

/// What to do when two listeners want the same.
const ANOTHER_PORT: &str = "choose another port for one of them";

/// Adds to `problems` what is wrong with `config`.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    let mut refuse = |key: &str, what: String, mend: &str| problems.add(Problem::new(key, what, mend));
    let server = &config.server;
    if !NAME_LENGTH.contains(&server.name.trim().chars().count()) || server.name.chars().any(char::is_control) {
        refuse("server.name", String::from("this is no name to show"), "write 1 to 60 characters on one line");
    }
    if let Some(what) = wrong_with_listeners(&server.listen) {
        refuse("server.listen", what, "name each address once, at least one");
    }
    check_plain_http(config, &mut refuse);
    check_tls(config, &mut refuse);
    if server.data_dir.as_os_str().is_empty() {
        refuse("server.data_dir", String::from("the path is empty"), "write the path of a directory");
    }
    check_meetings(&config.meetings, &mut refuse);
    check_limits(&config.limits, &mut refuse);
    if !KEPT_BACKUPS.contains(&config.backup.keep) {
        refuse("backup.keep", format!("{} is out of range", config.backup.keep), "write a number from 1 to 1000");
    }
    if config.backup.directory.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        refuse("backup.directory", String::from("the path is empty"), "write the path of a directory, or leave the key out");
    }
    if config.relay.enabled {
        check_relay(&config.relay, &mut refuse);
        check_tcp_ports(config, &mut refuse);
    }
    if let Err(error) = EnvFilter::builder().parse(&config.log.level) {
        refuse(
            "log.level",
            format!("{:?} is not a level: {error}", config.log.level),
            "write \"info\" or \"debug\", for example",
        );
    }
}

fn check_plain_http(config: &Config, refuse: &mut impl FnMut(&str, String, &str)) {
    let Config { server, relay, .. } = config;
    if server.listen_http.is_empty() {
        return;
    }
    if let Some(what) = wrong_with_listeners(&server.listen_http) {
        refuse("server.listen_http", what, "name each address once, or write [] for none");
    }
    let relays = [("relay.listen", &relay.listen), ("relay.listen_tls", &relay.listen_tls)];
    let relays = relays.into_iter().filter(|_| relay.enabled);
    for (other, of_other) in [("server.listen", &server.listen)].into_iter().chain(relays) {
        if let Some((one, two)) = clash(&server.listen_http, of_other) {
            refuse("server.listen_http", format!("{one} is taken by {two} of {other}"), ANOTHER_PORT);
        }
    }
}

fn check_meetings(meetings: &Meetings, refuse: &mut impl FnMut(&str, String, &str)) {
    for (key, number, range, mend) in [
        ("meetings.max_participants", meetings.max_participants, PARTICIPANTS, "write a number from 2 to 8"),
        (
            "meetings.ping_timeout_seconds",
            meetings.ping_timeout_seconds,
            PING_TIMEOUT_SECONDS,
            "write a number of seconds from 10 to 300",
        ),
        (
            "meetings.resume_window_seconds",
            meetings.resume_window_seconds,
            RESUME_WINDOW_SECONDS,
            "write a number of seconds from 5 to 600",
        ),
    ] {
        if !range.contains(&number) {
            refuse(key, format!("{number} is out of range"), mend);
        }
    }
}

fn check_tls(config: &Config, refuse: &mut impl FnMut(&str, String, &str)) {
    let tls = &config.tls;
    let files = [("tls.certificate_file", &tls.certificate_file), ("tls.key_file", &tls.key_file)];
    let (missing, named): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, file)| file.is_none());
    match tls.mode {
        TlsMode::Auto | TlsMode::Files if missing.len() == 1 || (tls.mode == TlsMode::Files && !missing.is_empty()) => {
            for (key, _) in missing {
                refuse(key, String::from("this is missing"), "name the files of the certificate and of its key");
            }
        }
        TlsMode::Acme | TlsMode::Local => {
            for (key, _) in named {
                refuse(key, String::from("the file would not be used"), "set tls.mode = \"files\", or leave the key out");
            }
        }
        TlsMode::Auto | TlsMode::Files => {}
    }
    check_acme(config, refuse);
}

fn check_acme(config: &Config, refuse: &mut impl FnMut(&str, String, &str)) {
    let Config { server, tls, .. } = config;
    if tls.mode == TlsMode::Acme && server.public_url.is_none() {
        let what = String::from("\"acme\" needs the name that the certificate is for");
        refuse("tls.mode", what, "set server.public_url, or choose another mode");
    }
    if tls.acme_contact.as_ref().is_some_and(|contact| !is_mail_address(contact)) {
        refuse("tls.acme_contact", String::from("this is no e-mail address"), "write it like \"admin@example.org\"");
    }
    for (key, value) in [("tls.acme_profile", &tls.acme_profile), ("tls.acme_eab_key_id", &tls.acme_eab_key_id)] {
        if value.as_ref().is_some_and(|text| text.trim().is_empty()) {
            refuse(key, String::from("this is empty"), "write what the authority calls it, or leave the key out");
        }
    }
    if tls.acme_eab_key_id.is_some() != tls.acme_eab_key_file.is_some() {
        let (key, other) = ("tls.acme_eab_key_id", "tls.acme_eab_key_file");
        let (there, missing) = if tls.acme_eab_key_id.is_some() { (key, other) } else { (other, key) };
        refuse(missing, format!("{there} means nothing without it"), "set both or neither");
    }
    if tls.acme_retry_seconds == 0 {
        refuse("tls.acme_retry_seconds", String::from("0 is no pause"), "write at least 1; 900 is usual");
    }
}

fn is_mail_address(text: &str) -> bool {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b",;?<>\"".contains(&byte));
    is_plain && text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && is_host(host))
}

fn check_limits(limits: &Limits, refuse: &mut impl FnMut(&str, String, &str)) {
    let Limits {
        connections,
        connections_per_address,
        requests_per_minute,
        meetings_per_hour,
        registrations_per_hour,
        chat_lines_per_ten_seconds,
    } = limits;
    for (key, number, least, mend) in [
        ("limits.connections", connections, FEWEST_CONNECTIONS, "write 10 or more"),
        ("limits.connections_per_address", connections_per_address, FEWEST_CONNECTIONS, "write 10 or more"),
        ("limits.requests_per_minute", requests_per_minute, FEWEST_REQUESTS, "write 60 or more"),
        ("limits.meetings_per_hour", meetings_per_hour, 1, "write 1 or more"),
        ("limits.registrations_per_hour", registrations_per_hour, 1, "write 1 or more, or close accounts.registration"),
        ("limits.chat_lines_per_ten_seconds", chat_lines_per_ten_seconds, 1, "write 1 or more"),
    ] {
        if *number < least {
            refuse(key, format!("{number} is too few to work with"), mend);
        } else if *number > MOST {
            refuse(key, format!("{number} is no limit"), "write at most 1000000");
        }
    }
}

/// By TCP, three kinds of clients come to the program, and each to ports of its own.
fn check_tcp_ports(config: &Config, refuse: &mut impl FnMut(&str, String, &str)) {
    let Config { server, relay, .. } = config;
    if !relay.listen_tls.is_empty()
        && let Some(what) = wrong_with_listeners(&relay.listen_tls)
    {
        refuse("relay.listen_tls", what, "name each address once, or write [] for none");
    }
    for (key, of_key, other, of_other) in [
        ("relay.listen", &relay.listen, "server.listen", &server.listen),
        ("relay.listen_tls", &relay.listen_tls, "server.listen", &server.listen),
        ("relay.listen_tls", &relay.listen_tls, "relay.listen", &relay.listen),
    ] {
        if let Some((one, two)) = clash(of_key, of_other) {
            refuse(key, format!("{one} is taken by {two} of {other}"), ANOTHER_PORT);
        }
    }
}

fn check_relay(relay: &Relay, refuse: &mut impl FnMut(&str, String, &str)) {
    if let Some(what) = wrong_with_listeners(&relay.listen) {
        refuse("relay.listen", what, "name each address once, at least one, or set relay.enabled = false");
    }
    for address in relay.listen.iter().filter(|address| relay.ports.contains(address.port())) {
        refuse("relay.ports", format!("the port of relay.listen {address} is among them"), "choose a range without it");
    }
    if relay.ports.first == 0 || relay.ports.count() < FEWEST_RELAY_PORTS {
        refuse("relay.ports", format!("{} has too few usable ports", relay.ports), "write a range such as \"49152-65535\"");
    }
    for (key, address) in [("relay.address", relay.address), ("relay.external_address", relay.external_address)] {
        if let Some(address) = address.filter(|address| !is_unicast(*address)) {
            refuse(key, format!("{address} belongs to no machine"), "write the address of one machine, or leave the key out");
        }
    }
    if let Some(address) = relay.address_ipv6.filter(|address| address.is_unspecified() || address.is_multicast()) {
        let mend = "write the address of one machine, or leave the key out";
        refuse("relay.address_ipv6", format!("{address} belongs to no machine"), mend);
    }
    let at_least_one = [
        ("relay.max_allocations", Some(relay.max_allocations)),
        ("relay.max_allocations_per_address", Some(relay.max_allocations_per_address)),
        ("relay.max_allocations_per_participant", Some(relay.max_allocations_per_participant)),
        ("relay.challenges_per_second", Some(relay.challenges_per_second)),
        ("relay.bindings_per_second", Some(relay.bindings_per_second)),
        ("relay.threads", relay.threads),
    ];
    for (key, _) in at_least_one.into_iter().filter(|(_, number)| *number == Some(0)) {
        refuse(key, String::from("with 0 nothing would be relayed"), "write at least 1, or set relay.enabled = false");
    }
    if !relay.ipv6 && relay.address_ipv6.is_some() {
        refuse("relay.address_ipv6", String::from("relay.ipv6 = false turns it off"), "leave out one of the two");
    }
    check_bandwidths(relay, refuse);
    let ttl = relay.credential_ttl_seconds;
    if !CREDENTIAL_TTL_SECONDS.contains(&ttl) {
        refuse("relay.credential_ttl_seconds", format!("{ttl} is out of range"), "write a number of seconds from 60 to 86400");
    }
}

fn check_bandwidths(relay: &Relay, refuse: &mut impl FnMut(&str, String, &str)) {
    let bandwidths = [
        ("relay.max_kbps_per_allocation", Some(relay.max_kbps_per_allocation), "write 1000 or more"),
        ("relay.max_kbps_per_participant", Some(relay.max_kbps_per_participant), "write 1000 or more"),
        ("relay.max_kbps", relay.max_kbps, "write 1000 or more, or leave the key out for no limit"),
    ];
    for (key, kbps, mend) in bandwidths {
        if let Some(kbps) = kbps.filter(|kbps| *kbps < FEWEST_KBPS) {
            refuse(key, format!("a call does not fit into {kbps} kilobits per second"), mend);
        }
    }
}

fn wrong_with_listeners(addresses: &[SocketAddr]) -> Option<String> {
    if addresses.is_empty() {
        return Some(String::from("there is no address"));
    }
    // Port 0 asks for any free port, so that the same address may stand there twice.
    let twice = addresses.iter().enumerate().find(|(i, address)| address.port() != 0 && addresses[..*i].contains(address));
    let multicast = addresses.iter().find(|address| address.ip().is_multicast() || address.ip() == IpAddr::from([255; 4]));
    match (twice, multicast) {
        (Some((_, address)), _) => Some(format!("{address} stands there twice")),
        (None, Some(address)) => Some(format!("{address} belongs to no machine")),
        (None, None) => None,
    }
}

/// The first two of which only one can be bound.
fn clash<'a>(ours: &'a [SocketAddr], theirs: &'a [SocketAddr]) -> Option<(&'a SocketAddr, &'a SocketAddr)> {
    ours.iter().find_map(|one| theirs.iter().find(|two| overlap(one, two)).map(|two| (one, two)))
}

/// Whether only one of two sockets can be bound. Port 0 is another one each time.
fn overlap(one: &SocketAddr, two: &SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || two.ip().is_unspecified();
    one.port() != 0 && one.port() == two.port() && one.is_ipv4() == two.is_ipv4() && (any || one.ip() == two.ip())
}

fn is_unicast(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
}
