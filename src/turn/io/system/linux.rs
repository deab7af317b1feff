//! Many datagrams with one call: `recvmmsg` and `sendmmsg`, with trains in both directions (UDP GRO and GSO, udp(7)).
#![expect(unsafe_code, reason = "these calls take pointers, and nothing safe offers them with gathered trains")]

use std::io::{self, IoSlice};
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::LazyLock;

use libc::{c_int, c_void, cmsghdr, iovec, mmsghdr, msghdr, socklen_t};
use socket2::{SockAddr, SockAddrStorage};

use super::{Arrival, MOST_ARRIVALS, MOST_BYTES, SLOT_BYTES, SLOTS, Train, send_apart};

/// Up to this length an arrival is moved rather than left where the next one could come in.
const SMALL: usize = 1 << 13;

const CACHE_LINE: usize = 64;

/// Room for a size and an address beside a datagram, aligned as control messages must be.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; 96]);

const NO_CONTROL: Control = Control([0; 96]);

/// Whether [`send_whole`] does what it says.
pub(in crate::turn) const KEEPS_WHOLE: bool = true;

/// Makes a socket ready for [`Receiver`] and [`Sender`]: trains are handed over whole, and a socket that is bound to all addresses
/// tells which one each datagram was sent to. A kernel that refuses the first hands datagrams over one by one.
pub(in crate::turn::io) fn prepare(socket: &UdpSocket) {
    let _ = set(socket, libc::SOL_UDP, libc::UDP_GRO, 1);
    match socket.local_addr().map(|local| local.ip()) {
        Ok(IpAddr::V4(local)) if local.is_unspecified() => drop(set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)),
        Ok(IpAddr::V6(local)) if local.is_unspecified() => drop(set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)),
        Ok(IpAddr::V4(_) | IpAddr::V6(_)) | Err(_) => {}
    }
}

fn set(socket: &UdpSocket, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the value is an int that outlives the call, and its size is that of an int.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, ptr::from_ref(&value).cast(), length_of::<c_int>()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where arrivals are kept until they are dealt with.
pub(in crate::turn::io) struct Receiver {
    bytes: Box<[u8]>,
    names: Box<[SockAddrStorage]>,
    controls: Box<[Control]>,
    arrivals: Vec<Arrival>,
    /// How many bytes of the kept ones there are, in front of the slots.
    used: usize,
    /// Something is kept in its slot.
    slots_taken: bool,
}

impl Receiver {
    pub(in crate::turn::io) fn new() -> Self {
        Self {
            // Zeroed pages that nobody has touched cost nothing.
            bytes: vec![0; MOST_BYTES + SLOTS * SLOT_BYTES].into_boxed_slice(),
            names: std::iter::repeat_with(SockAddrStorage::zeroed).take(SLOTS).collect(),
            controls: vec![NO_CONTROL; SLOTS].into_boxed_slice(),
            arrivals: Vec::new(),
            used: 0,
            slots_taken: false,
        }
    }

    /// Adds some arrivals to those that are kept, as long as there is room. True when there were no more.
    ///
    /// # Errors
    /// When the system refuses to give any.
    pub(in crate::turn::io) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        if self.is_full() {
            return Ok(false);
        }
        let room = SLOTS.min(MOST_ARRIVALS - self.arrivals.len());
        let mut vectors = [const { MaybeUninit::<iovec>::uninit() }; SLOTS];
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; SLOTS];
        let slots = self.bytes[MOST_BYTES..].chunks_exact_mut(SLOT_BYTES).zip(&mut self.names);
        for (((slot, name), control), (vector, header)) in
            slots.zip(&mut self.controls).take(room).zip(vectors.iter_mut().zip(&mut headers))
        {
            let vector = vector.write(iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() });
            let mut message = no_message();
            message.msg_name = ptr::from_mut(name).cast();
            message.msg_namelen = length_of::<SockAddrStorage>();
            message.msg_iov = vector;
            message.msg_iovlen = 1;
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = control.0.len() as _;
            header.write(mmsghdr { msg_hdr: message, msg_len: 0 });
        }
        // SAFETY: the first `room` headers are written, and all that they point to (a slot, a name, a control, a vector each)
        // outlives the call, has the lengths that stand beside it, and is borrowed by nobody else.
        let received = unsafe {
            let count = u32::try_from(room).expect("there are few slots");
            libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT as _, ptr::null_mut())
        };
        let Ok(received) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(true) } else { Err(error) };
        };
        for (offset, header) in headers[..received].iter().enumerate() {
            // SAFETY: the kernel has filled in as many headers as it said, names and controls included.
            let arrival = unsafe { arrival(header.assume_init_ref(), MOST_BYTES + offset * SLOT_BYTES) };
            self.keep(arrival);
        }
        Ok(received < room)
    }

    /// Keeps an arrival: a small one with the others, so that its slot can be used again, and a large one where it lies.
    fn keep(&mut self, mut arrival: Arrival) {
        let length = arrival.range.len();
        if length <= SMALL && self.used + length <= MOST_BYTES {
            self.bytes.copy_within(arrival.range, self.used);
            arrival.range = self.used..self.used + length;
            self.used = arrival.range.end.next_multiple_of(CACHE_LINE);
        } else {
            self.slots_taken = true;
        }
        self.arrivals.push(arrival);
    }

    /// Whether what is kept must be dealt with before there is room for more.
    pub(in crate::turn::io) fn is_full(&self) -> bool {
        self.arrivals.len() == MOST_ARRIVALS || self.slots_taken
    }

    /// Forgets what is kept.
    pub(in crate::turn::io) fn clear(&mut self) {
        self.arrivals.clear();
        self.used = 0;
        self.slots_taken = false;
    }

    /// What is kept.
    pub(in crate::turn::io) fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// What the arrivals are ranges of.
    pub(in crate::turn::io) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads what the kernel wrote about a datagram or a train of them.
