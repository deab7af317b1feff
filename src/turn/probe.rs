//! Trying a relay that runs in another process, or whose health is asked for just now: as its own test does it, and by asking no
//! more than whether somebody answers who speaks STUN.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stun::agent::TransactionId;
use stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Settings;
use super::selftest::{Client, Fault, Finding, SelfTest, StunServer};

/// How long an answer by a stream is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// The header of a message (RFC 8489 §5).
const HEADER_BYTES: usize = 20;

/// Tests a relay with these settings, whoever runs it. `None` when it has no address to be tested at.
pub async fn test(settings: &Settings) -> Option<Finding> {
    SelfTest::new(settings, &settings.listen).once().await
}

/// Whether somebody answers at `server` by UDP who speaks STUN.
///
/// # Errors
/// When nobody does.
pub async fn answers(server: SocketAddr) -> Result<(), Fault> {
    Client::new(server).await?.binding().await.map(drop)
}

/// Whether the other end of a stream speaks STUN (RFC 8489 §6.2.2).
///
/// # Errors
/// When it says something else, or nothing.
pub async fn answers_by_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut request = Message::new();
    request.build(&[Box::new(BINDING_REQUEST), Box::new(TransactionId::new())]).map_err(io::Error::other)?;
    let exchange = async {
        stream.write_all(&request.raw).await?;
        stream.flush().await?;
        let mut header = [0; HEADER_BYTES];
        stream.read_exact(&mut header).await?;
        let rest = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let mut raw = header.to_vec();
        raw.resize(HEADER_BYTES + rest, 0);
        stream.read_exact(&mut raw[HEADER_BYTES..]).await?;
        let mut answer = Message { raw, ..Message::default() };
        let is_it = answer.decode().is_ok() && answer.typ == BINDING_SUCCESS && answer.transaction_id == request.transaction_id;
        if is_it { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The address that packets from `own` come from, as a STUN server of others sees it. `None` when it does not answer.
pub(super) async fn seen_by(server: &StunServer, own: IpAddr) -> Option<IpAddr> {
    let found = lookup_host((server.host.as_str(), server.port)).await.ok()?;
    let server = found.into_iter().find(|address| address.is_ipv4() == own.is_ipv4())?;
    Client::at(own, server).await.ok()?.binding().await.ok().map(|mapped| mapped.ip())
}
