//! Ways that were asked for at some time and are still kept, as those do who move packets without asking about each.

use std::collections::BTreeMap;

use hearth::clock::Now;
use hearth::turn::server::{ClientSocket, Destination, Output, PeerSocket, RelayId, Route, Server};

/// Where packets come in that may know their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entrance {
    Channel(ClientSocket, u16),
    Relay(RelayId, PeerSocket),
}

#[derive(Default)]
pub struct Ways(BTreeMap<Entrance, Route>);

impl Ways {
    /// A way that is kept leads where the core has sent this packet, and nowhere when the core has dropped it; unless it was
    /// `throttled`, which the way would have found out as well.
    pub fn check(&mut self, entrance: Entrance, server: &Server, outputs: &[Output], throttled: bool, now: Now) {
        let kept = self.0.get(&entrance).filter(|route| route.holds(now.tick));
        let goes = outputs.first().and_then(destination);
        assert!(throttled || kept.is_none_or(|route| Some(route.to) == goes), "{kept:?}, but {outputs:?}");
        let route = match entrance {
            Entrance::Channel(client, number) => server.outward_route(client, number, now),
            Entrance::Relay(relay, peer) => server.inward_route(relay, peer, now),
        };
        assert!(throttled || route.as_ref().map(|route| route.to) == goes, "{route:?}, but {outputs:?}");
        // An earlier way that still holds is kept: the longer it is, the more it must live through.
        if kept.is_none() {
            self.0.remove(&entrance);
            self.0.extend(route.map(|route| (entrance, route)));
        }
    }
}

/// Where a payload goes that a way may lead to: to peers, and to clients by a channel.
fn destination(output: &Output) -> Option<Destination> {
    if let Output::ToPeer { relay, peer, .. } = output {
        return Some(Destination::Peer { relay: *relay, peer: *peer });
    }
    let Output::ToClient { client, head, .. } = output else { return None };
    let &[n0, n1, _, _] = head.as_bytes() else { return None };
    Some(Destination::Client { client: *client, channel: u16::from_be_bytes([n0, n1]) })
}
