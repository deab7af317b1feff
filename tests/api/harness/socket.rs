//! A socket that speaks `hearth.v1`.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, Request, StatusCode};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Person, TestServer, tls};

/// Longest wait for a message that must come.
const PATIENCE: Duration = Duration::from_secs(15);

/// Everything switched off.
pub fn no_media() -> Value {
    json!({"audio": false, "video": false, "screen": false})
}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<TlsStream<TcpStream>>,
    /// The seat, once there is one.
    pub participant: String,
    /// What takes it back.
    pub resume_token: String,
    /// How many pings of the server came so far.
    pub pings: usize,
}

impl Socket {
    /// Opens a socket as our page would.
    pub async fn open(server: &TestServer) -> Self {
        Self::try_open(server, &[]).await.unwrap()
    }

    /// Opens a socket with these headers in place of the usual ones; an empty value leaves one out.
    pub async fn try_open(server: &TestServer, headers: &[(&str, &str)]) -> Result<Self, StatusCode> {
        Self::try_open_on(connect_tls(server).await, server, headers).await
    }

    /// The same, over a connection that stands.
    pub async fn try_open_on(
        stream: TlsStream<TcpStream>,
        server: &TestServer,
        headers: &[(&str, &str)],
    ) -> Result<Self, StatusCode> {
        let mut request = format!("{}/api/signaling", server.address.replacen("https", "wss", 1)).into_client_request().unwrap();
        set(&mut request, "sec-websocket-protocol", "hearth.v1");
        set(&mut request, "origin", &server.address);
        for (name, value) in headers {
            set(&mut request, name, value);
        }
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((stream, _)) => Ok(Self { stream, participant: String::new(), resume_token: String::new(), pings: 0 }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("the socket did not open: {error}"),
        }
    }

    /// Joins over HTTP, opens a socket and takes the seat; gives the welcome with it.
    pub async fn enter(server: &TestServer, person: &Person, room: &str, name: &str) -> (Self, Value) {
        let joined = person.join(room, name).await.ok();
        Self::open(server).await.take_seat(&joined).await
    }

    /// Like [`Self::enter`], for somebody whose system keeps next to nothing of what they don't read.
    pub async fn enter_with_small_buffer(server: &TestServer, person: &Person, room: &str, name: &str) -> (Self, Value) {
        let joined = person.join(room, name).await.ok();
        let tcp = TcpSocket::new_v4().unwrap();
        tcp.set_recv_buffer_size(4096).unwrap();
        let stream = tcp.connect(server.socket_address()).await.unwrap();
        let socket = Self::try_open_on(secure(server, stream, &[]).await, server, &[]).await.unwrap();
        socket.take_seat(&joined).await
    }

    async fn take_seat(mut self, joined: &Value) -> (Self, Value) {
        self.send(&json!({"type": "join", "ticket": joined["ticket"], "media": no_media()})).await;
        let welcome = self.expect("welcome").await;
        assert_eq!(welcome["participantId"], joined["participantId"]);
        self.seated(&welcome);
        (self, welcome)
    }

    /// Opens another socket that takes the same seat.
    pub async fn resume(&self, server: &TestServer) -> (Self, Value) {
        let mut socket = Self::open(server).await;
        socket.send(&json!({"type": "resume", "resumeToken": self.resume_token, "media": no_media()})).await;
        let welcome = socket.expect("welcome").await;
        socket.seated(&welcome);
        (socket, welcome)
    }

    fn seated(&mut self, welcome: &Value) {
        self.participant = welcome["participantId"].as_str().unwrap().to_owned();
        self.resume_token = welcome["resumeToken"].as_str().unwrap().to_owned();
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// Like [`Self::send_raw`], where the server may have closed already.
    pub async fn try_send(&mut self, message: Message) -> bool {
        self.stream.send(message).await.is_ok()
    }

    /// The next message, which must be of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: &'static str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let message = self.next().await.unwrap_or_else(|code| panic!("closed with {code:?} instead of {kind} ({caller})"));
            assert_eq!(message["type"], kind, "{message} ({caller})");
            message
        }
    }

    /// The next message, which must be an error with this code.
    pub async fn expect_error(&mut self, code: &str) -> Value {
        let message = self.expect("error").await;
        assert_eq!(message["error"]["code"], code, "{message}");
        message
    }

    /// Passes over what comes until a message of this type.
    pub async fn skip_to(&mut self, kind: &str) -> Value {
        self.skip_within(PATIENCE, kind).await
    }

    /// Passes over what comes until a message of this type; false when the socket ends before.
    pub async fn hears(&mut self, kind: &str) -> bool {
        loop {
            match self.next().await {
                Ok(message) if message["type"] == kind => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }

    /// Like [`Self::skip_to`], for something that comes only when some seconds, of a setting, have gone by.
    pub async fn skip_to_late(&mut self, kind: &str) -> Value {
        self.skip_within(4 * PATIENCE, kind).await
    }

    async fn skip_within(&mut self, patience: Duration, kind: &str) -> Value {
        loop {
            match self.next_within(patience).await {
                Ok(message) if message["type"] == kind => return message,
                Ok(_) => {}
                Err(code) => panic!("closed with {code:?} before {kind}"),
            }
        }
    }

    /// The code that the server closes with, whatever it says before.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code.map(u16::from);
            }
        }
    }

    /// The next message, or how the socket was closed.
    pub async fn next(&mut self) -> Result<Value, Option<CloseCode>> {
        self.next_within(PATIENCE).await
    }

    async fn next_within(&mut self, patience: Duration) -> Result<Value, Option<CloseCode>> {
        // Pings come as long as the server lives, and nobody waits for those.
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let received = tokio::time::timeout_at(deadline, self.stream.next()).await.expect("nothing came in time");
            match received {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code)),
                Some(Ok(Message::Ping(_))) => self.pings += 1,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Proves that everything before has been dealt with and nothing else came of it.
    pub async fn expect_quiet(&mut self) {
        self.send(&json!({"type": "ping"})).await;
        self.expect("pong").await;
    }

    /// Drops the connection without a word, as a lost network does.
    pub fn cut(self) -> (String, String) {
        (self.participant, self.resume_token)
    }
}

fn set(request: &mut Request<()>, name: &str, value: &str) {
    let name: HeaderName = name.parse().unwrap();
    if value.is_empty() {
        request.headers_mut().remove(name);
    } else {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
}

/// A TLS connection to the server, by its own certificate.
pub async fn connect_tls(server: &TestServer) -> TlsStream<TcpStream> {
    secure(server, TcpStream::connect(server.socket_address()).await.unwrap(), &[]).await
}

/// The same, speaking this application protocol.
pub async fn connect_tls_for(server: &TestServer, protocol: &[u8]) -> TlsStream<TcpStream> {
    secure(server, TcpStream::connect(server.socket_address()).await.unwrap(), protocol).await
}

/// Shakes hands over a connection that stands.
pub async fn secure(server: &TestServer, stream: TcpStream, protocol: &[u8]) -> TlsStream<TcpStream> {
    try_secure(server, stream, protocol).await.unwrap()
}

/// The same, where the server may not have it.
pub async fn try_secure(server: &TestServer, stream: TcpStream, protocol: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let protocols = if protocol.is_empty() { &[][..] } else { &[protocol] };
    tls::shake_hands(stream, [tls::certificate(&server.certificate())], server.name.clone(), protocols).await
}
