//! The stream of events, followed by cursor through deaths of the node that tells it.

use std::time::Duration;

use althing_node::client::{Client, NodeUrl, integer};
use althing_tests::processes::{Chain, Load, Node, PATIENCE};
use serde_json::{Value, json};
use tokio::{sync::watch, time::sleep};

/// Events in one answer: so few that most blocks are cut.
const LIMIT: u64 = 7;
/// How soon a node is asked again that does not answer.
const AGAIN: Duration = Duration::from_millis(50);
/// How often the node is killed meanwhile.
const DEATHS: u64 = 3;

/// One event as far as `block_results` has it: height, transaction, what it says.
type Seen = (u64, Option<u64>, Value);

/// Follows the stream from its beginning until it has come behind the height that it is told at last.
async fn follow(url: NodeUrl, mut end: watch::Receiver<Option<u64>>) -> (Vec<Seen>, u64) {
    let (mut client, mut cursor) = (Client::new(url), "1.0.0".to_owned());
    let (mut seen, mut failures) = (Vec::new(), 0);
    loop {
        let reached: u64 = cursor.split('.').next().expect("a height").parse().expect("a number");
        if end.borrow_and_update().is_some_and(|end| reached > end) {
            return (seen, failures);
        }
        let params = json!({ "cursor": cursor, "limit": LIMIT, "wait_ms": 500 });
        let answer = match client.call("althing_events", params).await {
            Ok(answer) => answer,
            // It is away, or behind.
            Err(_) => {
                failures += 1;
                sleep(AGAIN).await;
                continue;
            }
        };
        seen.extend(answer["events"].as_array().expect("a list").iter().map(|event| {
            let said = json!({ "type": event["type"], "attributes": event["attributes"] });
            (integer(&event["height"]).expect("a height"), event["tx_index"].as_u64(), said)
        }));
        cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
    }
}

/// All events of the blocks up to a height.
async fn of_blocks(node: &mut Node, end: u64) -> Vec<Seen> {
    let mut all = Vec::new();
    for height in 1..=end {
        let results = node.ask("block_results", json!({ "height": height.to_string() })).await;
        let txs = results["txs_results"].as_array().into_iter().flatten().zip(0u64..);
        for (result, index) in txs {
            let events = result["events"].as_array().into_iter().flatten();
            all.extend(events.map(|event| (height, Some(index), event.clone())));
        }
        let events = results["finalize_block_events"].as_array().into_iter().flatten();
        all.extend(events.map(|event| (height, None, event.clone())));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_through_the_deaths_of_its_node_misses_and_repeats_nothing() {
    let mut chain = Chain::running(4).await;
    let (ended, end) = watch::channel(None);
    let following = tokio::spawn(follow(chain.url(0), end));
    let load = Load::start(&chain, &[1, 1, 2, 2, 3]);
    for death in 1..=DEATHS {
        load.acknowledged_by(1, 15 * death).await;
        chain.take(0).kill().await;
        let height = chain.node(1).height().await.expect("an answer");
        chain.node(1).reaches(height + 3).await;
        chain.start(0);
        chain.node(0).reaches(height).await;
    }
    load.stop().await;
    let height = chain.level().await;
    ended.send_replace(Some(height));
    let joined = tokio::time::timeout(PATIENCE, following).await.expect("the stream goes on to its end");
    let (mut seen, failures) = joined.expect("a follower does not panic");
    // A block that came since the nodes were level may be there already.
    seen.retain(|(at, ..)| *at <= height);
    assert!(failures > 0, "it noticed that the node was away");
    let expected = of_blocks(chain.node(2), height).await;
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
    eprintln!("{} events of {height} blocks through {DEATHS} deaths", seen.len());
}
