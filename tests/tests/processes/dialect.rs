//! A widespread client of CometBFT's dialect, as it is published: each method that it has, over HTTP and over a WebSocket.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use althing_crypto::{Encoding, TxHash};
use althing_ledger::asset::{Address, Transaction};
use althing_node::client::integer;
use althing_tests::processes::{Chain, PATIENCE};
use futures::StreamExt;
use serde_json::Value;
use tendermint::{
    Hash, Signature, Time, Vote,
    block::{self, Height, Round},
    evidence::{DuplicateVoteEvidence, Evidence},
    validator, vote,
};
use tendermint_rpc::{
    Client, Error, HttpClient, Order, Paging, SubscriptionClient, WebSocketClient,
    client::CompatMode,
    error::ErrorDetail,
    event::EventData,
    query::{EventType, Query},
};
use tokio::time::timeout;

/// Transfers of one account, each with the next sequence.
struct Transfers {
    chain_id: String,
    key: althing_crypto::ed25519::SecretKey,
    to: Address,
    next: u64,
}

impl Transfers {
    fn of(chain: &Chain, account: usize) -> Self {
        let (key, to) = (chain.account(account), Address::of(&chain.account(account + 1).public_key()));
        Self { chain_id: chain.genesis().chain_id().to_owned(), key, to, next: 0 }
    }

