//! Clients that come by TCP or TLS (RFC 8656 §3.1): accepting them, reading what they say, and writing without ever waiting for one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::framing::{Foreign, Inbox};
use super::listen;
use super::patience::Patience;
use super::routes::Routes;
use super::tls::Session;
use super::{Edge, State, TIMER_SLACK};
use crate::clock::Tick;
use crate::ids::ParticipantId;
use crate::lifecycle::sockets::Passed;
use crate::turn::channel_data;
use crate::turn::server::{ClientSocket, Transport};

/// Pause after the system refuses to accept, so that a full descriptor table doesn't spin the loop (attack D6).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many bytes may wait for a client that reads slowly. Above, data for it are dropped, as a full line in a network does.
const MAX_WAITING: usize = 1 << 17;

/// How many more may wait when they are messages, which are never dropped. A client that lets even these pile up is cut off.
const MAX_WAITING_WITH_MESSAGES: usize = MAX_WAITING + (1 << 14);

/// How much the kernel may queue for one client: what is late by more than that is of no use in a call.
const SEND_BUFFER_BYTES: usize = 1 << 17;

/// How much of one stream is read before others have their turn.
const READ_BYTES: usize = 1 << 16;

thread_local! {
    /// Where streams are read into, so that an idle one holds no buffer: as it comes, and without TLS.
    static BUFFERS: RefCell<(Box<[u8]>, Vec<u8>)> = RefCell::new((vec![0; READ_BYTES].into_boxed_slice(), Vec::new()));
}

/// One client's stream, and what waits to be written to it.
pub(super) struct Stream {
    socket: TcpStream,
    line: Mutex<Line>,
    /// Something waits.
    late: Notify,
    closing: CancellationToken,
}

/// What stands between the messages and the socket.
struct Line {
    /// Bytes for the socket, in TLS where there is one.
    waiting: VecDeque<u8>,
    session: Option<Session>,
}

