//! Whether the server answers at its ports; and while it doesn't run, whether it could.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Settings;
use super::finding::{Check, Finding};
use super::server::{self, Presence};
use crate::interfaces::near;
use crate::tls::{self, Presented};
use crate::turn::{self, probe};

/// How long a connection may take to come about, and an answer to come.
const PATIENCE: Duration = Duration::from_secs(3);
/// More than what the server says about itself.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

/// What came of trying one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// This program answers, or one that speaks as it does.
    Ours,
    /// Another program answers.
    Stranger,
    /// Nobody listens, and we could.
    Free,
    /// Nobody listens, and this user may not.
    Forbidden,
    /// It is no address of this machine.
    NotHere,
    /// Somebody listens and nothing comes back.
    Silent,
}

/// What answers at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Https,
    Http,
    RelayUdp,
    RelayTcp,
    RelayTls,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Https, Self::Http, Self::RelayUdp, Self::RelayTcp, Self::RelayTls];

    const fn check(self) -> Check {
        match self {
            Self::Https => Check::HttpsPort,
            Self::Http => Check::HttpPort,
            Self::RelayUdp => Check::RelayUdpPort,
            Self::RelayTcp => Check::RelayTcpPort,
            Self::RelayTls => Check::RelayTlsPort,
        }
    }

    /// What it is called, its protocol, and the key of the configuration that says where it listens.
    const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Https => ("HTTPS", "tcp", "server.listen"),
            Self::Http => ("plain HTTP", "tcp", "server.listen_http"),
            Self::RelayUdp => ("the relay by UDP", "udp", "relay.listen"),
            Self::RelayTcp => ("the relay by TCP", "tcp", "relay.listen"),
            Self::RelayTls => ("the relay by TLS", "tcp", "relay.listen_tls"),
        }
    }
}

/// One address of the configuration.
#[derive(Clone, Debug)]
struct Door {
    kind: Kind,
    at: SocketAddr,
    state: State,
}

/// What came of trying all.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    doors: Vec<Door>,
    presence: Presence,
    presented: Option<Presented>,
}

pub(super) async fn try_all(settings: &Settings) -> Ports {
    let name = settings.asked_name();
    let inside = settings.inside;
    let https = settings.https.iter().map(async |at| {
        let (state, presented) = try_https(*at, name, inside).await;
        (Door { kind: Kind::Https, at: *at, state }, presented)
    });
    let relay = settings.relay.iter().flat_map(|relay| {
        let plain = relay.listen.iter().flat_map(|at| [(Kind::RelayUdp, *at), (Kind::RelayTcp, *at)]);
        plain.chain(relay.listen_tls.iter().map(|at| (Kind::RelayTls, *at)))
    });
    // What the server never had it may open for a moment.
    let is_own = |at: &SocketAddr| inside && !settings.missing.contains(at);
    let relay = relay.map(async |(kind, at)| {
        let inside = is_own(&at);
        let state = match kind {
            Kind::RelayUdp => try_udp(at, inside).await,
            Kind::RelayTls => try_stream(at, Some(name), inside).await,
            Kind::RelayTcp | Kind::Https | Kind::Http => try_stream(at, None, inside).await,
        };
        Door { kind, at, state }
    });
    let http = settings.http.iter().map(async |at| Door { kind: Kind::Http, at: *at, state: try_http(*at, is_own(at)).await });
    let (https, http, relay) = tokio::join!(join_all(https), join_all(http), join_all(relay));
    let presented = https.iter().find_map(|(_, presented)| presented.clone());
    let doors: Vec<Door> = https.into_iter().map(|(door, _)| door).chain(http).chain(relay).collect();
    let presence = server::presence(settings, doors.iter().map(|door| (door.kind.check(), door.state == State::Ours))).await;
    Ports { doors, presence, presented }
}

async fn try_https(at: SocketAddr, name: &str, inside: bool) -> (State, Option<Presented>) {
    let stream = match connect(at, inside).await {
        Ok(stream) => stream,
        Err(state) => return (state, None),
    };
    let exchange = async {
        let (stream, presented) = tls::shake_hands(stream, name, b"http/1.1").await.ok()?;
        is_hearth(stream).await.then_some(presented)
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Some(presented)) => (State::Ours, Some(presented)),
        Ok(None) | Err(_) => (State::Stranger, None),
    }
}