    fn next(&mut self) -> Vec<u8> {
        self.next += 1;
        Transaction::transfer(&self.chain_id, &self.key, self.next - 1, 0, self.to, 1, "").encode()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_of_tendermint_rpc_works_over_http_and_websocket() {
    let chain = Chain::running(4).await;
    let address = chain.ports().rpc(0);
    let http = HttpClient::new(format!("http://{address}").as_str()).unwrap();
    every_method(&http, &chain, 0).await;
    let (websocket, driver) =
        WebSocketClient::new(format!("ws://{address}/websocket").as_str()).await.unwrap();
    let driving = tokio::spawn(driver.run());
    every_method(&websocket, &chain, 2).await;
    subscriptions(&websocket, &chain, 4).await;
    websocket.close().unwrap();
    driving.await.unwrap().unwrap();
}

async fn every_method(client: &(impl Client + Sync), chain: &Chain, account: usize) {
    let mut transfers = Transfers::of(chain, account);
    client.wait_until_healthy(Duration::from_secs(30)).await.unwrap();
    client.health().await.unwrap();
    let status = client.status().await.unwrap();
    assert_eq!(CompatMode::from_version(status.node_info.version).unwrap(), CompatMode::V0_38);
    assert_eq!(status.node_info.network.as_str(), chain.genesis().chain_id());
    assert_eq!(client.net_info().await.unwrap().peers.len(), 3);

    // What is handed in, and found again.
    let accepted = client.broadcast_tx_sync(transfers.next()).await.unwrap();
    assert!(accepted.code.is_ok(), "{accepted:?}");
    assert!(client.broadcast_tx_async(transfers.next()).await.unwrap().code.is_ok());
    let tx = transfers.next();
    let committed = client.broadcast_tx_commit(tx.clone()).await.unwrap();
    assert!(committed.check_tx.code.is_ok() && committed.tx_result.code.is_ok(), "{committed:?}");
    let (hash, height) = (committed.hash, committed.height);
    assert_eq!(hash.as_bytes(), TxHash::of(&tx).as_bytes());
    let found = client.tx(hash, true).await.unwrap();
    assert_eq!((found.height, &found.tx, found.proof.unwrap().data), (height, &tx, tx.clone()));
    let query = Query::eq("tx.hash", hash.to_string());
    let search = client.tx_search(query, true, 1, 30, Order::Ascending).await.unwrap();
    assert_eq!((search.total_count, search.txs[0].hash), (1, hash));
    let query = Query::gte("block.height", 1_u64).and_lte("block.height", height.value());
    let search = client.block_search(query, 1, 1, Order::Descending).await.unwrap();
    assert_eq!(
        (u64::from(search.total_count), search.blocks[0].block.header.height),
        (height.value(), height)
    );

    // Blocks, by height and by hash.
    let block = client.block(height).await.unwrap();
    assert!(block.block.data.contains(&tx));
    assert_eq!(block.block.header.height, height);
    assert_eq!(client.block_by_hash(block.block_id.hash).await.unwrap().block, Some(block.block.clone()));
    assert!(client.latest_block().await.unwrap().block.header.height >= height);
    assert_eq!(client.header(height).await.unwrap().header, block.block.header);
    assert_eq!(
        client.header_by_hash(block.block_id.hash).await.unwrap().header,
        Some(block.block.header.clone())
    );
    let headers = client.blockchain(Height::from(1_u32), height).await.unwrap();
    assert_eq!(headers.block_metas[0].header, block.block.header);
    let results = client.block_results(height).await.unwrap();
    assert!(results.txs_results.unwrap().iter().all(|result| result.code.is_ok()));
    assert!(client.latest_block_results().await.unwrap().height >= height);
    let commit = client.commit(height).await.unwrap().signed_header;
    assert_eq!((&commit.header, commit.commit.signatures.len()), (&block.block.header, 4));
    assert!(commit.commit.signatures.iter().all(block::CommitSig::is_absent), "BLS has no place there");
    assert!(client.latest_commit().await.unwrap().signed_header.header.height >= height);

    // Who agrees, on what terms.
    for paging in [
        Paging::Default,
        Paging::All,
        Paging::Specific { page_number: 1_usize.into(), per_page: 10_u8.into() },
    ] {
        let validators = client.validators(height, paging).await.unwrap();
        assert_eq!((validators.validators.len(), validators.total), (4, 4));
    }
    let members = client.validators(height, Paging::Default).await.unwrap().validators;
    assert!(members.iter().any(|member| member.address == block.block.header.proposer_address));
    let params = client.consensus_params(height).await.unwrap().consensus_params;
    assert_eq!(params.block.max_bytes, u64::from(chain.genesis().params().max_block_bytes));
    client.latest_consensus_params().await.unwrap();
    let state = client.consensus_state().await.unwrap().round_state;
    assert!(state.height_round_step.height > height);
    let genesis = client.genesis::<Value>().await.unwrap();
    assert_eq!((genesis.chain_id.as_str(), genesis.validators.len()), (chain.genesis().chain_id(), 4));
    assert_eq!(client.genesis_chunked(0).await.unwrap().total, 1);
    let chunks: Vec<_> = client.genesis_chunked_stream().await.collect().await;
    assert!(chunks.iter().all(Result::is_ok) && chunks.len() == 1);

    // The application.
    let info = client.abci_info().await.unwrap();
    assert_eq!(info.data, "asset-ledger");
    let account = Address::of(&chain.account(account).public_key()).to_string();
    let answer = client.abci_query(Some("account".into()), account, None, false).await.unwrap();
    assert!(answer.code.is_ok(), "{answer:?}");
    let account: Value = serde_json::from_slice(&answer.value).unwrap();
    assert_eq!(integer(&account["sequence"]), Some(3), "{account}");

    // It knows two Ed25519 votes as evidence; here validators vote by BLS, so there is none that it could hand in.
    let refused = client.broadcast_evidence(evidence(&members[0], height)).await.unwrap_err();
    assert_eq!(code(&refused), -32602, "{refused}");
    assert_eq!(code(&client.tx(Hash::Sha256([7; 32]), false).await.unwrap_err()), -32603);
}

async fn subscriptions(client: &WebSocketClient, chain: &Chain, account: usize) {
    let mut transfers = Transfers::of(chain, account);
    let mut blocks = client.subscribe(EventType::NewBlock.into()).await.unwrap();
    let tx = transfers.next();
    let hash = TxHash::of(&tx).to_string().to_uppercase();
    let query = Query::from(EventType::Tx).and_eq("tx.hash", hash.clone());
    let mut txs = client.subscribe(query.clone()).await.unwrap();
    let committed = client.broadcast_tx_commit(tx.clone()).await.unwrap();

    let told = timeout(PATIENCE, txs.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(told.events.unwrap()["tx.hash"], [hash]);
    let EventData::Tx { tx_result } = told.data else { panic!("{:?}", told.data) };
    assert_eq!((tx_result.height, tx_result.tx), (committed.height.value() as i64, tx.clone()));
    loop {
        let told = timeout(PATIENCE, blocks.next()).await.unwrap().unwrap().unwrap();
        let EventData::NewBlock { block, block_id, result_finalize_block } = told.data else {
            panic!("{:?}", told.data)
        };
        let block = block.unwrap();
        assert_eq!(client.block(block.header.height).await.unwrap().block_id, block_id);
        assert_eq!(result_finalize_block.unwrap().tx_results.len(), block.data.len());
        if block.data.contains(&tx) {
            break;
        }
    }
    client.unsubscribe(query).await.unwrap();
    client.unsubscribe(EventType::NewBlock.into()).await.unwrap();
}

fn evidence(member: &validator::Info, height: Height) -> Evidence {
    let vote = Vote {
        vote_type: vote::Type::Precommit,
        height,
        round: Round::default(),
        block_id: None,
        timestamp: Some(Time::unix_epoch()),
        validator_address: member.address,
        validator_index: 0_u32.try_into().unwrap(),
        signature: Signature::new([7; 64]).unwrap(),
        extension: Vec::new(),
        extension_signature: None,
    };
    Evidence::DuplicateVote(Box::new(DuplicateVoteEvidence::new(vote.clone(), vote).unwrap()))
}

/// The code of an error object.
fn code(error: &Error) -> i32 {
    match error.detail() {
        ErrorDetail::Response(detail) => detail.source.code().value(),
        other => panic!("no error object: {other:?}"),
    }
}