/// What came with one read.
struct Heard {
    /// How many frames it ended.
    frames: usize,
    /// Something has begun that is not whole yet. The handshake doesn't count: the stream has not begun before it is over.
    waits: bool,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, session: Option<Session>) -> Arc<Self> {
        let options = SockRef::from(&socket);
        // Some systems refuse; the stream then works as it is.
        let _ = options.set_tcp_nodelay(true);
        let _ = options.set_send_buffer_size(SEND_BUFFER_BYTES);
        let line = Mutex::new(Line { waiting: VecDeque::new(), session });
        Arc::new(Self { socket, line, late: Notify::new(), closing: CancellationToken::new() })
    }

    /// Sends a message. It is never dropped: a stream that has no room for it is closed.
    pub(super) fn send_message(&self, message: &[u8]) -> io::Result<usize> {
        let sent = self.send(&[message], MAX_WAITING_WITH_MESSAGES);
        if sent.is_err() {
            self.close();
        }
        sent
    }

    /// Sends what a peer says, or drops it when the client is behind with reading.
    pub(super) fn send_data(&self, parts: &[&[u8]]) -> io::Result<usize> {
        self.send(parts, MAX_WAITING)
    }

    /// Sends packets of peers, each a head and a payload, with one write. Those for which the client is too far behind are dropped;
    /// returns how many.
    pub(super) fn send_packets<'a>(&self, packets: impl Iterator<Item = [&'a [u8]; 2]>) -> usize {
        let mut line = self.line();
        let (mut parts, mut length) = (Vec::new(), line.waiting.len());
        let (mut taken, mut dropped) = (0, 0);
        for [head, payload] in packets {
            let padding = channel_data::padding(payload.len());
            let whole = head.len() + payload.len() + padding;
            if length + whole > MAX_WAITING {
                dropped += 1;
                continue;
            }
            length += whole;
            taken += 1;
            parts.extend([head, payload, &[0; 3][..padding]]);
        }
        let sent = line.put(&parts).and_then(|()| self.flush(&mut line.waiting));
        if sent.is_ok() { dropped } else { dropped + taken }
    }

    /// Closes it as soon as its task gets to run.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    fn send(&self, parts: &[&[u8]], room: usize) -> io::Result<usize> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut line = self.line();
        // Asked before it is sealed: a record that was left out would end the whole stream.
        if line.waiting.len() + length > room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        line.put(parts)?;
        self.flush(&mut line.waiting)?;
        Ok(length)
    }

    /// Writes what the system takes of `waiting`, and leaves the rest to the stream's task.
    fn flush(&self, waiting: &mut VecDeque<u8>) -> io::Result<()> {
        self.write_some(waiting)?;
        if !waiting.is_empty() {
            self.late.notify_one();
        }
        Ok(())
    }

    /// Writes what the system takes of `waiting`.
    fn write_some(&self, waiting: &mut VecDeque<u8>) -> io::Result<()> {
        while !waiting.is_empty() {
            match self.socket.try_write(waiting.as_slices().0) {
                Ok(written) => drop(waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        // Only a client that is behind holds memory.
        *waiting = VecDeque::new();
        Ok(())
    }

    /// Writes whatever waits, until the stream breaks.
    async fn write(&self) {
        loop {
            self.late.notified().await;
            while !self.line().waiting.is_empty() {
                if self.socket.writable().await.is_err() || self.write_some(&mut self.line().waiting).is_err() {
                    return;
                }
            }
        }
    }

    /// Reads once and hands in the frames that are whole. `None` when the stream has ended or can't go on.
    fn read(&self, inbox: &mut Inbox, hand_in: impl FnMut(&[u8])) -> Option<Heard> {
        BUFFERS.with_borrow_mut(|(buffer, plain)| match self.socket.try_read(buffer) {
            Ok(0) => None,
            Ok(length) => self.hear(&buffer[..length], plain, inbox, hand_in),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(Heard { frames: 0, waits: false }),
            Err(_) => None,
        })
    }

    /// Hands in the frames that lie in the TLS of a stream that was taken over, as [`Stream::read`] does.
    fn read_rest(&self, inbox: &mut Inbox, hand_in: impl FnMut(&[u8])) -> Option<Heard> {
        BUFFERS.with_borrow_mut(|(_, plain)| self.hear(&[], plain, inbox, hand_in))
    }

    fn hear(&self, bytes: &[u8], plain: &mut Vec<u8>, inbox: &mut Inbox, hand_in: impl FnMut(&[u8])) -> Option<Heard> {
        let mut line = self.line();
        let Line { waiting, session } = &mut *line;
        let Some(session) = session else {
            drop(line);
            let frames = inbox.take(bytes, hand_in).map_err(|Foreign| ()).ok()?;
            return Some(Heard { frames, waits: inbox.is_waiting() });
        };
        plain.clear();
        let shaking = session.is_handshaking();
        let opened = session.open(bytes, plain, waiting);
        let flushed = self.flush(waiting);
        // What is handed in may be answered to this very stream.
        drop(line);
        let frames = inbox.take(plain, hand_in).map_err(|Foreign| ()).ok()?;
        opened.and(flushed).ok()?;
        // Bytes that say nothing are the beginning of a record.
        let record = !shaking && !bytes.is_empty() && plain.is_empty();
        Some(Heard { frames, waits: record || inbox.is_waiting() })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn put(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let Self { waiting, session } = self;
        match session {
            Some(session) => session.seal(parts, waiting),
            None => {
                parts.iter().for_each(|part| waiting.extend(*part));
                Ok(())
            }
        }
    }
}

impl Edge {
    /// Accepts clients until the program stops; they speak TLS where there is one.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<Arc<ServerConfig>>) {
        loop {
            let accepted = tokio::select! {
                () = self.tasks.stopping() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) => {
                    if let Ok(session) = tls.clone().map(Session::begin).transpose() {
                        self.admit(socket, session);
                    }
                }
                Err(_) => {
                    self.faults.receiving.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Ends what the participant holds, and closes the streams that it held it by.
    pub(in crate::turn) fn revoke(self: &Arc<Self>, participant: ParticipantId) {
        let mut clients = Vec::new();
        self.drive(&[], |core, now| {
            clients.extend(core.traffic().filter(|(_, owner, _)| *owner == participant).map(|(client, ..)| client));
            core.revoke(participant, now);
        });
        let state = self.state();
        clients.iter().filter_map(|client| state.streams.get(client)).for_each(|stream| stream.close());
    }

    /// Listens for clients that speak TLS from the first byte on. Returns where.
    pub(in crate::turn) fn listen_tls(
        self: &Arc<Self>,
        (listen, passed): (&[SocketAddr], &mut Passed),
        config: &Arc<ServerConfig>,
    ) -> io::Result<Vec<SocketAddr>> {
        let listeners = listen::listen_for_tls(listen, passed)?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect();
        for listener in listeners {
            self.tasks.spawn(Arc::clone(self).accept(listener, Some(Arc::clone(config))));
        }
        addresses
    }

    /// Serves a client that has come by TLS to another listener.
    pub(in crate::turn) fn adopt(self: &Arc<Self>, socket: TcpStream, connection: ServerConnection) {
        self.admit(socket, Some(Session::take_over(connection)));
    }

    fn admit(self: &Arc<Self>, socket: TcpStream, session: Option<Session>) {
        // The address itself, not that of a listener on all of them: it is part of what tells two clients apart.
        let (Ok(local), Ok(remote)) = (socket.local_addr(), socket.peer_addr()) else { return };
        let transport = if session.is_some() { Transport::Tls } else { Transport::Tcp };
        let client = ClientSocket { transport, local, remote };
        let stream = Stream::new(socket, session);
        let earlier = {
            let mut state = self.state();
            let State { core, closed, streams, .. } = &mut *state;
            // Dropped at once: that costs less than telling why.
            if *closed || !streams.may_have_more(remote.ip()) {
                return;
            }
            let Ok(oldest) = streams.make_room(|client| core.holds(client)) else { return };
            // Its task takes leave of the core.
            oldest.iter().for_each(|oldest| oldest.close());
            streams.insert(client, Arc::clone(&stream))
        };
        let place = Place { edge: Arc::clone(self), stream, client };
        if let Some(earlier) = earlier {
            // It was reset, and its task doesn't know yet that the same addresses are in use again.
            earlier.close();
            self.drive(&[], |core, _| core.client_gone(client));
        }
        self.tasks.spawn(place.serve());
    }

    /// Hands in all that comes, until the stream ends or has used up our patience.
    async fn read_stream(self: &Arc<Self>, stream: &Stream, client: ClientSocket) {
        let (mut inbox, mut patience) = (Inbox::default(), Patience::new(Tick::now()));
        let mut routes = Routes::default();
        let mut heard = stream.read_rest(&mut inbox, |frame| self.take_frame(client, &mut routes, frame));
        loop {
            // Also what came before a frame that ends the stream.
            self.forward();
            let Some(Heard { frames, waits }) = heard else { return };
            // The system may call a stream readable where nothing is.
            if frames > 0 || waits {
                patience.heard(frames, waits, Tick::now());
            }
            tokio::task::yield_now().await;
            if patience.is_over(Tick::now(), || self.state().core.holds(client)) {
                return;
            }
            // Whoever got an allocation by the last read knows it after that alone.
            if !inbox.takes_long_frames() && self.state().core.holds(client) {
                inbox.take_long_frames();
            }
            let wait = patience.ends().since(Tick::now()) + TIMER_SLACK;
            heard = match tokio::time::timeout(wait, stream.socket.readable()).await {
                Err(_) => Some(Heard { frames: 0, waits: false }),
                Ok(Err(_)) => None,
                Ok(Ok(())) => stream.read(&mut inbox, |frame| self.take_frame(client, &mut routes, frame)),
            };
        }
    }
}

/// A stream's place among the others, which it leaves when this is dropped, even if a task panics.
struct Place {
    edge: Arc<Edge>,
    stream: Arc<Stream>,
    client: ClientSocket,
}

impl Place {
    async fn serve(self) {
        let Self { edge, stream, client } = &self;
        tokio::select! {
            () = edge.tasks.stopping() => {}
            () = stream.closing.cancelled() => {}
            () = edge.read_stream(stream, *client) => {}
            () = stream.write() => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let own = self.edge.state().streams.remove(self.client, &self.stream);
        if own {
            let leave = || self.edge.drive(&[], |core, _| core.client_gone(self.client));
            // Two panics at once would end the program. The second one is reported like any other.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(leave));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::lifecycle::Tasks;
    use crate::turn::{Relay, Settings};

    #[test]
    fn a_stream_whose_task_panics_leaves_no_trace() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Whoever reads a stream on this thread panics, because the buffers are taken.
        BUFFERS.with_borrow_mut(|_| runtime.block_on(panic_in_a_stream()));
    }

    async fn panic_in_a_stream() {
        let tasks = Tasks::new();
        let relay = Relay::start(Settings::on_loopback(), &tasks).await.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, remote) = listener.accept().await.unwrap();
        let client = ClientSocket { transport: Transport::Tcp, local: listener.local_addr().unwrap(), remote };
        relay.edge.admit(socket, None);
        assert!(relay.edge.state().streams.get(&client).is_some());
        let gone = async {
            while relay.edge.state().streams.get(&client).is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("its place is still taken");
        assert!(tasks.stop(std::future::pending()).await);
    }
}
