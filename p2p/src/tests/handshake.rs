//! Who is refused, and that both sides are told why.

use super::{raw::lie, *};

/// Node 2 dials node 1 with something amiss on its side; the reasons that node 1 and node 2 report.
async fn refusals(amiss: impl FnOnce(&mut Setup)) -> ((Option<PeerKey>, String), (Option<PeerKey>, String)) {
    let mut one = Setup::new(1, vec![peer(2, None)]).start().await;
    let mut setup = Setup::new(2, vec![peer(1, Some(one.address()))]);
    amiss(&mut setup);
    let mut two = setup.start().await;
    let refusals = (one.refused().await, two.refused().await);
    assert!(!one.network.is_connected(&key(2)) && !two.network.is_connected(&key(1)));
    refusals
}

#[tokio::test]
async fn another_chain_id_is_refused_on_both_sides() {
    let (one, two) = refusals(|setup| setup.hello.chain_id = "other\n".into()).await;
    assert_eq!(one, (Some(key(2)), "chain id differs: `test` here, `other\u{fffd}` there".into()));
    assert_eq!(two, (Some(key(1)), "chain id differs: `other\n` here, `test` there".into()));
}

#[tokio::test]
async fn another_genesis_is_refused_on_both_sides() {
    let (one, two) = refusals(|setup| setup.hello.genesis = sha256(b"another")).await;
    for (_, reason) in [one, two] {
        let (ours, theirs) = (sha256(b"genesis").to_string(), sha256(b"another").to_string());
        assert!(
            reason.starts_with("genesis differs") && reason.contains(&ours) && reason.contains(&theirs),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn another_protocol_version_is_refused_on_both_sides() {
    let (one, two) = refusals(|setup| setup.hello.protocol_version = 2).await;
    assert_eq!(one.1, "protocol version differs: 1 here (althing/test), 2 there (althing/test)");
    assert_eq!(two.1, "protocol version differs: 2 here (althing/test), 1 there (althing/test)");
}

#[tokio::test]
async fn a_stranger_is_refused_and_told() {
    let (one, stranger) = refusals(|setup| setup.n = 3).await;
    let reason = format!("identity key {} is neither a validator nor on the allowlist", key(3));
    assert_eq!(one, (Some(key(3)), reason.clone()));
    assert_eq!(stranger, (Some(key(1)), format!("the peer refused this node: {reason}")));
}

#[tokio::test]
async fn a_second_node_with_the_same_key_is_found_out() {
    let mut one = Setup::new(1, vec![peer(2, None)]).start().await;
    // It dials node 2 and finds itself.
    let _copy = Setup::new(1, vec![peer(2, Some(one.address()))]).start().await;
    let (peer, reason) = one.refused().await;
    assert_eq!(peer, Some(key(1)));
    assert!(reason.contains("does another node run with a copy of this node's key file?"), "{reason}");
}

#[tokio::test]
async fn a_wrong_address_is_told() {
    let one = Setup::new(1, vec![peer(2, None)]).start().await;
    // What node 2 takes for node 3 is node 1, which is admitted too.
    let mut two = Setup::new(2, vec![peer(1, None), peer(3, Some(one.address()))]).start().await;
    let (found, reason) = two.refused().await;
    assert_eq!(found, Some(key(1)));
    assert!(reason.contains(&key(3).to_string()) && reason.contains("check the address"), "{reason}");
}

#[tokio::test]
async fn a_port_in_use_stops_the_start_and_is_named() {
    let one = Setup::new(1, vec![]).start().await;
    let error =
        Setup { listen: one.address(), ..Setup::new(2, vec![]) }.try_start().await.err().expect("refused");
    assert!(error.to_string().starts_with(&format!("{} is in use", one.address())), "{error}");
    one.network.shutdown().await;
    Setup { listen: one.address(), ..Setup::new(2, vec![]) }.start().await;
}

#[tokio::test]
async fn a_faulty_configuration_is_named() {
    let address = |text: &str| Peer { key: key(2), address: Some(text.into()) };
    type Amiss = fn(&mut Setup);
    let cases: [(&str, Amiss); 6] = [
        ("max_response_bytes is 0", |setup| setup.limits.max_response_bytes = 0),
        ("gossip.queue_bytes is 1, must lie between", |setup| setup.limits.gossip.queue_bytes = 1),
        ("heartbeat is 0", |setup| setup.limits.heartbeat = Duration::ZERO),
        ("chain id is 129 bytes long, at most 128", |setup| setup.hello.chain_id = "x".repeat(129)),
        ("cannot listen on 192.0.2.1:1", |setup| setup.listen = ([192, 0, 2, 1], 1).into()),
        ("its key is no Ed25519 public key", |setup| {
            let off_curve = (0..)
                .map(|n| PeerKey::from_bytes([n; 32]))
                .find(|key| libp2p::identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).is_err());
            setup.peers = vec![Peer { key: off_curve.expect("half of all strings are"), address: None }];
        }),
    ];
    for (expected, amiss) in cases {
        let mut setup = Setup::new(1, vec![]);
        amiss(&mut setup);
        let error = setup.try_start().await.err().expect(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    for text in ["", "host", ":1", "host:", "host:0", "host:65536", "host:x"] {
        let error = Setup::new(1, vec![address(text)]).try_start().await.err().expect("refused").to_string();
        assert!(error.contains(&format!("`{text}` is not of the form host:port")), "{error}");
    }
    let twice = Setup::new(1, vec![address("a:1"), address("b:1")]).try_start().await.err().expect("refused");
    assert!(twice.to_string().contains("listed twice with different addresses: `a:1` and `b:1`"), "{twice}");
    // Its own key, and one peer in both lists, are no fault.
    Setup::new(1, vec![peer(1, None), peer(2, None), address("localhost:1")]).start().await;
}

#[tokio::test]
async fn a_name_is_resolved() {
    let one = Setup::new(1, vec![peer(2, None)]).start().await;
    let by_name = Peer { key: key(1), address: Some(format!("localhost:{}", one.address().port())) };
    Setup::new(2, vec![by_name]).start().await.connected(1).await;
}

#[tokio::test]
async fn nonsense_in_the_handshake_is_refused_in_words() {
    let mut one = Setup::new(1, vec![peer(2, None)]).start().await;
    let frame = |kind: u8, payload: &[u8]| {
        let mut bytes = vec![1, kind];
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
        bytes
    };
    let hello = borsh::to_vec(&hello()).expect("encodes");
    let with_more = [&hello[..], b"x"].concat();
    let cases = [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "frame of version 71, this node speaks version 1"),
        (frame(99, b""), "frame of unknown kind 99"),
        (frame(2, b""), "Message frame where none is expected"),
        (vec![1, 6, 255, 255, 255, 255], "Hello frame of 4294967295 bytes, at most 1200 are allowed"),
        (frame(6, b""), "malformed hello: "),
        (frame(6, &[255; 40]), "malformed hello: "),
        (frame(6, &with_more), "malformed hello: "),
        (frame(5, b"no\x1b"), "the peer refused this node: no\u{fffd}"),
    ];
    for (says, expected) in cases {
        // The last word of a handshake, so that the node need not wait for one.
        let heard = lie(2, &[says, frame(7, b"")].concat(), one.address()).await.unwrap_or_default();
        let (found, reason) = one.refused().await;
        assert_eq!(found, Some(key(2)));
        assert!(reason.starts_with(expected), "{reason}");
        // Unread nonsense may have reset the connection before the refusal was heard.
        if heard.len() > hello.len() + 12 && !expected.starts_with("the peer") {
            assert!(String::from_utf8_lossy(&heard).contains(expected));
        }
    }
    // A stranger is not even greeted.
    let heard = lie(3, &frame(6, &hello), one.address()).await.expect("a refusal");
    let refusal = format!("identity key {} is neither a validator nor on the allowlist", key(3));
    assert_eq!(heard, frame(5, refusal.as_bytes()));
    assert_eq!(one.refused().await.0, Some(key(3)));
}

#[tokio::test]
async fn peers_come_and_go_while_the_network_runs() {
    let (mut one, mut two) = pair(Limits::default(), Limits::default()).await;
    let mut three = Setup::new(3, vec![peer(1, Some(one.address()))]).start().await;
    let (_, reason) = three.refused().await;
    assert!(reason.contains("neither a validator nor on the allowlist"), "{reason}");
    one.network.admit(vec![peer(3, None)]).await.unwrap();
    three.connected(1).await;
    assert_eq!(one.disconnected().await, "no longer admitted");
    one.connected(3).await;
    two.disconnected().await;
    assert!(!one.network.is_connected(&key(2)));
    one.network.admit(vec![peer(2, Some(two.address())), peer(3, None)]).await.unwrap();
    one.connected(2).await;
    assert!(one.network.is_connected(&key(3)), "who stays keeps its connection");
}
