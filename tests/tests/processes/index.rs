//! The index of a node, whatever happens to its process.

use std::fs;

use althing_crypto::Encoding;
use althing_ledger::asset::{Address, Transaction};
use althing_node::client::{ClientError, integer};
use althing_tests::processes::{Chain, Load, Node};
use serde_json::json;

/// Height and place in the block of every transaction, as the blocks have them.
async fn in_blocks(node: &mut Node, height: u64) -> Vec<(u64, u64)> {
    let mut places = Vec::new();
    for height in 1..=height {
        let results = node.ask("block_results", json!({ "height": height.to_string() })).await;
        let txs = results["txs_results"].as_array().map_or(0, Vec::len) as u64;
        places.extend((0..txs).map(|index| (height, index)));
    }
    places
}

/// The same, as a search finds them, page by page.
async fn searched(node: &mut Node, query: &str) -> Vec<(u64, u64)> {
    let mut places = Vec::new();
    loop {
        let page = places.len() / 100 + 1;
        let params = json!({ "query": query, "per_page": "100", "page": page.to_string() });
        let found = node.ask("tx_search", params).await;
        for tx in found["txs"].as_array().expect("a list") {
            places.push((integer(&tx["height"]).expect("a height"), tx["index"].as_u64().expect("a place")));
        }
        if places.len() as u64 >= integer(&found["total_count"]).expect("a count") {
            return places;
        }
    }
}

async fn refused(node: &mut Node, query: &str) -> String {
    match node.call("tx_search", json!({ "query": query })).await {
        Err(ClientError::Rpc { data, .. }) => data,
        other => panic!("{query}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_what_is_in_the_blocks_also_after_a_death_and_never_a_part() {
    let mut chain = Chain::running(4).await;
    let load = Load::start(&chain, &[0, 1, 1, 2, 3]);
    load.acknowledged_by(0, 20).await;
    chain.take(0).kill().await;
    let acknowledged_before = load.count(1);
    load.acknowledged_by(1, acknowledged_before + 20).await;
    chain.start(0);
    let acknowledged_before = load.count(0);
    load.acknowledged_by(0, acknowledged_before + 5).await;
    let acknowledged = load.stop().await;

    let height = chain.level().await;
    let node = chain.node(0);
    let all = in_blocks(node, height).await;
    assert!(all.len() >= acknowledged.len());
    let bounded = format!("tx.height > 0 AND tx.height <= {height}");
    assert_eq!(searched(node, &bounded).await, all);
    assert_eq!(
        searched(node, &format!("transfer.sender EXISTS AND tx.sender EXISTS AND {bounded}")).await,
        all
    );
    let one = &acknowledged[0];
    let by_hash = searched(node, &format!("tx.hash = '{}'", one.hash)).await;
    assert_eq!(by_hash.iter().map(|(height, _)| *height).collect::<Vec<_>>(), [one.height]);

    // Without the index nothing is searched, and what it missed then is not left out without a word later.
    let (key, to) = (chain.account(7), Address::of(&chain.account(0).public_key()));
    let chain_id = chain.genesis().chain_id().to_owned();
    for (sequence, was, is) in [(0, "index = true", "index = false"), (1, "index = false", "index = true")] {
        chain.take(0).terminate().await;
        let file = chain.home(0).config_file();
        let text = fs::read_to_string(&file).expect("a configuration");
        assert!(text.contains(was), "{text}");
        fs::write(&file, text.replace(was, is)).expect("written");
        let height = chain.node(1).height().await.expect("an answer");
        chain.start(0);
        let node = chain.node(0);
        node.reaches(height).await;
        // A block that it executes so.
        let tx = Transaction::transfer(&chain_id, &key, sequence, 0, to, 1, "").encode();
        assert_eq!(node.commit(&tx).await.code, 0);
        let status = node.ask("status", json!({})).await;
        let on = status["node_info"]["other"]["tx_index"] == "on";
        assert_eq!(on, is.ends_with("true"));
        let reason = refused(node, "tx.height > 0").await;
        assert!(reason.contains(if on {
            "the index of this node begins at height"
        } else {
            "storage.index is off"
        }));
        assert_eq!(
            node.find(&one.hash).await.map(|(height, _)| height),
            Some(one.height),
            "tx needs no index"
        );
    }
}
