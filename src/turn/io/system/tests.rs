use std::io::IoSlice;
use std::net::UdpSocket;

use super::*;

fn pair() -> (UdpSocket, UdpSocket) {
    let socket = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    (socket(), socket())
}

fn train(to: &UdpSocket, sizes: &[usize], head: Option<[u8; 4]>) -> Train {
    let mut start = 0;
    let part = |size: &usize| {
        start += size;
        Part { head, payload: start - size..start }
    };
    let parts: Vec<Part> = sizes.iter().map(part).collect();
    Train { to: to.local_addr().unwrap(), from: None, segment: parts[0].length(), parts }
}

/// The datagrams that the arrivals consist of.
fn datagrams(arrivals: &[Arrival], bytes: &[u8]) -> Vec<Vec<u8>> {
    arrivals.iter().flat_map(Arrival::datagrams).map(|range| bytes[range].to_vec()).collect()
}

/// Sends the same with both implementations, and reads it with both.
#[test]
fn trains_arrive_as_the_same_datagrams_however_they_are_sent_and_read() {
    let bytes: Vec<u8> = (0..60_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for sizes in [&[100_usize, 100, 100, 40][..], &[1200; 50], &[0], &[65_000 - 5_000], &[1]] {
        for head in [None, Some([0x40, 0x00, 1, 2])] {
            let (from, to) = pair();
            prepare(&to);
            let train = [train(&to, sizes, head)];
            let expected: Vec<Vec<u8>> =
                train[0].parts.iter().map(|part| [part.head(), &bytes[part.payload.clone()]].concat()).collect();
            assert_eq!(Sender::default().send(&from, &train, &bytes), 0, "{sizes:?}");
            let mut receiver = Receiver::new();
            assert!(receiver.receive(&to).unwrap(), "more than there is room for");
            assert_eq!(datagrams(receiver.arrivals(), receiver.bytes()), expected);
            assert!(
                receiver.arrivals().iter().all(|arrival| arrival.source == from.local_addr().unwrap() && arrival.local.is_none())
            );

            let (from, to) = pair();
            let train = [Train { to: to.local_addr().unwrap(), parts: train[0].parts.clone(), ..train[0] }];
            assert_eq!(plain::Sender.send(&from, &train, &bytes), 0, "{sizes:?}");
            plain::prepare(&to);
            let mut receiver = plain::Receiver::new();
            let mut found = Vec::new();
            loop {
                let over = receiver.receive(&to).unwrap();
                found.extend(datagrams(receiver.arrivals(), receiver.bytes()));
                receiver.clear();
                if over {
                    break;
                }
            }
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn arrivals_of_several_sockets_lie_side_by_side() {
    let ((from, one), (_, two)) = (pair(), pair());
    send_one(&from, one.local_addr().unwrap(), None, &[IoSlice::new(b"one")]).unwrap();
    plain::send_one(&from, two.local_addr().unwrap(), None, &[IoSlice::new(b"t"), IoSlice::new(b"wo")]).unwrap();
    let mut receiver = Receiver::new();
    assert!(receiver.receive(&one).unwrap());
    assert!(receiver.receive(&two).unwrap());
    assert_eq!(datagrams(receiver.arrivals(), receiver.bytes()), [b"one", b"two"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_on_all_addresses_answers_from_the_one_that_was_asked() {
    let (client, server) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("0.0.0.0:0").unwrap());
    server.set_nonblocking(true).unwrap();
    prepare(&server);
    let port = server.local_addr().unwrap().port();
    client.send_to(b"hello", ("127.0.0.77", port)).unwrap();
    let mut receiver = Receiver::new();
    receiver.receive(&server).unwrap();
    let local = receiver.arrivals()[0].local;
    assert_eq!(local, Some("127.0.0.77".parse().unwrap()));
    let parts = vec![Part { head: None, payload: 0..5 }];
    let train = Train { to: receiver.arrivals()[0].source, from: local, parts, segment: 5 };
    assert_eq!(Sender::default().send(&server, &[train], b"train"), 0);
    send_one(&server, receiver.arrivals()[0].source, local, &[IoSlice::new(b"alone")]).unwrap();
    let mut buffer = [0; 16];
    for expected in [b"train", b"alone"] {
        let (length, source) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], source), (&expected[..], ([127, 0, 0, 77], port).into()));
    }
}

#[test]
fn one_address_that_can_not_be_reached_stops_nothing() {
    let (from, to) = pair();
    let broadcast = |sizes: &[usize]| Train { to: "255.255.255.255:9".parse().unwrap(), ..train(&to, sizes, None) };
    let trains = [train(&to, &[3], None), broadcast(&[3]), broadcast(&[3, 3]), train(&to, &[3, 3], None)];
    let mut sender = Sender::default();
    assert_eq!(sender.send(&from, &trains, b"abcdef"), 3, "broadcasting is not permitted");
    let mut receiver = Receiver::new();
    receiver.receive(&to).unwrap();
    assert_eq!(datagrams(receiver.arrivals(), receiver.bytes()), [b"abc", b"abc", b"def"]);
}

#[test]
fn what_must_go_whole_goes_where_the_system_can_promise_it_and_nowhere_else() {
    let (from, to) = pair();
    let address = to.local_addr().unwrap();
    let sent = send_whole(&from, address, &[7; 60_000]);
    assert_eq!(sent.is_ok(), KEEPS_WHOLE);
    assert!(!plain::KEEPS_WHOLE && plain::send_whole(&from, address, b"x").is_err());
    let mut buffer = vec![0; 65_535];
    assert_eq!(to.recv(&mut buffer).ok(), KEEPS_WHOLE.then_some(60_000));
}
