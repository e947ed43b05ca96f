//! Evidence and registrations: what blocks show of them, and how they are handed in.

use althing_consensus::{Evidence, Notice, Phase, Position, TimeoutStatement, Vote};
use althing_crypto::BlockHash;

use super::*;

fn vote(phase: Phase, name: &[u8]) -> Vote {
    let (epoch, view, signer) = (Epoch(1), View(4), Position(0));
    let signature = bls::Signature::from_bytes([7; 96]);
    Vote { phase, epoch, view, block: BlockHash(sha256(name)), signer, signature }
}

fn evidence() -> [Evidence; 2] {
    let signature = bls::Signature::from_bytes([8; 96]);
    let (epoch, view, signer, high_view) = (Epoch(1), View(5), Position(0), View(1));
    let timeout = TimeoutStatement { epoch, view, signer, high_view, signature };
    [
        Evidence::Votes(vote(Phase::Vote, b"a"), vote(Phase::Vote, b"b")),
        Evidence::CommitAndTimeout(vote(Phase::Commit, b"a"), timeout),
    ]
}

#[tokio::test]
async fn a_block_shows_its_evidence_and_so_does_the_list() {
    let node = Scripted::start(RpcConfig::default()).await;
    let empty = node.client().call("althing_evidence", json!({})).await.unwrap();
    assert_eq!(empty, json!({ "count": "0", "total": "0", "evidence": [] }));
    let [votes, forgotten] = evidence();
    let carried = vec![Notice::Evidence(votes.clone()), Notice::Evidence(forgotten)];
    chain::append_with(&node.handle, &[], carried);
    node.backend.executed.send_replace(Height(1));
    let block = node.client().call("block", json!({ "height": "1" })).await.unwrap();
    let shown = block["block"]["evidence"]["evidence"].as_array().unwrap();
    assert_eq!(shown.len(), 1, "this dialect knows of double votes only");
    assert_eq!(shown[0]["type"], "tendermint/DuplicateVoteEvidence");
    assert_eq!(shown[0]["value"]["ValidatorPower"], shown[0]["value"]["TotalVotingPower"]);
    let all = &block["block"]["althing_notices"];
    assert_eq!((&all[0]["kind"], &all[1]["kind"]), (&json!("double-vote"), &json!("forgotten-commit-vote")));

    let list = node.client().call("althing_evidence", json!({ "per_page": 1 })).await.unwrap();
    assert_eq!((&list["total"], &list["count"]), (&json!("2"), &json!("1")));
    let newest = &list["evidence"][0];
    assert_eq!((&newest["kind"], &newest["height"]), (&json!("forgotten-commit-vote"), &json!("1")));
    assert_eq!((&newest["view"], &newest["epoch"]), (&json!("5"), &json!("1")));
    assert_eq!(
        newest["messages"][1],
        json!({
            "type": "timeout-vote", "view": "5", "high_view": "1", "signature": hex::encode_upper([8; 96]),
        })
    );
    let second = node.client().call("althing_evidence", json!({ "per_page": 1, "page": 2 })).await.unwrap();
    let bytes = BASE64.decode(second["evidence"][0]["bytes"].as_str().unwrap()).unwrap();
    assert_eq!(Evidence::decode(&bytes).unwrap(), votes, "as it can be handed in elsewhere");
    let beyond = node.client().call("althing_evidence", json!({ "page": 2 })).await;
    assert_eq!(error_code(beyond), -32602);
}

#[tokio::test]
async fn what_is_handed_in_is_decoded_within_bounds_and_its_fate_told() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let [votes, _] = evidence();
    let url = node.url();
    let submit = |method: &'static str, name: &'static str, bytes: Vec<u8>| {
        let mut client = Client::new(url.clone());
        tokio::spawn(async move { client.call(method, json!({ name: BASE64.encode(bytes) })).await })
    };
    for outcome in [Ok(()), Err("a notice twice".to_owned())] {
        let asked = submit("broadcast_evidence", "evidence", votes.encode());
        let Some(Ask::Notice { notice, answer }) = node.backend.asks.recv().await else { panic!("a notice") };
        assert_eq!(*notice, Notice::Evidence(votes.clone()));
        answer.send(outcome.clone()).unwrap();
        match (outcome, asked.await.unwrap()) {
            (Ok(()), answer) => assert_eq!(answer.unwrap()["kind"], "double-vote"),
            (Err(_), answer) => assert_eq!(error_code(answer), -32603),
        }
    }
    let notice = Notice::Evidence(votes.clone()).encode();
    for (method, name, bytes) in [
        ("broadcast_evidence", "evidence", vec![1, 2, 3]),
        ("broadcast_evidence", "evidence", vec![2; 30_000]),
        ("broadcast_evidence", "evidence", Vec::new()),
        ("althing_register", "registration", notice),
    ] {
        assert_eq!(error_code(submit(method, name, bytes).await.unwrap()), -32602);
    }
}
