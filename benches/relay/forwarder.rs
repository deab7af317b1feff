//! The floor: a program that forwards datagrams and does nothing else. No relay with the same sockets can cost less for long.
//!
//! It speaks no TURN. A client asks with one byte for a leg (a socket of its own to the other side), gets back the leg's port, and
//! names the peer. After that, what it sends goes to the peer as it came, and back.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::datagrams::{Datagrams, Gait, Inbox, Run};
use crate::readiness::Readiness;
use crate::report;

/// What opens a leg. No ChannelData begins like that.
pub const OPEN: u8 = 0;
/// What names the peer; its port follows in network order.
pub const PEER: u8 = 1;

/// How often a socket is read before the others have their turn.
const TURN: usize = 8;

struct Leg {
    socket: Datagrams,
    client: SocketAddr,
    peer: Option<SocketAddr>,
}

struct Forwarder {
    gait: Gait,
    listener: Datagrams,
    legs: Vec<Leg>,
    by_client: HashMap<SocketAddr, usize>,
}

/// Forwards until it is killed. The first line it prints is its port.
pub fn run(gait: Gait) -> Result<Infallible> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let listener = Datagrams::bind(gait)?;
    report::line(&listener.address()?.port().to_string());
    let mut readiness = Readiness::new()?;
    readiness.add(&listener, 0)?;
    let mut forwarder = Forwarder { gait, listener, legs: Vec::new(), by_client: HashMap::new() };
    let (mut inbox, mut ready) = (Inbox::new(), Vec::new());
    loop {
        ready.clear();
        ready.extend(readiness.wait(None)?);
        for &number in &ready {
            match number.checked_sub(1) {
                None => forwarder.read_clients(&mut inbox, &readiness)?,
                Some(leg) => forwarder.read_leg(leg, &mut inbox),
            }
        }
    }
}

impl Forwarder {
    fn read_clients(&mut self, inbox: &mut Inbox, readiness: &Readiness) -> Result<()> {
        for _ in 0..TURN {
            let mut orders = Vec::new();
            let read = self.listener.receive(inbox, |run| match run.bytes.first() {
                None => {}
                Some(&(OPEN | PEER)) => orders.push((run.source, run.bytes.to_vec())),
                Some(_) => self.forward(&run),
            });
            for (client, order) in orders {
                self.obey(client, &order, readiness)?;
            }
            if read.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn forward(&self, run: &Run) {
        let Some(leg) = self.by_client.get(&run.source).map(|&number| &self.legs[number]) else { return };
        if let Some(peer) = leg.peer {
            // What can't be sent is lost, as on any network; the generator counts it.
            let _ = leg.socket.send(peer, run.bytes, run.size);
        }
    }

    fn read_leg(&self, leg: usize, inbox: &mut Inbox) {
        let leg = &self.legs[leg];
        for _ in 0..TURN {
            let read = leg.socket.receive(inbox, |run| {
                let _ = self.listener.send(leg.client, run.bytes, run.size);
            });
            if read.is_err() {
                break;
            }
        }
    }

    fn obey(&mut self, client: SocketAddr, order: &[u8], readiness: &Readiness) -> Result<()> {
        let number = match self.by_client.get(&client) {
            Some(&number) => number,
            None => self.open(client, readiness)?,
        };
        let leg = &mut self.legs[number];
        if let [PEER, high, low] = *order {
            leg.peer = Some((Ipv4Addr::LOCALHOST, u16::from_be_bytes([high, low])).into());
        }
        let [high, low] = leg.socket.address()?.port().to_be_bytes();
        self.listener.send(client, &[order[0], high, low], 3).context("the listener can't answer")
    }

    fn open(&mut self, client: SocketAddr, readiness: &Readiness) -> Result<usize> {
        let number = self.legs.len();
        let socket = Datagrams::bind(self.gait)?;
        readiness.add(&socket, number + 1)?;
        self.legs.push(Leg { socket, client, peer: None });
        self.by_client.insert(client, number);
        Ok(number)
    }
}