///
/// # Safety
/// The header must come from a `recvmmsg` that has filled it in, and what it points to must be alive.
unsafe fn arrival(header: &mmsghdr, start: usize) -> Arrival {
    let message = &header.msg_hdr;
    let length = header.msg_len as usize;
    // SAFETY: the name is a `SockAddrStorage` of ours, in which the kernel has written `msg_namelen` bytes.
    let source = unsafe { SockAddr::new(message.msg_name.cast::<SockAddrStorage>().read(), message.msg_namelen) };
    let (mut segment, mut local) = (length, None);
    // SAFETY: the header's control length is the kernel's; the macros stay within it.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !control.is_null() {
        // SAFETY: a non-null control message of the kernel's is whole, and its data are of the type that goes with its level and
        // type (udp(7), ip(7), ipv6(7)); they may lie anywhere.
        unsafe {
            let data = libc::CMSG_DATA(control);
            match ((*control).cmsg_level, (*control).cmsg_type) {
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    segment = usize::try_from(data.cast::<c_int>().read_unaligned()).unwrap_or(length);
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    local = Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes()));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    local = Some(IpAddr::from(info.ipi6_addr.s6_addr));
                }
                _ => {}
            }
            control = libc::CMSG_NXTHDR(message, control);
        }
    }
    // Slots are larger than any datagram, so that nothing is cut; a source that is no address has no port that anybody answers.
    let source = source.as_socket().unwrap_or_else(|| SocketAddr::from(([0; 4], 0)));
    Arrival { source, local, range: start..start + length, segment }
}

/// Whether the kernel takes trains. One that doesn't know them (before 4.18) would send each as one long datagram, without an error.
static TAKES_TRAINS: LazyLock<bool> = LazyLock::new(|| {
    // The size 0 is what every socket has.
    let known = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|probe| set(&probe, libc::SOL_UDP, libc::UDP_SEGMENT, 0));
    if let Err(error) = &known {
        tracing::info!(%error, "this kernel sends datagrams one by one; a newer one makes the relay several times as fast");
    }
    known.is_ok()
});

/// Sends trains.
#[derive(Default)]
pub(in crate::turn::io) struct Sender {
    vectors: Vec<iovec>,
    names: Vec<SockAddr>,
    controls: Vec<Control>,
    headers: Vec<mmsghdr>,
}

// SAFETY: the pointers are used only within `send`, which writes each of them anew before.
unsafe impl Send for Sender {}

impl Sender {
    /// Sends the datagrams of `trains`, whose payloads are ranges of `bytes`. Returns how many the system refused.
    pub(in crate::turn::io) fn send(&mut self, socket: &UdpSocket, trains: &[Train], bytes: &[u8]) -> usize {
        if !*TAKES_TRAINS {
            return trains.iter().map(|train| send_apart(socket, train, bytes)).sum();
        }
        self.load(trains, bytes);
        let (mut sent, mut refused) = (0, 0);
        while let Some(rest) = self.headers.get_mut(sent..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the headers point into the vectors, names and controls of `self`, into `trains` and into `bytes`, all of
            // which are borrowed for longer than the call and were not changed since `load`.
            let done = unsafe {
                let count = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), count, libc::MSG_DONTWAIT as _)
            };
            if let Ok(done) = usize::try_from(done) {
                sent += done;
                continue;
            }
            let error = io::Error::last_os_error();
            let Some(train) = trains.get(sent) else { break };
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                // There is no room for more: what is left is lost, as it is in networks.
                Some(libc::EAGAIN) => {
                    refused += trains[sent..].iter().map(|train| train.parts.len()).sum::<usize>();
                    break;
                }
                _ if train.parts.len() == 1 => refused += 1,
                // The device on this way can't cut trains up (EIO), or the datagrams are too large for that (EINVAL).
                _ => refused += send_apart(socket, train, bytes),
            }
            sent += 1;
        }
        self.headers.clear();
        refused
    }

    /// Writes down one header for each train.
    fn load(&mut self, trains: &[Train], bytes: &[u8]) {
        self.vectors.clear();
        self.names.clear();
        self.controls.clear();
        self.headers.clear();
        for train in trains {
            self.names.push(train.to.into());
            self.controls.push(NO_CONTROL);
            for part in &train.parts {
                self.vectors.extend(part.head.as_ref().map(|head| vector(head)));
                self.vectors.push(vector(&bytes[part.payload.clone()]));
            }
        }
        // Only now, when nothing is moved any more by what is pushed.
        let mut vectors = &mut self.vectors[..];
        for ((train, name), control) in trains.iter().zip(&self.names).zip(&mut self.controls) {
            let count = train.parts.iter().map(|part| 1 + usize::from(part.head.is_some())).sum();
            let (own, others) = std::mem::take(&mut vectors).split_at_mut(count);
            vectors = others;
            let segment = (train.parts.len() > 1).then_some(train.segment);
            self.headers.push(mmsghdr { msg_hdr: message(name, train.from, own, segment, control), msg_len: 0 });
        }
    }
}

