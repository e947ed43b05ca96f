//! Direct messages arrive in order, connections come about and come back.

use std::time::Duration;

use tokio::{io::copy_bidirectional, net::TcpListener, net::TcpStream, sync::Barrier};

use super::*;
use crate::{Class, Direction, SendError};

/// Sends numbered messages of growing length and checks that they come in order.
async fn in_order(from: &Node, to: &mut Node, class: Class, count: u32) {
    for i in 0..count {
        let mut message = i.to_be_bytes().to_vec();
        message.resize(4 + (i as usize * 7) % 3000, 0xab);
        from.network.send(&to.network.key(), class, bytes(message)).expect("connected and within the queue");
    }
    for i in 0..count {
        let (on, message) = to
            .until("message", |event| match event {
                Event::Message { class, bytes, .. } => Some((class, bytes)),
                _ => None,
            })
            .await;
        assert_eq!(on, class);
        assert_eq!(message[..4], i.to_be_bytes(), "message {i}");
        assert_eq!(message.len(), 4 + (i as usize * 7) % 3000);
    }
}

#[tokio::test]
async fn messages_arrive_in_order_both_ways() {
    let (mut one, mut two) = pair(limits(), limits()).await;
    in_order(&one, &mut two, Class::Consensus, 1000).await;
    in_order(&two, &mut one, Class::Consensus, 1000).await;
    in_order(&one, &mut two, Class::Proposal, 60).await;
    in_order(&two, &mut one, Class::Proposal, 60).await;

    let large: Arc<[u8]> = vec![7; Limits::default().proposal.max_message_bytes].into();
    assert_eq!(two.network.broadcast(Class::Proposal, large.clone()), 1);
    assert_eq!(one.message().await[..], large[..]);
}

#[tokio::test]
async fn a_handle_says_why_it_does_not_send() {
    let (one, mut two) = pair(limits(), limits()).await;
    let max = one.network.limits.consensus.max_message_bytes;
    let send = |node: &Node, n, message| node.network.send(&key(n), Class::Consensus, message);
    assert_eq!(send(&one, 2, vec![0; max + 1].into()), Err(SendError::TooLarge { len: max + 1, max }));
    assert_eq!(send(&one, 3, bytes("x")), Err(SendError::UnknownPeer(key(3))));
    assert_eq!(send(&one, 2, bytes("")), Ok(()));
    assert_eq!(two.message().await, b"");
    one.network.shutdown().await;
    two.disconnected().await;
    assert_eq!(send(&two, 1, bytes("x")), Err(SendError::NotConnected(key(1))));
    assert_eq!(one.network.gossip(bytes("x")), Err(SendError::Stopped));
}

#[tokio::test]
async fn peers_show_what_the_operator_wants_to_know() {
    let (one, mut two) = pair(limits(), limits()).await;
    one.network.send(&key(2), Class::Consensus, bytes([0; 1000])).expect("sent");
    two.message().await;
    let [info] = &two.network.peers()[..] else { panic!("one peer is configured") };
    assert_eq!((info.key, info.address.clone()), (key(1), Some(one.address().to_string())));
    assert!(info.bytes_in > 1000 && info.bytes_out > 0 && info.dropped == 0 && info.suspended.is_none());
    let connection = info.connection.as_ref().expect("connected");
    assert_eq!((connection.direction, &*connection.software), (Direction::Outbound, "althing/test"));
    assert_eq!(connection.address, one.address().to_string());
    assert!(two.network.is_connected(&key(1)) && !two.network.is_connected(&key(3)));
}

#[tokio::test]
async fn a_quiet_connection_lives_on_heartbeats() {
    let quick = Limits { heartbeat: Duration::from_millis(500), ..limits() };
    let silence = quick.heartbeat * 4;
    let (one, mut two) = pair(quick.clone(), quick).await;
    two.listening(1).await;
    let before = two.network.peers()[0].bytes_in;
    let event = timeout(silence * 2, two.events.recv()).await;
    assert!(event.is_err(), "nothing happens: {event:?}");
    assert!(two.network.peers()[0].bytes_in > before, "but heartbeats flow");
    one.network.send(&key(2), Class::Consensus, bytes("still here")).expect("connected");
    assert_eq!(two.message().await, b"still here");
}

#[tokio::test]
async fn reconnects_after_a_peer_restarts() {
    let (mut one, mut two) = pair(limits(), limits()).await;
    let listen = one.address();
    for _ in 0..3 {
        one.network.shutdown().await;
        two.disconnected().await;
        one = Setup { listen, ..Setup::new(1, vec![peer(2, None)]) }.start().await;
        one.connected(2).await;
        two.connected(1).await;
        in_order(&one, &mut two, Class::Consensus, 10).await;
        in_order(&two, &mut one, Class::Consensus, 10).await;
    }
}

/// Forwards one connection to `target`, but not before both proxies have one.
async fn hold_until_both(listener: TcpListener, target: SocketAddr, both: Arc<Barrier>) {
    let (mut inbound, _) = listener.accept().await.expect("a connection");
    both.wait().await;
    let mut outbound = TcpStream::connect(target).await.expect("the target listens");
    // Ends with the connection, however it ends.
    let _ = copy_bidirectional(&mut inbound, &mut outbound).await;
}

#[tokio::test]
async fn connections_that_cross_end_in_working_streams() {
    let (address_one, address_two) = (free_port(), free_port());
    let both = Arc::new(Barrier::new(2));
    let mut proxies = Vec::new();
    for target in [address_one, address_two] {
        let listener = TcpListener::bind(any_port()).await.expect("a free port");
        proxies.push(listener.local_addr().expect("bound"));
        tokio::spawn(hold_until_both(listener, target, both.clone()));
    }
    let one = Setup { listen: address_one, ..Setup::new(1, vec![peer(2, Some(proxies[1]))]) }.start();
    let two = Setup { listen: address_two, ..Setup::new(2, vec![peer(1, Some(proxies[0]))]) }.start();
    let (mut one, mut two) = tokio::join!(one, two);
    one.connected(2).await;
    two.connected(1).await;
    for _ in 0..10 {
        in_order(&one, &mut two, Class::Consensus, 100).await;
        in_order(&two, &mut one, Class::Consensus, 100).await;
        in_order(&one, &mut two, Class::Proposal, 10).await;
    }
    // The second connection made no second peer of it and broke nothing.
    assert_eq!(one.network.broadcast(Class::Consensus, bytes("last")), 1);
    let next = timeout(PATIENCE, two.events.recv()).await.expect("in time");
    assert!(matches!(&next, Some(Event::Message { bytes, .. }) if bytes == b"last"), "{next:?}");
}
