//! Searches as clients ask for them.

use super::*;
use crate::{
    rpc::search::search,
    search::{Direction, Search},
};

/// Ten blocks: of none, one, two, none … transactions.
async fn grown() -> Scripted {
    let node = Scripted::start(RpcConfig::default()).await;
    for height in 1..=10 {
        let txs: Vec<_> = (1..height % 4).map(|n| format!("tx {height} {n}")).collect();
        node.execute(&txs.iter().map(|tx| tx.as_bytes()).collect::<Vec<_>>());
    }
    node
}

/// Height and index of each, and how many there are in all.
fn places(answer: &Value) -> (Vec<String>, &str) {
    let txs = answer["txs"].as_array().unwrap().iter();
    let places = txs.map(|tx| format!("{} {}", tx["height"].as_str().unwrap(), tx["index"])).collect();
    (places, answer["total_count"].as_str().unwrap())
}

#[tokio::test]
async fn transactions_are_found_by_what_they_did() {
    let node = grown().await;
    let mut client = node.client();
    // Blocks 2, 6 and 10 have one transaction, 3 and 7 two.
    let all = client.call("tx_search", json!({ "query": "tx.height > 0" })).await.unwrap();
    assert_eq!(
        places(&all),
        (["2 0", "3 0", "3 1", "6 0", "7 0", "7 1", "10 0"].map(String::from).to_vec(), "7")
    );
    assert_eq!(all["txs"][1]["tx"], BASE64.encode("tx 3 1"));
    assert_eq!(all["txs"][1], client.call("tx", json!({ "hash": all["txs"][1]["hash"] })).await.unwrap());

    let second = json!({ "query": "executed.index = '1' AND tx.height > 3", "prove": true });
    let second = client.call("tx_search", second).await.unwrap();
    assert_eq!(places(&second), (vec!["7 1".to_owned()], "1"));
    assert!(second["txs"][0]["proof"]["root_hash"].is_string());

    let page = json!({ "query": "executed.index EXISTS", "page": "2", "per_page": "3", "order_by": "desc" });
    let page = client.call("tx_search", page).await.unwrap();
    assert_eq!(places(&page), (["6 0", "3 1", "3 0"].map(String::from).to_vec(), "7"));
    let (_, by_uri) =
        get(node.address, "/tx_search?query=\"executed.index%20EXISTS\"&page=2&per_page=3&order_by=\"desc\"")
            .await;
    assert_eq!(by_uri["result"], page);
    let none = client.call("tx_search", json!({ "query": "executed.index = '2'" })).await.unwrap();
    assert_eq!(none, json!({ "txs": [], "total_count": "0" }));
}

#[tokio::test]
async fn blocks_are_found_by_their_own_events() {
    let node = grown().await;
    let mut client = node.client();
    let query = json!({ "query": "block.height <= 6 AND block.parity = '0'" });
    let found = client.call("block_search", query).await.unwrap();
    assert_eq!(found["total_count"], "3");
    let heights: Vec<_> =
        found["blocks"].as_array().unwrap().iter().map(|one| &one["block"]["header"]["height"]).collect();
    assert_eq!(heights, ["6", "4", "2"], "the newest first");
    assert_eq!(found["blocks"][0], client.call("block", json!({ "height": "6" })).await.unwrap());
    let first = json!({ "query": "block.height > 0", "per_page": 1, "order_by": "asc" });
    let first = client.call("block_search", first).await.unwrap();
    assert_eq!(
        (&first["total_count"], &first["blocks"][0]["block"]["header"]["height"]),
        (&json!("10"), &json!("1"))
    );
}

#[tokio::test]
async fn what_is_no_search_is_refused() {
    let node = grown().await;
    let mut client = node.client();
    for (params, expected) in [
        (json!({}), -32602),
        (json!({ "query": "" }), -32602),
        (json!({ "query": "tx.height >" }), -32602),
        (json!({ "query": "tx.height > 0", "order_by": "up" }), -32602),
        (json!({ "query": "tx.height > 0", "page": 2 }), -32602),
        (json!({ "query": "tx.height > 0", "page": 0 }), -32602),
        (json!({ "query": "tx.height > 0", "page": "18446744073709551615" }), -32602),
        (json!({ "query": "x".repeat(513) }), -32602),
    ] {
        assert_eq!(error_code(client.call("tx_search", params.clone()).await), expected, "{params}");
    }
    let page = json!({ "query": "tx.height > 0", "page": "18446744073709551615" });
    let error = client.call("tx_search", page).await.unwrap_err().to_string();
    assert!(error.contains("no page 18446744073709551615 of a search"), "{error}");
    let status = client.call("status", json!({})).await.unwrap();
    assert_eq!(status["node_info"]["other"]["tx_index"], "on");
}

#[tokio::test]
async fn a_search_lasts_until_its_page_is_read() {
    let node = grown().await;
    let context = Arc::new(Context::new(node.handle.clone(), None, RpcConfig::default()));
    let of_all: &'static Arc<Context> = Box::leak(Box::new(Arc::clone(&context)));
    let caller = Caller::in_tests(Arc::clone(&context.clients));
    let query = vec![("query".to_owned(), "tx.height > 0".to_owned())];
    let params = params::Params::from_uri(query, &caller);
    let show = move |_: &NodeHandle, _, places: &[u32]| {
        assert_eq!(of_all.searches.under_way(), 1, "the page is of the search, and counts as it does");
        Ok(vec![json!(0); places.len()])
    };
    let found = search(&context, &params, Direction::Ascending, Search::txs, show).await.unwrap();
    assert_eq!((found.0.len(), found.1), (7, 7));
    assert_eq!(context.searches.under_way(), 0);
}