/// Ours leads everybody on to HTTPS.
async fn try_http(at: SocketAddr, inside: bool) -> State {
    let stream = match connect(at, inside).await {
        Ok(stream) => stream,
        Err(state) => return state,
    };
    match timeout(PATIENCE, answer_of(stream)).await {
        Ok(answer) if answer.to_ascii_lowercase().contains("location: https://") => State::Ours,
        Ok(_) | Err(_) => State::Stranger,
    }
}

/// Whether a web server is one of ours, by what it says about itself to anybody.
async fn is_hearth(stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> bool {
    answer_of(stream).await.contains("\"needsSetup\"")
}

/// What a web server says when it is asked what it is.
async fn answer_of(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) -> String {
    let request = b"GET /api/server HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    if stream.write_all(request).await.is_ok() {
        // A connection that ends without a goodbye has said what it has to say.
        let _ = stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

async fn try_udp(at: SocketAddr, inside: bool) -> State {
    match probe::answers(near(at)).await {
        Ok(()) => State::Ours,
        Err(turn::Fault::Stranger) => State::Stranger,
        Err(turn::Fault::Unsent(error)) if is_out_of_reach(error) => State::NotHere,
        Err(_) => unanswered(at, Type::DGRAM, inside),
    }
}

async fn try_stream(at: SocketAddr, tls_name: Option<&str>, inside: bool) -> State {
    let stream = match connect(at, inside).await {
        Ok(stream) => stream,
        Err(state) => return state,
    };
    let exchange = async {
        match tls_name {
            None => probe::answers_by_stream(stream).await,
            Some(name) => probe::answers_by_stream(tls::shake_hands(stream, name, turn::ALPN).await?.0).await,
        }
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(())) => State::Ours,
        Ok(Err(_)) | Err(_) => State::Stranger,
    }
}

async fn connect(at: SocketAddr, inside: bool) -> Result<TcpStream, State> {
    match timeout(PATIENCE, TcpStream::connect(near(at))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if is_out_of_reach(error.kind()) => Err(State::NotHere),
        // A firewall may also refuse, so it is asked whether the port is free.
        Ok(Err(_)) | Err(_) => Err(unanswered(at, Type::STREAM, inside)),
    }
}

/// Whether this says that there is no way to an address, as to those of IPv6 where that is switched off. Wildcard addresses can be
/// listened at even then.
fn is_out_of_reach(error: io::ErrorKind) -> bool {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable, Unsupported};
    [AddrNotAvailable, HostUnreachable, NetworkUnreachable, Unsupported].contains(&error)
}

/// Nobody answers; why? Answered by opening the port for a moment, which the server itself must not do to its own.
fn unanswered(at: SocketAddr, kind: Type, inside: bool) -> State {
    if inside {
        return State::Silent;
    }
    match open(at, kind).map(drop) {
        Ok(()) => State::Free,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => State::Silent,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => State::Forbidden,
        Err(_) => State::NotHere,
    }
}

/// Opens a port as the server does: IPv6 sockets take IPv6 only.
pub(super) fn open(at: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, None)?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    if kind == Type::STREAM {
        socket.listen(16)?;
    }
    Ok(socket)
}

impl Ports {
    /// Whether there is a server to ask.
    pub(super) fn presence(&self) -> Presence {
        self.presence
    }

    /// The certificate that it showed.
    pub(super) fn presented(&self) -> Option<&Presented> {
        self.presented.as_ref()
    }

    /// One finding for each kind of door, about the worst of its addresses.
    pub(super) fn judge(&self) -> Vec<Finding> {
        Kind::ALL.into_iter().filter_map(|kind| self.judge_kind(kind)).collect()
    }

    fn judge_kind(&self, kind: Kind) -> Option<Finding> {
        let of_kind: Vec<&Door> = self.doors.iter().filter(|door| door.kind == kind).collect();
        // The server passes over IPv6 addresses where this machine has no IPv6.
        let counts = |door: &&&Door| !(door.at.is_ipv6() && door.state == State::NotHere && of_kind.len() > 1);
        let worst = of_kind.iter().filter(counts).max_by_key(|door| severity(door.state))?;
        let (what, ..) = kind.words();
        Some(match self.presence {
            Presence::Hangs => {
                Finding::skipped(kind.check(), format!("What is there for {what} can be tried only while the server answers."))
            }
            Presence::Runs => judge(kind, worst.at, worst.state, true),
            Presence::Absent | Presence::Hidden => judge(kind, worst.at, worst.state, false),
        })
    }
}

