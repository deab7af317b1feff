//! A UDP socket on loopback that moves datagrams in runs, or one at a time.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

/// Room for one run, as long as a run can be.
const RUN_BYTES: usize = 65_536;

/// Wide, so that a saturated server is what loses datagrams, if anything.
const BUFFER_BYTES: usize = 2 << 20;

/// How many datagrams one system call may move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gait {
    OneAtATime,
    /// Several messages a call (`recvmmsg`), each a run of datagrams of one size (GRO and GSO).
    Batches,
}

/// Datagrams of one size and one source; the last may be shorter.
pub struct Run<'a> {
    pub bytes: &'a [u8],
    /// How long each is.
    pub size: usize,
    pub source: SocketAddr,
}

impl Run<'_> {
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.size.max(1))
    }
}

/// Where runs are read into. One serves many sockets.
pub struct Inbox(Vec<u8>);

impl Inbox {
    pub fn new() -> Self {
        Self(vec![0; RUN_BYTES * BATCH_SIZE])
    }
}

pub struct Datagrams {
    socket: UdpSocket,
    /// Only a socket that moves batches has it.
    batches: Option<UdpSocketState>,
}

impl Datagrams {
    pub fn bind(gait: Gait) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let options = socket2::SockRef::from(&socket);
        options.set_recv_buffer_size(BUFFER_BYTES)?;
        options.set_send_buffer_size(BUFFER_BYTES)?;
        let batches = match gait {
            Gait::OneAtATime => None,
            Gait::Batches => Some(UdpSocketState::new((&socket).into())?),
        };
        Ok(Self { socket, batches })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends datagrams of `size` bytes each that stand in `bytes` one behind the other.
    ///
    /// # Errors
    /// `WouldBlock` when the socket's buffer is full, and what else the system says.
    pub fn send(&self, to: SocketAddr, bytes: &[u8], size: usize) -> io::Result<()> {
        let Some(batches) = &self.batches else {
            return bytes.chunks(size).try_for_each(|datagram| self.socket.send_to(datagram, to).map(drop));
        };
        let most = batches.max_gso_segments().min(RUN_BYTES / size - 1).max(1);
        bytes.chunks(most * size).try_for_each(|run| {
            let segment_size = (run.len() > size).then_some(size);
            let transmit = Transmit { destination: to, ecn: None, contents: run, segment_size, src_ip: None };
            batches.try_send((&self.socket).into(), &transmit)
        })
    }

    /// Hands over what one call to the system reads.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing, and what else the system says.
    pub fn receive(&self, inbox: &mut Inbox, mut each: impl FnMut(Run)) -> io::Result<()> {
        let Some(batches) = &self.batches else {
            let (length, source) = self.socket.recv_from(&mut inbox.0[..RUN_BYTES])?;
            each(Run { bytes: &inbox.0[..length], size: length, source });
            return Ok(());
        };
        let mut meta = [RecvMeta::default(); BATCH_SIZE];
        let mut rooms = inbox.0.chunks_exact_mut(RUN_BYTES);
        let mut rooms: [_; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().expect("the inbox has room for a whole batch")));
        let count = batches.recv((&self.socket).into(), &mut rooms, &mut meta)?;
        for (room, meta) in rooms.iter().zip(&meta).take(count) {
            each(Run { bytes: &room[..meta.len], size: meta.stride, source: meta.addr });
        }
        Ok(())
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
