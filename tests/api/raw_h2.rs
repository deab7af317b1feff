//! A client of HTTP/2 that writes its frames by hand, and so can write what no proper client would (RFC 9113).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::client::TlsStream;

use crate::harness::TestServer;
use crate::harness::socket::connect_tls_for;

/// Types of frames (RFC 9113 §6).
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags of frames.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

/// The error by which a server says that it has had enough (RFC 9113 §7).
pub const ENHANCE_YOUR_CALM: u32 = 11;
/// The error for streams beyond those that there may be at once.
pub const REFUSED_STREAM: u32 = 7;

/// How the header block of an answer with the status 200 begins (RFC 7541, appendix A).
pub const OK: u8 = 0x88;

/// What every connection begins with (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longer than the server waits for anything; who waits in vain fails then.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a request (RFC 7541: names by their place in the static table, values as they are).
pub fn request(method: &str, path: &str, host: &str, others: &[(&str, &str)]) -> Vec<u8> {
    const AUTHORITY: u8 = 1;
    const METHOD: u8 = 2;
    const PATH: u8 = 4;
    const SCHEME_HTTPS: u8 = 0x87;
    let mut block = vec![SCHEME_HTTPS];
    for (name, value) in [(METHOD, method), (PATH, path), (AUTHORITY, host)] {
        block.push(name);
        text(value, &mut block);
    }
    for (name, value) in others {
        block.push(0);
        text(name, &mut block);
        text(value, &mut block);
    }
    block
}

fn text(text: &str, block: &mut Vec<u8>) {
    assert!(text.len() < 127, "longer ones need another form");
    block.push(u8::try_from(text.len()).unwrap());
    block.extend(text.as_bytes());
}

/// A whole request without a body.
pub fn get(stream: u32, path: &str, host: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &request("GET", path, host, &[]))
}

/// A request to sign in, whose body is still to come.
pub fn post(stream: u32, host: &str) -> Vec<u8> {
    let headers = request("POST", "/api/auth/login", host, &[("content-type", "application/json")]);
    frame(HEADERS, END_HEADERS, stream, &headers)
}

/// What a server has said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The statuses of its answers, each as the header block begins with it: see [`OK`].
    pub answers: Vec<u8>,
    /// The errors by which it has reset streams.
    pub resets: Vec<u32>,
    /// The bodies of all answers, one behind the other.
    pub body: Vec<u8>,
    /// Pings and settings that it has acknowledged.
    pub acknowledged: usize,
    /// The error by which it takes its leave.
    pub goodbye: Option<u32>,
    /// Nothing comes any more.
    pub ended: bool,
}

/// A connection whose frames are written by hand. What comes is read all the time, and answered by nothing.
pub struct RawH2 {
    writer: WriteHalf<TlsStream<TcpStream>>,
    heard: watch::Receiver<Heard>,
    reading: AbortHandle,
}

impl Drop for RawH2 {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl RawH2 {
    /// Connects, and says hello with these settings, each a number and a value.
    pub async fn open(server: &TestServer, settings: &[(u16, u32)]) -> Self {
        Self::on(connect_tls_for(server, b"h2").await, settings).await
    }

    /// Says hello over a connection that stands.
    pub async fn on(stream: TlsStream<TcpStream>, settings: &[(u16, u32)]) -> Self {
        let (reader, mut writer) = split(stream);
        let settings: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        writer.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()).await.unwrap();
        let (tell, heard) = watch::channel(Heard::default());
        let reading = tokio::spawn(read(reader, tell)).abort_handle();
        Self { writer, heard, reading }
    }

    /// Writes bytes; false when the server takes none any more.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = async { self.writer.write_all(bytes).await.is_ok() && self.writer.flush().await.is_ok() };
        tokio::time::timeout(PATIENCE, written).await.expect("the server neither reads nor closes")
    }

    /// Writes until the server takes nothing any more, but no more often than this. How often it did.
    pub async fn write_until_closed(&mut self, most: u32, mut bytes: impl FnMut(u32) -> Vec<u8>) -> u32 {
        for count in 0..most {
            if self.heard().goodbye.is_some() || !self.write(&bytes(count)).await {
                return count;
            }
        }
        most
    }

    /// What has been heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// Waits until this is heard.
    pub async fn hears(&mut self, what: &str, is_it: impl FnMut(&Heard) -> bool) -> Heard {
        let waited = tokio::time::timeout(PATIENCE, self.heard.wait_for(is_it)).await.map(|heard| heard.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("never heard: {what}; {:?}", self.heard()))
    }
}

async fn read(mut reader: ReadHalf<TlsStream<TcpStream>>, tell: watch::Sender<Heard>) {
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        if reader.read_exact(&mut head).await.is_err() {
            break;
        }
        payload.resize(usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]), 0);
        if reader.read_exact(&mut payload).await.is_err() {
            break;
        }
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        tell.send_modify(|heard| match (head[3], head[4] & ACK) {
            (DATA, _) => heard.body.extend(&payload),
            (HEADERS, _) => heard.answers.push(payload[0]),
            (RST_STREAM, _) => heard.resets.push(number(0)),
            (PING | SETTINGS, ACK) => heard.acknowledged += 1,
            (GOAWAY, _) => heard.goodbye = Some(number(4)),
            _ => {}
        });
    }
    tell.send_modify(|heard| heard.ended = true);
}
