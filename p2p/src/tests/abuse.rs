//! What a member gone bad can do, and that it does not get far with it.

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use tokio::{io::AsyncReadExt as _, net::TcpStream, task::JoinSet};

use super::{raw::Raw, *};
use crate::{Class, SendError, TrafficLimit};

const CONSENSUS: &str = "/althing/consensus/1";
const PROPOSAL: &str = "/althing/proposal/1";
const TRANSACTIONS: &str = "/althing/transactions/1";
const REQUEST: &str = "/althing/request/1";

/// Node 1, and member 2 gone bad.
async fn victim_and_raw(limits: Limits) -> (Node, Raw) {
    let mut victim = Setup { limits, ..Setup::new(1, vec![peer(2, None)]) }.start().await;
    let raw = Raw::connect(2, 1, victim.address()).await.expect("admitted");
    victim.connected(2).await;
    (victim, raw)
}

#[tokio::test]
async fn a_broken_frame_ends_the_connection_and_says_why() {
    let cases: [(&[u8], &str); 5] = [
        (b"garbage", "frame of version 103, this node speaks version 1"),
        (&[1, 99, 0, 0, 0, 0], "frame of unknown kind 99"),
        (&[1, 3, 0, 0, 0, 0], "Request frame where none is expected"),
        (&[1, 2, 0, 4, 0, 1], "Message frame of 262145 bytes, at most 262144 are allowed"),
        (&[1, 2, 255, 255, 255, 255], "Message frame of 4294967295 bytes, at most 262144 are allowed"),
    ];
    for (frame, expected) in cases {
        let (mut victim, raw) = victim_and_raw(limits()).await;
        let mut stream = raw.open(CONSENSUS).await.expect("agreed");
        stream.write_all(frame).await.expect("sent");
        stream.flush().await.expect("sent");
        assert_eq!(victim.disconnected().await, format!("consensus stream: {expected}"));
        // Once is borne: it may come back.
        let _again = Raw::connect(2, 1, victim.address()).await.expect("admitted again");
        victim.connected(2).await;
    }
}

#[tokio::test]
async fn garbage_again_and_again_keeps_a_member_out_for_a_while() {
    let suspension = (Duration::from_secs(4), Duration::from_secs(4));
    let limits = Limits { suspension, ..limits() };
    let mut victim = Setup { limits, ..Setup::new(1, vec![peer(2, None)]) }.start().await;
    for _ in 0..4 {
        let raw = Raw::connect(2, 1, victim.address()).await.expect("admitted");
        let mut stream = raw.open(PROPOSAL).await.expect("agreed");
        stream.write_all(b"garbage").await.expect("sent");
        stream.flush().await.expect("sent");
        victim.disconnected().await;
    }
    assert!(victim.network.peers()[0].suspended.is_some());
    let error = Raw::connect(2, 1, victim.address()).await.err().expect("kept out");
    let refusal = crate::gate::find_refusal(&error).expect("in words");
    let reason = &refusal.reason;
    assert!(reason.starts_with("the peer refused this node: kept out for another "), "{reason}");
    assert!(reason.contains(" s: proposal stream: frame of version 103"), "{reason}");
    // Not for ever: an honest node with that key gets in after a while, by itself.
    Setup::new(2, vec![peer(1, Some(victim.address()))]).start().await.connected(1).await;
}

#[tokio::test]
async fn a_second_stream_of_a_class_ends_the_connection() {
    let (mut victim, raw) = victim_and_raw(limits()).await;
    let _first = raw.open(CONSENSUS).await.expect("agreed");
    // It may be cut off before the second is agreed on.
    let _second = raw.open(CONSENSUS).await;
    assert_eq!(victim.disconnected().await, "the peer opened a second consensus stream");
    raw.driving.await.expect("no panic");
}

#[tokio::test]
async fn a_member_that_opens_no_streams_or_falls_silent_is_cut_off() {
    let quick = Limits { handshake_timeout: Duration::from_secs(2), ..limits() };
    let mut victim = Setup { limits: quick.clone(), ..Setup::new(1, vec![peer(2, None)]) }.start().await;
    let _taking = Raw::connect_and_take(2, 1, victim.address()).await.expect("admitted");
    assert_eq!(victim.disconnected().await, "the peer did not open its consensus stream within 2s");

    let (mut victim, raw) = victim_and_raw(quick).await;
    let open = async |protocol| raw.open(protocol).await.expect("agreed");
    let _streams = (open(CONSENSUS).await, open(PROPOSAL).await, open(TRANSACTIONS).await);
    let reason = victim.disconnected().await;
    assert!(reason.starts_with("cannot open the ") && reason.contains("Timeout"), "{reason}");

    let quick = Limits { heartbeat: Duration::from_millis(200), ..limits() };
    let (mut victim, raw) = victim_and_raw(quick).await;
    let _stream = raw.open(CONSENSUS).await.expect("agreed");
    assert_eq!(victim.disconnected().await, "consensus stream: the peer was silent for 800ms");
}

