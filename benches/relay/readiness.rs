//! Which of many sockets have something to read.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::Result;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// How many sockets one look may return.
const AT_ONCE: usize = 256;

/// A set of sockets, each with a number of the caller's choice.
pub struct Readiness {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Readiness {
    pub fn new() -> Result<Self> {
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(AT_ONCE) })
    }

    pub fn add(&self, socket: impl AsFd, number: usize) -> Result<()> {
        Ok(epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// The numbers of the sockets that can be read, waiting at most `patience` for the first; without one, for as long as it takes.
    pub fn wait(&mut self, patience: Option<Duration>) -> Result<impl Iterator<Item = usize>> {
        let patience = patience
            .map(|patience| Timespec { tv_sec: patience.as_secs().cast_signed(), tv_nsec: patience.subsec_nanos().into() });
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.events.iter().map(|event| usize::try_from(event.data.u64()).expect("numbers are given as usize")))
    }
}