const fn severity(state: State) -> u8 {
    match state {
        State::Ours => 0,
        State::Free => 1,
        State::NotHere => 2,
        State::Forbidden => 3,
        State::Silent => 4,
        State::Stranger => 5,
    }
}

fn judge(kind: Kind, at: SocketAddr, state: State, running: bool) -> Finding {
    let (check, port) = (kind.check(), at.port());
    let (what, protocol, key) = kind.words();
    let upper = protocol.to_uppercase();
    let list = if protocol == "udp" { "ss -lpun" } else { "ss -lptn" };
    let stranger = || {
        Finding::bad(
            check,
            format!("Another program has {upper} port {port}, which is for {what}."),
            format!("find it with `sudo {list} 'sport = :{port}'` and stop it, or choose another port in {key}"),
        )
    };
    match state {
        State::Ours => Finding::good(check, format!("On {upper} port {port}, {what} answers.")),
        State::Free | State::Forbidden if running => Finding::bad(
            check,
            format!("The server runs, but nothing listens on {upper} port {port}, which is for {what}."),
            format!("restart it, so that it takes {key} as it stands: sudo systemctl restart hearth"),
        ),
        State::Free => Finding::good(check, format!("{upper} port {port} for {what} is free.")),
        State::Silent if !running => stranger(),
        State::Stranger => stranger(),
        State::Silent => Finding::bad(
            check,
            format!("Nothing comes back from {upper} port {port}, where {what} listens: a firewall of this machine stops it."),
            format!("sudo ufw allow {port}/{protocol}"),
        ),
        State::Forbidden => Finding::bad(
            check,
            format!("This user may not open {upper} port {port} for {what}."),
            format!("let the unit have AmbientCapabilities=CAP_NET_BIND_SERVICE, or choose a port from 1024 on in {key}"),
        ),
        State::NotHere => Finding::bad(
            check,
            format!("{} is no address of this machine, and {what} is to listen there.", at.ip()),
            format!("correct {key}; \"0.0.0.0:{port}\" means every address"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Outcome;
    use super::*;

    #[rstest]
    #[case(Kind::Https, State::Ours, true, Outcome::Good, "")]
    #[case(Kind::Https, State::Free, false, Outcome::Good, "")]
    #[case(Kind::Https, State::Free, true, Outcome::Bad, "sudo systemctl restart hearth")]
    #[case(Kind::Https, State::Stranger, false, Outcome::Bad, "sudo ss -lptn 'sport = :3478'")]
    #[case(Kind::RelayUdp, State::Silent, false, Outcome::Bad, "sudo ss -lpun 'sport = :3478'")]
    #[case(Kind::RelayUdp, State::Silent, true, Outcome::Bad, "sudo ufw allow 3478/udp")]
    #[case(Kind::RelayTcp, State::Silent, true, Outcome::Bad, "sudo ufw allow 3478/tcp")]
    #[case(Kind::RelayTls, State::NotHere, false, Outcome::Bad, "relay.listen_tls")]
    #[case(Kind::Https, State::Forbidden, false, Outcome::Bad, "CAP_NET_BIND_SERVICE")]
    fn o10_a_port_is_judged_by_who_answers(
        #[case] kind: Kind,
        #[case] state: State,
        #[case] running: bool,
        #[case] outcome: Outcome,
        #[case] mend: &str,
    ) {
        let found = judge(kind, "0.0.0.0:3478".parse().unwrap(), state, running);
        assert_eq!((found.check, found.outcome), (kind.check(), outcome));
        assert_eq!(found.mend.is_some(), outcome == Outcome::Bad);
        assert!(found.mend.unwrap_or_default().contains(mend));
    }

    #[test]
    fn o10_of_several_addresses_the_worst_is_told_and_ipv6_only_where_there_is_some() {
        let door = |at: &str, state| Door { kind: Kind::Https, at: at.parse().unwrap(), state };
        let told = |doors: Vec<Door>| {
            let ports = Ports { doors, presence: Presence::Absent, presented: None };
            let findings = ports.judge();
            assert_eq!(findings.len(), 1);
            findings[0].outcome
        };
        assert_eq!(told(vec![door("0.0.0.0:443", State::Ours), door("[::]:443", State::NotHere)]), Outcome::Good);
        assert_eq!(told(vec![door("0.0.0.0:443", State::Ours), door("[::]:443", State::Stranger)]), Outcome::Bad);
        assert_eq!(told(vec![door("[::]:443", State::NotHere)]), Outcome::Bad);
    }
}