#[tokio::test]
async fn what_exceeds_the_rate_is_dropped_and_too_much_of_it_is_not_borne() {
    let limit = TrafficLimit { queue_messages: 10, messages_per_second: 10, ..limits().consensus };
    let (mut one, mut two) = pair(Limits { consensus: limit, ..limits() }, limits()).await;
    for i in 0..200u32 {
        two.network
            .send(&key(1), Class::Consensus, bytes(i.to_be_bytes()))
            .expect("within the sender's own limits");
    }
    let mut received = 0;
    let reason = one
        .until("suspension", |event| match event {
            Event::Message { .. } => {
                received += 1;
                None
            }
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, "suspended for 300ms: more consensus messages or bytes than the rate limit allows");
    // Connections come first among the events: what passed before the end may still wait.
    let mut back = false;
    while let Some(Some(event)) = one.events.recv().now_or_never() {
        match event {
            Event::Message { .. } => received += 1,
            Event::Connected { .. } => back = true,
            _ => {}
        }
    }
    // A burst of twice the queue and one second's worth, and little more however slow this machine is.
    assert!((1..=100).contains(&received), "{received} messages passed");
    two.disconnected().await;
    two.connected(1).await;
    if !back {
        one.connected(2).await;
    }
}

#[tokio::test]
async fn a_member_that_takes_nothing_fills_its_own_queue_only() {
    let (mut one, mut three) = pair_of(3).await;
    let _raw = Raw::connect(2, 1, one.address()).await.expect("admitted");
    one.connected(2).await;
    let mut accepted = 0;
    let full = loop {
        match one.network.send(&key(2), Class::Consensus, bytes("vote")) {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, SendError::QueueFull { peer: key(2), class: Class::Consensus });
    assert_eq!(accepted, one.network.limits.consensus.queue_messages);
    assert_eq!(one.network.broadcast(Class::Consensus, bytes("to the others")), 1);
    assert_eq!(three.message().await, b"to the others");
    let info = one.network.peers().into_iter().find(|info| info.key == key(2)).expect("admitted");
    assert_eq!(info.dropped, 2);
}

/// Node 1, which admits 2 and `n`, and node `n`, connected.
async fn pair_of(n: u8) -> (Node, Node) {
    let mut one = Setup::new(1, vec![peer(2, None), peer(n, None)]).start().await;
    let mut other = Setup::new(n, vec![peer(1, Some(one.address()))]).start().await;
    one.connected(n).await;
    other.connected(1).await;
    (one, other)
}

#[tokio::test]
async fn a_node_that_takes_no_events_holds_its_peers_up_and_piles_up_nothing() {
    let fast = TrafficLimit { messages_per_second: 1_000_000, ..limits().consensus };
    let (mut one, two) = pair(Limits { consensus: fast, ..limits() }, limits()).await;
    let message = bytes([7; 1024]);
    let mut accepted = 0;
    for _ in 0..40_000 {
        accepted += usize::from(two.network.send(&key(1), Class::Consensus, message.clone()).is_ok());
        tokio::task::yield_now().await;
    }
    // One queue there, four times as much here, and what the multiplexer and the sockets hold.
    assert!(accepted < 20_000, "{accepted} messages of 1 KiB were taken");
    assert!(two.network.peers()[0].dropped > 0);
    // Nothing that was accepted is lost.
    for _ in 0..accepted {
        assert_eq!(one.message().await.len(), 1024);
    }
}

#[tokio::test]
async fn unfinished_requests_fill_only_their_own_places() {
    let (mut victim, raw) = victim_and_raw(limits()).await;
    let places = 2 * victim.network.limits.concurrent_requests;
    let mut open = Vec::new();
    for _ in 0..places {
        open.push(raw.open(REQUEST).await.expect("agreed"));
    }
    for _ in 0..3 {
        let mut refused = raw.open(REQUEST).await.expect("agreed");
        let end = timeout(PATIENCE, refused.read(&mut [0])).await.expect("at once");
        assert!(matches!(end, Ok(0) | Err(_)), "reset");
    }
    // A place that is given back serves the next.
    drop(open);
    let request = [1, 2 + 1, 0, 0, 0, 2, b'h', b'i'];
    let asked = timeout(PATIENCE, async {
        loop {
            let mut stream = raw.open(REQUEST).await.expect("agreed");
            // It may have been reset already, or the place not be free yet.
            let _ = stream.write_all(&request).await;
            let _ = stream.flush().await;
            let mut byte = [0];
            let next = tokio::select! {
                event = victim.events.recv() => event,
                _ = stream.read(&mut byte) => continue,
            };
            return (next, stream);
        }
    });
    let (next, _stream) = asked.await.expect("served in the end");
    assert!(matches!(next, Some(Event::Request { bytes, .. }) if bytes == b"hi"));
}

#[tokio::test]
async fn garbage_for_a_request_costs_standing() {
    let (mut victim, raw) = victim_and_raw(limits()).await;
    for _ in 0..4 {
        // The last one may be cut off at any point.
        if let Ok(mut stream) = raw.open(REQUEST).await {
            let _ = stream.write_all(&[1, 3, 0, 1, 0, 1]).await;
            let _ = stream.flush().await;
            let _ = stream.read(&mut [0]).await;
        }
    }
    let expected = "suspended for 300ms: request: Request frame of 65537 bytes, at most 65536 are allowed";
    assert_eq!(victim.disconnected().await, expected);
}

/// Connections that say nothing, each with a task that ends when the node hangs up.
async fn silent_strangers(victim: &Node, count: usize) -> JoinSet<()> {
    let mut ends = JoinSet::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(victim.address()).await.expect("the port is open");
        ends.spawn(async move {
            // Reset or closed, both are an end.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
    }
    ends
}

#[tokio::test]
async fn only_so_many_strangers_are_listened_to_at_once() {
    let patient = Limits { handshake_timeout: 10 * PATIENCE, ..limits() };
    let victim = Setup { limits: patient, ..Setup::new(1, vec![]) }.start().await;
    let mut ends = silent_strangers(&victim, 100).await;
    for _ in 64..100 {
        timeout(PATIENCE, ends.join_next()).await.expect("hung up on");
    }
}

#[tokio::test]
async fn strangers_that_say_nothing_are_soon_gone() {
    let quick = Limits { handshake_timeout: Duration::from_millis(500), ..limits() };
    let mut victim = Setup { limits: quick, ..Setup::new(1, vec![peer(2, None)]) }.start().await;
    let ends = silent_strangers(&victim, 100).await;
    timeout(PATIENCE, ends.join_all()).await.expect("all are cut off");
    let _two = Setup::new(2, vec![peer(1, Some(victim.address()))]).start().await;
    victim.connected(2).await;
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older() {
    // Nothing else ends it.
    let patient = Limits { handshake_timeout: 10 * PATIENCE, heartbeat: 10 * PATIENCE, ..limits() };
    let (mut victim, first) = victim_and_raw(patient).await;
    let second = Raw::connect(2, 1, victim.address()).await.expect("admitted");
    timeout(PATIENCE, first.driving).await.expect("cut off").expect("no panic");
    // Messages now go over the second: its streams are opened there.
    assert!(victim.network.is_connected(&key(2)));
    second.driving.abort();
    drop(second.muxer);
    assert!(victim.disconnected().await.starts_with("the connection broke"));
}

#[tokio::test]
async fn a_member_cannot_connect_as_often_as_it_likes() {
    let victim = Setup::new(1, vec![peer(2, None)]).start().await;
    let mut last = None;
    // Twenty at once, and one more each second.
    let refused = timeout(PATIENCE, async {
        loop {
            match Raw::connect(2, 1, victim.address()).await {
                Ok(raw) => last = Some(raw),
                Err(error) => return error,
            }
        }
    })
    .await
    .expect("refused in the end");
    let refusal = crate::gate::find_refusal(&refused).expect("in words");
    assert!(refusal.reason.contains("too many new connections"), "{refusal}");
    assert!(last.is_some());
}

#[tokio::test]
async fn answers_that_are_not_taken_do_not_pile_up() {
    let (mut victim, raw) = victim_and_raw(limits()).await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        let mut stream = raw.open(REQUEST).await.expect("agreed");
        stream.write_all(&[1, 2 + 1, 0, 0, 0, 0]).await.expect("sent");
        stream.flush().await.expect("sent");
        let responder = victim.asked().await.1;
        responder.send(vec![0; victim.network.limits.max_response_bytes]);
        let mut header = [0; 6];
        stream.read_exact(&mut header).await.expect("an answer or a refusal");
        asked.push((header[1], stream));
    }
    // Two wait for the peer to take them, the third was not kept.
    assert_eq!(asked.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [4, 4, 5]);
}
