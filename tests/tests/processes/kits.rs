//! The Rust kit before real nodes: the example that pays, and the typed reads, also where the first node named is not there.

use std::process::Stdio;

use althing_crypto::TxHash;
use althing_ledger::asset::Address;
use althing_node::client::{Access, Client, Page, Shown};
use althing_tests::processes::{Chain, PATIENCE, example};
use tokio::{process::Command, time::timeout};

#[tokio::test]
async fn the_example_pays_and_typed_reads_find_it() {
    let mut chain = Chain::running(4).await;
    let [payer, paid] = [0, 1].map(|index| Address::of(&chain.account(index).public_key()));
    // One that is gone: whoever knows several is not stopped by it.
    drop(chain.take(0));
    let (gone, there) = (chain.url(0), chain.url(1));
    let run = Command::new(example("transfer"))
        .arg(chain.accounts_dir().join("0.key"))
        .args([&paid.to_string(), "5", "--node", &gone.to_string(), "--or", &there.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ran = timeout(PATIENCE, run).await.expect("in time").expect("a program");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}");
    let hash: TxHash = said.split(' ').next().expect("a word").parse().expect(&said);

    let mut client = Client::among(gone, [there, chain.url(2)], Access::default());
    let found = client.tx(&hash, true).await.expect("it is in a block");
    assert_eq!(found.tx_result.code, 0);
    let transfer = found.tx_result.events.iter().find(|event| event.kind == "transfer").expect(&said);
    let value =
        |key: &str| transfer.attributes.iter().find(|one| one.key == key).map(|one| one.value.as_str());
    assert_eq!((value("sender"), value("amount")), (Some(&*payer.to_string()), Some("5")));

    let status = client.status().await.expect("a status");
    assert!(status.sync_info.latest_block_height >= found.height && status.althing.halted.is_none());
    let block = client.block(Some(found.height)).await.expect("a block");
    assert_eq!(
        (block.block.header.height, &block.block.header.chain_id),
        (found.height, &status.node_info.network)
    );
    assert_eq!(block.block.data.txs[found.index as usize], found.tx);
    assert_eq!(found.proof.expect("it was asked for").root_hash, block.block.header.data_hash);
    let results = client.block_results(Some(found.height)).await.expect("results");
    assert_eq!(results.txs_results[found.index as usize], found.tx_result);
    let page = Page { page: 2, per_page: 3 };
    let validators = client.validators(None, page).await.expect("validators");
    assert_eq!((validators.total, validators.validators.len()), (4, 1));
    let query = format!("transfer.recipient = '{paid}' AND tx.height = {}", found.height);
    let search = client.tx_search(&query, Page::default(), false).await.expect("a search");
    assert_eq!((search.total_count, &search.txs[0].hash), (1, &found.hash));
    let (runs, _claim) = client.proof(Shown::Transaction(hash)).await.expect("a proof");
    assert_eq!(runs[0].headers[0].height.0, found.height);
    assert_eq!(client.account(&payer).await.expect("an account").sequence, 1);
}