/// Sends one datagram.
///
/// # Errors
/// The system's, for example when it has no room for more.
pub(in crate::turn::io) fn send_one(
    socket: &UdpSocket,
    to: SocketAddr,
    from: Option<IpAddr>,
    parts: &[IoSlice<'_>],
) -> io::Result<()> {
    let (name, mut control) = (SockAddr::from(to), NO_CONTROL);
    let mut vectors = [vector(&[]); 3];
    vectors.iter_mut().zip(parts).for_each(|(slot, part)| *slot = vector(part));
    let message = message(&name, from, &mut vectors[..parts.len().min(3)], None, &mut control);
    // SAFETY: all that the message points to is borrowed for longer than the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sends one datagram that no one on its way may cut into fragments. What is sent from the same socket at the same moment may fare
/// likewise: the option is the socket's (ip(7), ipv6(7)).
///
/// # Errors
/// The system's, also when the datagram is too large to go whole.
pub(in crate::turn::io) fn send_whole(socket: &UdpSocket, to: SocketAddr, payload: &[u8]) -> io::Result<()> {
    let (level, option, always, wanted) = match to {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DO, libc::IP_PMTUDISC_WANT),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DO, libc::IPV6_PMTUDISC_WANT),
    };
    set(socket, level, option, always)?;
    let sent = send_one(socket, to, None, &[IoSlice::new(payload)]);
    set(socket, level, option, wanted)?;
    sent
}

/// A message to `name`, sent from the address `from` and cut up into datagrams of `segment` bytes where these are said.
fn message(
    name: &SockAddr,
    from: Option<IpAddr>,
    vectors: &mut [iovec],
    segment: Option<usize>,
    control: &mut Control,
) -> msghdr {
    let mut message = no_message();
    message.msg_name = name.as_ptr().cast_mut().cast();
    message.msg_namelen = name.len();
    message.msg_iov = vectors.as_mut_ptr();
    message.msg_iovlen = vectors.len() as _;
    let mut writer = Controls { control, length: 0 };
    if let Some(segment) = segment.and_then(|segment| u16::try_from(segment).ok()) {
        writer.push(libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    match from {
        Some(IpAddr::V4(from)) => {
            let address = |address: [u8; 4]| libc::in_addr { s_addr: u32::from_ne_bytes(address) };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address(from.octets()), ipi_addr: address([0; 4]) };
            writer.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(from)) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: from.octets() }, ipi6_ifindex: 0 };
            writer.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    let length = writer.length;
    if length > 0 {
        message.msg_controllen = length as _;
        message.msg_control = control.0.as_mut_ptr().cast();
    }
    message
}

/// Writes control messages one behind the other.
struct Controls<'a> {
    control: &'a mut Control,
    length: usize,
}

impl Controls<'_> {
    fn push<T: Copy>(&mut self, level: c_int, kind: c_int, value: T) {
        let size = u32::try_from(size_of::<T>()).expect("control messages are small");
        // SAFETY: these only calculate.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size) as usize) };
        assert!(self.length + space <= self.control.0.len(), "there is room for a size and an address");
        let header = self.control.0[self.length..].as_mut_ptr().cast::<cmsghdr>();
        // SAFETY: header and value lie within the control, as was asserted; the start is aligned, because the control is and each
        // length that was added to it is a multiple of a header's alignment.
        unsafe {
            // Some C libraries have private fields for padding.
            let mut written: cmsghdr = std::mem::zeroed();
            (written.cmsg_len, written.cmsg_level, written.cmsg_type) = (length as _, level, kind);
            header.write(written);
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
        }
        self.length += space;
    }
}

fn vector(bytes: &[u8]) -> iovec {
    iovec { iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(), iov_len: bytes.len() }
}

fn no_message() -> msghdr {
    // SAFETY: all fields are integers and pointers, for which zero is a value. It is not written out because some C libraries have
    // private fields for padding.
    unsafe { std::mem::zeroed() }
}

fn length_of<T>() -> socklen_t {
    socklen_t::try_from(size_of::<T>()).expect("addresses and options are small")
}
