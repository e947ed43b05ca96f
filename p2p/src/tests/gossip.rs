//! Gossip reaches all, each once, and only what was accepted.

use super::*;
use crate::{Class, SendError, Validation};

impl Node {
    async fn gossiped(&mut self) -> (PeerKey, Vec<u8>, Validation) {
        self.until("gossip", |event| match event {
            Event::Gossip { peer, bytes, validation } => Some((peer, bytes, validation)),
            _ => None,
        })
        .await
    }

    /// Gossips until a peer that may not have told its subscription yet receives it.
    async fn gossip_to(&self, to: &mut Node, content: &str) -> (PeerKey, Validation) {
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.network.gossip(bytes(format!("{content} {attempt}"))).expect("within the queue");
            let heard = timeout(Duration::from_millis(200), to.gossiped()).await;
            if let Ok((from, bytes, validation)) = heard {
                assert!(bytes.starts_with(content.as_bytes()));
                return (from, validation);
            }
            assert!(attempt < 100, "no gossip arrives");
        }
    }
}

#[tokio::test]
async fn reaches_all_and_each_once() {
    let mut nodes: Vec<Node> = Vec::new();
    for n in 1..=4 {
        let others = (1..=4).filter(|other| *other != n);
        let peers = others.map(|other| peer(other, nodes.get(other as usize - 1).map(Node::address)));
        nodes.push(Setup::new(n, peers.collect()).start().await);
    }
    let [first, others @ ..] = &mut nodes[..] else { panic!("four nodes") };
    for other in &mut *others {
        first.gossip_to(other, "are you there").await.1.ignore();
    }
    for i in 0..50 {
        first.network.gossip(bytes(format!("batch {i}"))).expect("within the queue");
    }
    first.network.gossip(bytes("batch 7")).expect("within the queue");
    first.network.gossip(bytes("the end")).expect("within the queue");
    for other in others {
        let mut heard = Vec::new();
        while heard.len() < 51 {
            let (_, bytes, validation) = other.gossiped().await;
            validation.accept();
            if bytes.starts_with(b"batch") || bytes == b"the end" {
                heard.push(bytes);
            }
        }
        let distinct = std::collections::BTreeSet::from_iter(&heard);
        assert_eq!(distinct.len(), 51, "each once");
    }
}

/// 1 – 2 – 3 in a line: what 1 says reaches 3 only through 2, whose limits these are.
async fn line(limits: Limits) -> [Node; 3] {
    let mut two = Setup { limits, ..Setup::new(2, vec![peer(1, None), peer(3, None)]) }.start().await;
    let one = Setup::new(1, vec![peer(2, Some(two.address()))]).start().await;
    let mut three = Setup::new(3, vec![peer(2, Some(two.address()))]).start().await;
    two.connected(1).await;
    two.connected(3).await;
    three.connected(2).await;
    [one, two, three]
}

#[tokio::test]
async fn passes_on_what_was_accepted_and_blames_for_what_was_rejected() {
    let [one, mut two, mut three] = line(limits()).await;
    // The path is there once a message of 2's own reaches 3, and one of 1's reaches 2.
    two.gossip_to(&mut three, "warm up").await.1.accept();
    let (from, validation) = one.gossip_to(&mut two, "bad").await;
    assert_eq!(from, key(1));
    validation.reject("not a batch");
    let accepted = async {
        loop {
            let (_, validation) = one.gossip_to(&mut two, "good").await;
            validation.accept();
            if let Ok((from, bytes, _)) = timeout(Duration::from_millis(500), three.gossiped()).await {
                if bytes.starts_with(b"warm up") {
                    continue;
                }
                assert!(bytes.starts_with(b"good"), "only what 2 accepted");
                assert_eq!(from, key(2));
                return;
            }
        }
    };
    timeout(PATIENCE, accepted).await.expect("the good one arrives");

    // Rejected again and again, 1 loses its standing with 2.
    let mut n = 0;
    let reason = timeout(PATIENCE, async {
        loop {
            n += 1;
            // Refused only if the queue is full: then the next one will do.
            let _ = one.network.gossip(bytes(format!("worse {n}")));
            match two.events.recv().await.expect("runs") {
                Event::Gossip { bytes, validation, .. } if bytes.starts_with(b"worse") => {
                    validation.reject("not a batch")
                }
                Event::Disconnected { peer, reason } => {
                    assert_eq!(peer, key(1));
                    return reason;
                }
                _ => {}
            }
        }
    })
    .await
    .expect("suspended in the end");
    assert_eq!(reason, "suspended for 300ms: gossip: not a batch");
}

