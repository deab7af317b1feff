//! Ways that packets take without the core.

use stun::message::METHOD_REFRESH;

use super::super::{Destination, Passage, PeerSocket, Route};
use super::scenario::*;

fn outward(site: &Site, person: &Person) -> Option<Route> {
    site.server.outward_route(person.client, 0x4000, site.now)
}

#[test]
fn a_channel_has_a_way_out_and_its_peer_a_way_in() {
    let mut site = Site::new();
    let (person, relay, _) = site.allocated(1);
    assert!(outward(&site, &person).is_none());
    site.bind(&person, 0x4000, PEER);
    let peer = PeerSocket(address(PEER));
    assert_eq!(outward(&site, &person).unwrap().to, Destination::Peer { relay, peer });
    let inward = site.server.inward_route(relay, peer, site.now).unwrap();
    assert_eq!(inward.to, Destination::Client { client: person.client, channel: 0x4000 });
    assert!(site.server.inward_route(relay, PeerSocket(address("9.9.9.9:5001")), site.now).is_none(), "no channel");
}

#[test]
fn two_relayed_clients_have_a_way_to_each_other() {
    let mut site = Site::new();
    let ((one, _, at_one), (two, _, at_two)) = (site.allocated(1), site.allocated(2));
    site.bind(&one, 0x4000, &at_two.to_string());
    assert!(outward(&site, &one).is_none(), "the other one has not bound a channel");
    site.bind(&two, 0x4007, &at_one.to_string());
    let route = outward(&site, &one).unwrap();
    assert_eq!(route.to, Destination::Client { client: two.client, channel: 0x4007 });
    assert_eq!(route.admit(3, 600, site.now.tick), Passage::Free);
    let moved = |person: &Person| site.server.traffic().find(|(client, ..)| *client == person.client).unwrap().2;
    assert_eq!((moved(&one).packets_out, moved(&one).bytes_out), (3, 600));
    assert_eq!((moved(&two).packets_in, moved(&two).bytes_in), (3, 600));
    site.server.client_gone(two.client);
    assert_eq!(route.admit(1, 200, site.now.tick), Passage::Over);
    assert_eq!(site.server.counters().packets_out, 3, "what has ended still counts");
}

#[test]
fn a_way_ends_with_what_it_leads_through() {
    type Ending = fn(&mut Site, &Person);
    let endings: [(&str, Ending); 6] = [
        ("the permission", |site, _| drop(site.seconds(300))),
        ("the timer is late", |site, _| site.oversleep(300)),
        ("revoked", |site, person| site.server.revoke(person.participant, site.now)),
        ("refreshed to end", |site, person| drop(site.ask(person, METHOD_REFRESH, vec![lifetime(0)]))),
        ("closed", |site, _| site.server.close()),
        ("an address of this machine now", |site, _| {
            site.server.set_local_addresses([address(PEER).ip()].into());
        }),
    ];
    for (what, end) in endings {
        let mut site = Site::new();
        let (person, ..) = site.allocated(1);
        site.bind(&person, 0x4000, PEER);
        let route = outward(&site, &person).unwrap();
        assert_eq!(route.admit(1, 100, site.now.tick), Passage::Free, "{what}");
        end(&mut site, &person);
        assert_eq!(route.admit(1, 100, site.now.tick), Passage::Over, "{what}");
        assert!(outward(&site, &person).is_none(), "{what}");
    }
}

#[test]
fn t28_who_has_used_up_its_share_is_throttled_on_its_way() {
    let mut site = Site::with(|config| {
        config.limits.bytes_per_second = 1000;
        config.limits.bytes_per_second_in_all = Some(1500);
    });
    let ((one, ..), (two, ..)) = (site.allocated(1), site.allocated(2));
    site.bind(&one, 0x4000, PEER);
    site.bind(&two, 0x4000, PEER);
    let (first, second) = (outward(&site, &one).unwrap(), outward(&site, &two).unwrap());
    assert_eq!(first.admit(1, 1000, site.now.tick), Passage::Free);
    assert_eq!(first.admit(2, 400, site.now.tick), Passage::Crowded, "together they are too much");
    assert_eq!(first.admit(1, 200, site.now.tick), Passage::Throttled, "its own share");
    assert_eq!(second.admit(1, 501, site.now.tick), Passage::Throttled, "the relay's");
    assert_eq!(site.server.counters().throttled, 2);
    assert_eq!(second.admit(1, 500, site.now.tick), Passage::Free, "what was refused was not charged");
    site.oversleep(1);
    assert_eq!(first.admit(1, 900, site.now.tick), Passage::Free);
}
