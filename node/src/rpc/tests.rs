//! The methods over real HTTP on loopback, in front of a node that is a script.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use althing_consensus::audit::Link;
use althing_consensus::light::{Claim, Run, Start};
use althing_consensus::{AppHash, Block, Epoch, Execution, Height, View};
use althing_crypto::{Encoding, TxHash, bls, ed25519, sha256};
use althing_genesis::Genesis;
use althing_ledger::{
    Application, AssetLedger, Attribute, Event, InitChain, TxResult,
    asset::{Address, Transaction},
    state::MemoryFiles,
};
use althing_mempool::{Outcome, Refusal};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::{caller::Caller, *};
use crate::{
    client::{Access, Client, ClientError, NodeUrl},
    config::RpcConfig,
    epochs::{Epochs, Seat},
    handle::{self, Ask, HandleBackend, NodeHandle, NodeStatus, Parts, PeerInfo},
    journal::{self, Journal, JournalLimits},
    new_chain,
};

mod chain;
mod clients;
mod dialect;
mod events;
mod fates;
mod limits;
mod many;
mod notices;
mod requests;
mod search;
mod subscriptions;
mod transactions;
mod turns;

/// A node that answers what a test tells it to.
struct Scripted {
    handle: NodeHandle,
    backend: HandleBackend,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Scripted {
    async fn start(config: RpcConfig) -> Self {
        Self::start_on(config, |server| server).await
    }

    async fn start_on(config: RpcConfig, prepare: impl FnOnce(Server) -> Server) -> Self {
        Self::start_in(Path::new(""), config, prepare).await
    }

    /// One whose files are in this directory.
    async fn start_in(home: &Path, config: RpcConfig, prepare: impl FnOnce(Server) -> Server) -> Self {
        let identity = ed25519::SecretKey::from_seed([1; 32]);
        let vote = bls::SecretKey::from_seed(&bls::BLS, &[1; 32]);
        let accounts = [Address::of(&identity.public_key())];
        let validators = vec![new_chain::validator("alice", &identity, &vote)];
        let mut document = new_chain::document("test-1", validators, &accounts);
        document.genesis_time_ms = 1_000;
        let genesis = Arc::new(Genesis::new(document, &bls::BLS).unwrap());
        let application = Arc::new(AssetLedger::open(Arc::new(MemoryFiles::new()), 10).unwrap());
        application
            .init_chain(&InitChain {
                chain_id: "test-1".into(),
                initial_height: 1,
                time_ms: 1_000,
                app_state: genesis.app_state().into(),
                ..Default::default()
            })
            .unwrap();
        let status = NodeStatus {
            epoch: Epoch(1),
            view: View(7),
            committed: Height(0),
            executed: Height(0),
            app_hash: AppHash::new(vec![9; 32]).unwrap(),
            catching_up: false,
            pending_txs: 3,
            pending_bytes: 600,
            validators: Arc::clone(genesis.validator_set()),
            params: Arc::new(genesis.params().clone()),
            position: None,
            peers: Arc::new([PeerInfo {
                identity: ed25519::SecretKey::from_seed([2; 32]).public_key(),
                software: "althing/0.1.0".into(),
                outbound: true,
            }]),
            halted: None,
        };
        let chain = chain::begun(&genesis);
        let epochs = Arc::new(Epochs::new(&genesis, chain.clone(), Seat::default()));
        let journal = Journal::in_memory(JournalLimits {
            max_txs: 80,
            max_bytes: 1 << 20,
            status_kept: Duration::from_secs(3_600),
        });
        let identity = identity.public_key();
        let parts = Parts { genesis, chain, application, epochs, identity, journal };
        let (handle, backend) = handle::channel(parts, status);
        tokio::spawn(journal::follow(handle.clone(), true));
        let config = RpcConfig { listen: "127.0.0.1:0".parse().unwrap(), ..config };
        let server = prepare(Server::bind(config, home).await.unwrap());
        let address = server.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = server.serve(handle.clone(), async { drop(stopped.await) });
        Self { handle, backend, address, stop, server: tokio::spawn(serving) }
    }

    fn client(&self) -> Client {
        Client::new(self.url())
    }

    fn url(&self) -> NodeUrl {
        format!("http://{}", self.address).parse().unwrap()
    }

    /// Stores a block with these transactions on top, and tells that it is executed.
    fn execute(&self, txs: &[&[u8]]) -> Block {
        self.announce(chain::append(&self.handle, txs))
    }

    fn announce(&self, block: Block) -> Block {
        self.backend.status.send_modify(|status| status.committed = block.header.height);
        self.backend.executed.send_replace(block.header.height);
        block
    }

    /// Answers the next submission.
    async fn admit(&mut self, outcome: Outcome) -> Vec<u8> {
        match self.backend.asks.recv().await {
            Some(Ask::Submit { tx, answer }) => {
                self.backend.journal.answered(&TxHash::of(&tx), &outcome);
                let _ = answer.send(outcome);
                tx
            }
            other => panic!("expected a submission, got {other:?}"),
        }
    }
}

/// Head and body of the answer to these bytes.
async fn exchange(address: SocketAddr, request: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Status and body, as JSON, of the answer to these bytes.
async fn raw(address: SocketAddr, request: &[u8]) -> (u16, Value) {
    let (head, body) = exchange(address, request).await;
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(&body).unwrap_or_default())
}

fn post_of(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

async fn post(address: SocketAddr, body: &[u8]) -> (u16, Value) {
    raw(address, &post_of(body)).await
}

async fn get(address: SocketAddr, uri: &str) -> (u16, Value) {
    raw(address, format!("GET {uri} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .await
}

fn error_code(result: Result<Value, ClientError>) -> i64 {
    match result {
        Err(ClientError::Rpc { code, .. }) => code,
        other => panic!("expected an error object, got {other:?}"),
    }
}

#[tokio::test]
async fn a_fresh_node_tells_where_it_stands() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    assert_eq!(client.call("health", json!({})).await.unwrap(), json!({}));

    let status = client.call("status", json!({})).await.unwrap();
    assert_eq!(status["node_info"]["network"], "test-1");
    assert_eq!(status["node_info"]["moniker"], "alice");
    assert_eq!(status["sync_info"]["latest_block_height"], "0");
    assert_eq!(status["sync_info"]["latest_app_hash"], "09".repeat(32));
    assert_eq!(status["sync_info"]["catching_up"], false);
    assert_eq!(status["validator_info"]["voting_power"], "1");
    assert_eq!(status["althing"]["view"], "7");

    let net = client.call("net_info", json!({})).await.unwrap();
    assert_eq!((&net["n_peers"], &net["peers"][0]["is_outbound"]), (&json!("1"), &json!(true)));

    let genesis = client.call("genesis", json!({})).await.unwrap();
    assert_eq!(genesis["genesis"]["genesis_time"], "1970-01-01T00:00:01Z");
    assert_eq!(genesis["genesis"]["validators"][0]["address"], status["validator_info"]["address"]);

    let params = client.call("consensus_params", json!({})).await.unwrap();
    assert_eq!(params["block_height"], "0");
    assert_eq!(params["consensus_params"], genesis["genesis"]["consensus_params"]);
    assert_eq!(params["althing"]["consensus_params"]["max_tx_bytes"], 65_536);
    assert_eq!(error_code(client.call("consensus_params", json!({"height": "2"})).await), -32603);

    let validators = client.call("validators", json!({})).await.unwrap();
    assert_eq!((&validators["total"], &validators["count"]), (&json!("1"), &json!("1")));
    assert_eq!(validators["validators"][0]["pub_key"]["type"], "tendermint/PubKeyEd25519");
    assert_eq!(error_code(client.call("validators", json!({"page": "2"})).await), -32602);

    let info = client.call("abci_info", json!({})).await.unwrap();
    assert_eq!(info["response"]["last_block_height"], "0");
    let hash = BASE64.encode(node.handle.application().info().unwrap().app_hash.as_bytes());
    assert_eq!(info["response"]["last_block_app_hash"], hash);
}

#[tokio::test]
async fn committed_blocks_are_found_by_height_and_transaction() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    node.execute(&[]);
    let block = node.execute(&[b"first", b"second", b"third"]);
    let hash = TxHash::of(b"second");

    let status = client.call("status", json!({})).await.unwrap();
    assert_eq!(status["sync_info"]["latest_block_height"], "2");
    assert_eq!(status["sync_info"]["latest_block_hash"], hex::encode_upper(block.hash()));
    assert_eq!(status["sync_info"]["earliest_block_height"], "1");

    let newest = client.call("block", json!({})).await.unwrap();
    assert_eq!(newest, client.call("block", json!({"height": "2"})).await.unwrap());
    assert_eq!(newest["block_id"]["hash"], hex::encode_upper(block.hash()));
    assert_eq!(newest["block"]["header"]["height"], "2");
    assert_eq!(newest["block"]["data"]["txs"][1], BASE64.encode("second"));
    assert_eq!(newest["block"]["last_commit"]["height"], "1");

    let results = client.call("block_results", json!({"height": 2})).await.unwrap();
    assert_eq!(results["app_hash"], BASE64.encode([2; 32]));
    assert_eq!(results["txs_results"][1]["events"][0]["attributes"][0]["value"], "1");

    let commit = client.call("commit", json!([2])).await.unwrap();
    assert_eq!(commit["signed_header"]["commit"]["signatures"][0]["block_id_flag"], 1);
    assert_eq!(commit["signed_header"]["commit"]["althing_certificate"]["signers"], json!([0]));

    let tx = client.call("tx", json!({"hash": hash.to_string(), "prove": true})).await.unwrap();
    assert_eq!((&tx["height"], &tx["index"]), (&json!("2"), &json!(1)));
    assert_eq!(tx["hash"], hex::encode_upper(hash));
    assert_eq!(tx["proof"]["root_hash"], newest["block"]["header"]["data_hash"]);
    assert_eq!(tx["proof"]["proof"]["aunts"].as_array().unwrap().len(), 2);
    let (status, by_uri) = get(node.address, &format!("/tx?hash=0x{hash}&prove=true")).await;
    assert_eq!((status, &by_uri["result"]), (200, &tx));

    assert_eq!(error_code(client.call("tx", json!({"hash": "00".repeat(32)})).await), -32603);
    assert_eq!(error_code(client.call("block", json!({"height": "3"})).await), -32603);
    assert_eq!(error_code(client.call("block", json!({"height": "0"})).await), -32602);
}

#[tokio::test]
async fn parts_of_light_proofs_are_encodings_in_base64() {
    let node = Scripted::start(RpcConfig::default()).await;
    let tx: &[u8] = b"some transaction";
    let block = node.execute(&[tx]);
    let above = node.execute(&[]);
    let mut client = node.client();
    fn decoded<T: Encoding>(value: &Value) -> T {
        T::decode(&BASE64.decode(value.as_str().unwrap()).unwrap()).unwrap()
    }
    let answer = client.call("althing_proof", json!({ "tx": TxHash::of(tx).to_string() })).await.unwrap();
    let run: Run = decoded(&answer["runs"][0]);
    assert_eq!((run.headers, run.seal.view), (vec![block.header.clone()], View(1)));
    let claim: Claim = decoded(&answer["claim"]);
    assert!(matches!(claim, Claim::Transaction { height: Height(1), tx: shown, .. } if shown == tx));
    let newest = client.call("althing_proof", json!({})).await.unwrap();
    assert_eq!(decoded::<Run>(&newest["runs"][0]).headers, [above.header]);
    assert_eq!(client.call("althing_epochs", json!({})).await.unwrap(), json!({ "ends": [] }));
    let links = client.call("althing_links", json!({ "from": "1", "limit": "1" })).await.unwrap();
    let link: Link = decoded(&links["links"][0]);
    assert_eq!((link.header, link.commit.map(|commit| commit.view)), (block.header, Some(View(1))));
    assert_eq!(links["links"].as_array().unwrap().len(), 1);
    assert_eq!(client.call("althing_links", json!({ "from": "3" })).await.unwrap(), json!({ "links": [] }));
    let start = client.call("althing_start", json!({ "height": "2" })).await.unwrap();
    assert!(matches!(decoded(&start["start"]), Start::Trusted { .. }));
    for (method, params, code) in [
        ("althing_proof", json!({ "height": "1", "tx": TxHash::of(tx).to_string() }), -32602),
        ("althing_proof", json!({ "height": "3" }), -32603),
        ("althing_proof", json!({ "state": "2" }), -32603),
        ("althing_proof", json!({ "result": TxHash::of(b"other").to_string() }), -32603),
        ("althing_start", json!({ "height": "0" }), -32602),
    ] {
        assert_eq!(error_code(client.call(method, params.clone()).await), code, "{method} {params}");
    }
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_told_so_at_once() {
    let node = Scripted::start(RpcConfig { max_connections: 1, ..RpcConfig::default() }).await;
    let mut first = node.client();
    first.call("health", json!({})).await.unwrap();
    let (head, body) = exchange(node.address, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: 1"), "{head}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["error"]["code"], -32004);
    assert_eq!(answer["error"]["retry_after_ms"], 500);
    first.call("health", json!({})).await.unwrap();
    drop(first);
    // It is given back when the node has seen that it is gone.
    while node.client().call("health", json!({})).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let node = Scripted::start(RpcConfig::default()).await;
    let taken = RpcConfig { listen: node.address, ..RpcConfig::default() };
    let error = Server::bind(taken, Path::new("")).await.err().unwrap().to_string();
    assert!(error.contains(&node.address.to_string()) && error.contains("rpc.listen"), "{error}");
}

#[tokio::test]
async fn a_stopped_server_lets_requests_end_and_takes_no_more() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let (mut client, mut later) = (node.client(), node.client());
    let params = json!({ "tx": BASE64.encode(b"tx") });
    let asked = tokio::spawn(async move { client.call("broadcast_tx_sync", params).await });
    let Some(Ask::Submit { answer, .. }) = node.backend.asks.recv().await else {
        panic!("expected a submission")
    };
    node.stop.send(()).unwrap();
    answer.send(Outcome::Accepted { duplicate: false }).unwrap();
    assert_eq!(asked.await.unwrap().unwrap()["code"], 0);
    node.server.await.unwrap();
    assert!(matches!(later.call("health", json!({})).await, Err(ClientError::Connect { .. })));
}

#[test]
fn every_code_is_in_the_table_once() {
    let table = include_str!("../../../docs/codes.md");
    let rows = |beginning: &str| table.lines().filter(|line| line.starts_with(beginning)).count();
    for code in althing_mempool::Code::ALL {
        assert_eq!(rows(&format!("| {} | {} | `", althing_mempool::CODESPACE, code as u32)), 1, "{code:?}");
    }
    for code in [Code::Stopping, Code::CommitTimeout] {
        assert_eq!(rows(&format!("| {CODESPACE} | {} | `", code as u32)), 1, "{code:?}");
    }
    for code in [-32700, -32600, -32601, -32602, -32603, -32001, -32004, RpcError::GAP] {
        assert_eq!(rows(&format!("| {code} | ")), 1, "{code}");
    }
    let unknown =
        table.lines().filter(|line| line.starts_with("| mempool | ") || line.starts_with("| rpc | "));
    assert_eq!(unknown.count(), althing_mempool::Code::ALL.len() + 2, "no code is listed that is not sent");
}