#[tokio::test]
async fn too_large_or_too_much_is_dropped() {
    let small = crate::TrafficLimit { max_message_bytes: 100, ..limits().gossip };
    let (mut one, two) = pair(Limits { gossip: small, ..limits() }, limits()).await;
    two.gossip_to(&mut one, "are you there").await.1.ignore();
    assert_eq!(one.network.gossip(vec![0; 101].into()), Err(SendError::TooLarge { len: 101, max: 100 }),);
    // Four of those, and all patience is gone; none of them is heard.
    for n in 0..4u8 {
        two.network.gossip(vec![n; 200].into()).expect("within the sender's own limits");
    }
    let reason = one
        .until("suspension", |event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            Event::Gossip { bytes, .. } => {
                assert!(bytes.len() <= 100);
                None
            }
            _ => None,
        })
        .await;
    assert_eq!(reason, "suspended for 300ms: gossip of 200 bytes, at most 100 are allowed");
}

#[tokio::test]
async fn no_node_passes_on_more_than_its_peers_bear() {
    let few = crate::TrafficLimit { queue_messages: 20, messages_per_second: 1, ..limits().gossip };
    let [one, mut two, mut three] = line(Limits { gossip: few, ..limits() }).await;
    two.gossip_to(&mut three, "warm up").await.1.ignore();
    one.gossip_to(&mut two, "warm up").await.1.ignore();
    // All that node 2 takes from one peer at once, and all of it good.
    for n in 0..36 {
        one.network.gossip(bytes(format!("batch {n}"))).expect("within the queue");
        let (_, bytes, validation) = two.gossiped().await;
        assert!(bytes.starts_with(b"batch"));
        validation.accept();
    }
    two.network.gossip(bytes("the end")).expect("within the queue");
    let mut passed_on = 0;
    loop {
        let (_, bytes, validation) = three.gossiped().await;
        validation.ignore();
        if bytes == b"the end" {
            break;
        }
        passed_on += usize::from(bytes.starts_with(b"batch"));
    }
    // Half the burst, and one for each second that this takes.
    assert!((1..30).contains(&passed_on), "{passed_on} of 36 were passed on");
}

#[tokio::test]
async fn whoever_listens_hears_all_from_then_on() {
    let mut one = Setup::new(1, vec![peer(2, None)]).start().await;
    let mut two = Setup::new(2, vec![peer(1, Some(one.address()))]).start().await;
    one.listening(2).await;
    one.network.gossip(bytes("the first")).expect("within the queue");
    assert_eq!(two.gossiped().await.1, b"the first");
}

#[tokio::test]
async fn what_its_author_gives_out_reaches_all_that_are_connected_and_goes_no_further() {
    let [one, mut two, mut three] = line(limits()).await;
    one.network.give_out(bytes("batch")).expect("within the queue");
    let heard = |event| match event {
        Event::Message { peer, class, bytes } => Some((peer, class, bytes)),
        _ => None,
    };
    assert_eq!(two.until("batch", heard).await, (key(1), Class::Transactions, b"batch".to_vec()));
    two.network.give_out(bytes("another")).expect("within the queue");
    assert_eq!(three.until("batch", heard).await, (key(2), Class::Transactions, b"another".to_vec()));
    let max = one.network.limits.gossip.max_message_bytes;
    let too_large = one.network.give_out(vec![0; max + 1].into());
    assert_eq!(too_large, Err(SendError::TooLarge { len: max + 1, max }));
}
