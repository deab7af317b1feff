//! Sockets that a service manager holds for the server (row O5, fault R20).

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd as _, RawFd};

use hearth::ids::random_bytes;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

use crate::harness::{Options, Person, Port, TestServer, eventually};

/// Moves the descriptors that `PASSED` lists to 3 and up, where `sd_listen_fds(3)` looks for them, and becomes the program.
const HAND_OVER: &str = r#"
above=100
for fd in $PASSED; do eval "exec $above<&$fd"; above=$((above + 1)); done
to=3
while [ $to -lt $((above - 97)) ]; do eval "exec $to<&$((to + 97)) $((to + 97))<&-"; to=$((to + 1)); done
export LISTEN_FDS=$((to - 3)) LISTEN_PID=$$
exec "$@""#;

/// The sockets of a unit, held across restarts of the server.
struct Unit {
    page: TcpListener,
    relay_streams: TcpListener,
    relay_tls: TcpListener,
    /// Two for one address, as a relay with two threads wants them.
    datagrams: [UdpSocket; 2],
    _relay_port: Port,
}

impl Unit {
    fn new() -> Self {
        let stream = |port: u16| {
            let socket = TcpListener::bind(("127.0.0.1", port)).unwrap();
            inherited(&SockRef::from(&socket));
            socket
        };
        // A port of UDP, too, that nobody else has.
        let relay_port = Port::reserve();
        let relay_streams = stream(relay_port.number);
        let first = datagrams_at(relay_streams.local_addr().unwrap());
        let second = datagrams_at(relay_streams.local_addr().unwrap());
        Self { page: stream(0), relay_streams, relay_tls: stream(0), datagrams: [first, second], _relay_port: relay_port }
    }

    /// How a server is started that gets them, each with this name.
    fn hands_over(&self) -> Options {
        let Self { page, relay_streams, relay_tls, datagrams: [first, second], .. } = self;
        let named: [(RawFd, &str); 5] = [
            (page.as_raw_fd(), "https"),
            (relay_streams.as_raw_fd(), "relay"),
            (relay_tls.as_raw_fd(), "relay-tls"),
            (first.as_raw_fd(), "relay"),
            (second.as_raw_fd(), "relay"),
        ];
        let descriptors: Vec<String> = named.iter().map(|(fd, _)| fd.to_string()).collect();
        let names: Vec<&str> = named.iter().map(|(_, name)| *name).collect();
        let passed = format!("PASSED={}", descriptors.join(" "));
        let names = format!("LISTEN_FDNAMES={}", names.join(":"));
        let run_by = ["env", &passed, &names, "bash", "-c", HAND_OVER, "bash"].map(str::to_owned).to_vec();
        Options { run_by, ..Options::default() }
    }
}

fn datagrams_at(address: std::net::SocketAddr) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    inherited(&SockRef::from(&socket));
    socket.into()
}

/// Lets a child of this process have the socket too.
fn inherited(socket: &SockRef<'_>) {
    socket.set_cloexec(false).unwrap();
}

/// Whether a STUN server answers there by UDP.
fn answers_stun(address: std::net::SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    request.extend(random_bytes::<12>());
    socket.send_to(&request, address).unwrap();
    let mut answer = [0; 200];
    let length = socket.recv(&mut answer).unwrap_or_default();
    length >= 20 && answer[..2] == [1, 1] && answer[4..20] == request[4..]
}

#[tokio::test]
async fn o5_passed_sockets_are_served_in_place_of_those_of_the_configuration() {
    let unit = Unit::new();
    let server = TestServer::with(&unit.hands_over());
    assert_eq!(server.address, format!("https://localhost:{}", unit.page.local_addr().unwrap().port()));
    Person::guest(&server).get("/healthz").await.ok();
    let relay = unit.relay_streams.local_addr().unwrap();
    // The system deals clients out to the two sockets by their ports: both have to be read.
    for _ in 0..16 {
        assert!(answers_stun(relay), "a client got no answer");
    }
    for configured in [server.port(), server.relay_port(), server.relay_tls_port()] {
        assert!(TcpStream::connect(("127.0.0.1", configured)).await.is_err(), "port {configured} of the configuration is open");
    }
    server.has_logged("sockets that the service manager holds");
    assert!(!server.log().contains("nothing answers on a socket"), "{}", server.log());
}

#[tokio::test]
async fn r20_who_connects_while_the_server_is_away_waits_instead_of_being_refused() {
    let unit = Unit::new();
    let mut server = TestServer::with(&unit.hands_over());
    let ben = Person::member(&server, "Ben").await;
    for crash in [false, true] {
        if crash {
            server.kill();
        } else {
            assert!(server.stop().success());
        }
        let asking = tokio::spawn({
            let ben = ben.clone();
            async move { ben.get("/api/auth/me").await.ok() }
        });
        // The connection stands although nobody is there to take it.
        TcpStream::connect(unit.page.local_addr().unwrap()).await.unwrap();
        server.launch();
        assert_eq!(asking.await.unwrap()["name"], "Ben");
        assert!(answers_stun(unit.relay_streams.local_addr().unwrap()));
    }
}

#[tokio::test]
async fn o5_a_passed_socket_that_nothing_uses_is_told_in_the_log() {
    let unit = Unit::new();
    let mut options = unit.hands_over();
    options.relay = String::from("enabled = false");
    let server = TestServer::with(&options);
    let unused = unit.relay_streams.local_addr().unwrap().to_string();
    let told =
        |line: &str| line.contains("nothing answers on a socket that the service manager passed") && line.contains(&unused);
    eventually("the log tells", async || server.log().lines().any(told)).await;
}
