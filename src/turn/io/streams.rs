//! Clients that come by TCP (RFC 8656 §3.1): accepting them, reading what they say, and writing without ever waiting for one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::framing::{Foreign, Inbox};
use super::patience::Patience;
use super::{Edge, State, TIMER_SLACK};
use crate::clock::Tick;
use crate::ids::ParticipantId;
use crate::turn::rate::network;
use crate::turn::server::{ClientSocket, Transport};

/// How many streams there may be in all, and from one IPv4 address or IPv6 /64.
const MAX_STREAMS: usize = 2000;
const MAX_STREAMS_PER_SOURCE: usize = 64;

/// Pause after the system refuses to accept, so that a full descriptor table doesn't spin the loop (attack D6).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many bytes may wait for a client that reads slowly. Above, data for it are dropped, as a full line in a network does.
const MAX_WAITING: usize = 1 << 17;

/// How many more may wait when they are messages, which are never dropped. A client that lets even these pile up is cut off.
const MAX_WAITING_WITH_MESSAGES: usize = MAX_WAITING + (1 << 14);

/// How much the kernel may queue for one client: what is late by more than that is of no use in a call.
const SEND_BUFFER_BYTES: usize = 1 << 17;

/// How much of one stream is read before others have their turn.
const READ_BYTES: usize = 1 << 14;

thread_local! {
    /// Where streams are read into, so that an idle one holds no buffer.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// One client's stream, and what waits to be written to it.
pub(super) struct Stream {
    socket: TcpStream,
    waiting: Mutex<VecDeque<u8>>,
    /// Something waits.
    late: Notify,
    closing: CancellationToken,
}

impl Stream {
    fn new(socket: TcpStream) -> Arc<Self> {
        let options = SockRef::from(&socket);
        // Some systems refuse; the stream then works as it is.
        let _ = options.set_tcp_nodelay(true);
        let _ = options.set_send_buffer_size(SEND_BUFFER_BYTES);
        let (waiting, late, closing) = (Mutex::default(), Notify::new(), CancellationToken::new());
        Arc::new(Self { socket, waiting, late, closing })
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

    /// Closes it as soon as its task gets to run.
    pub(super) fn close(&self) {
        self.closing.cancel();
    }

    fn send(&self, parts: &[&[u8]], room: usize) -> io::Result<usize> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let mut waiting = self.waiting();
        if waiting.len() + length > room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        parts.iter().for_each(|part| waiting.extend(*part));
        self.write_some(&mut waiting)?;
        if !waiting.is_empty() {
            self.late.notify_one();
        }
        Ok(length)
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
            while !self.waiting().is_empty() {
                if self.socket.writable().await.is_err() || self.write_some(&mut self.waiting()).is_err() {
                    return;
                }
            }
        }
    }

    /// Reads once and hands in the frames that are whole. `None` when the stream has ended or can't go on.
    fn read(&self, inbox: &mut Inbox, hand_in: impl FnMut(&[u8])) -> Option<usize> {
        BUFFER.with_borrow_mut(|buffer| match self.socket.try_read(buffer) {
            Ok(0) => None,
            Ok(length) => inbox.take(&buffer[..length], hand_in).map_err(|Foreign| ()).ok(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Edge {
    /// Accepts clients until the program stops.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                () = self.tasks.stopping() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, remote)) => self.admit(socket, remote),
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

    fn admit(self: &Arc<Self>, socket: TcpStream, remote: SocketAddr) {
        // The address itself, not that of a listener on all of them: it is part of what tells two clients apart.
        let Ok(local) = socket.local_addr() else { return };
        let client = ClientSocket { transport: Transport::Tcp, local, remote };
        let stream = Stream::new(socket);
        let earlier = {
            let mut state = self.state();
            // Dropped at once: that costs less than telling why.
            if state.closed || !state.has_room_for(remote.ip()) {
                return;
            }
            state.streams.insert(client, Arc::clone(&stream))
        };
        if let Some(earlier) = earlier {
            // It was reset, and its task doesn't know yet that the same addresses are in use again.
            earlier.close();
            self.drive(&[], |core, _| core.client_gone(client));
        }
        self.tasks.spawn(Arc::clone(self).serve_stream(stream, client));
    }

    async fn serve_stream(self: Arc<Self>, stream: Arc<Stream>, client: ClientSocket) {
        tokio::select! {
            () = self.tasks.stopping() => {}
            () = stream.closing.cancelled() => {}
            () = self.read_stream(&stream, client) => {}
            () = stream.write() => {}
        }
        let own = {
            let mut state = self.state();
            let own = state.streams.get(&client).is_some_and(|current| Arc::ptr_eq(current, &stream));
            own.then(|| state.streams.remove(&client)).is_some()
        };
        if own {
            self.drive(&[], |core, _| core.client_gone(client));
        }
    }

    /// Hands in all that comes, until the stream ends or has used up our patience.
    async fn read_stream(self: &Arc<Self>, stream: &Stream, client: ClientSocket) {
        let (mut inbox, mut patience) = (Inbox::default(), Patience::new(Tick::now()));
        loop {
            let now = Tick::now();
            if patience.is_over(now, || self.state().core.holds(client)) {
                return;
            }
            let wait = patience.ends().since(now) + TIMER_SLACK;
            match tokio::time::timeout(wait, stream.socket.readable()).await {
                Err(_) => continue,
                Ok(Err(_)) => return,
                Ok(Ok(())) => {}
            }
            let hand_in = |frame: &[u8]| self.drive(frame, |core, now| core.handle_datagram(client, frame, now));
            let Some(frames) = stream.read(&mut inbox, hand_in) else { return };
            // The system may call a stream readable where nothing is.
            if frames > 0 || inbox.is_waiting() {
                patience.heard(frames, inbox.is_waiting(), Tick::now());
            }
            tokio::task::yield_now().await;
        }
    }
}

impl State {
    fn has_room_for(&self, source: IpAddr) -> bool {
        let source = network(source);
        let neighbours = self.streams.keys().filter(|client| network(client.remote.ip()) == source).count();
        self.streams.len() < MAX_STREAMS && neighbours < MAX_STREAMS_PER_SOURCE
    }
}
