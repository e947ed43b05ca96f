//! JSON-RPC, from the bytes of a connection to those of the answer, against a chain of one block.
//!
//! The first byte says what the rest is: bytes of HTTP, the body of a POST, or method and query of a GET.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use althing_consensus::{AppHash, Epoch, Execution, Height, Phase, View};
use althing_crypto::{Hash, TxHash, sha256};
use althing_ledger::{Application, TxResult};
use althing_mempool::Outcome;
use althing_node::body::Body;
use althing_node::config::RpcConfig;
use althing_node::epochs::{Epochs, Seat};
use althing_node::handle::{self, Ask, HandleBackend, NodeHandle, NodeStatus, Parts, Standing};
use althing_node::journal::{Journal, JournalLimits};
use althing_node::rpc::serve_stream;
use althing_node::storage::{ChainStore, MemoryStore, StoredResults};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use super::chain::{CHAIN, fresh_ledger};
use super::samples;

/// What an answer may take, several times over: a batch of them ends at 8 MiB.
const MAX_ANSWER: usize = 10 << 20;

/// A node that takes every transaction, and commits none.
struct Served {
    runtime: Runtime,
    node: NodeHandle,
    config: RpcConfig,
    _kept: tokio::sync::watch::Sender<NodeStatus>,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
    let (node, backend) = handle::channel(parts(), status());
    let HandleBackend { mut asks, status, executed, journal, .. } = backend;
    executed.send_replace(Height(1));
    runtime.spawn(async move {
        let _kept = executed;
        while let Some(ask) = asks.recv().await {
            // An asker that has gone is no error.
            let _ = match ask {
                Ask::Submit { tx, answer } => {
                    let outcome = Outcome::Accepted { duplicate: tx.len() % 2 == 0 };
                    journal.answered(&TxHash::of(&tx), &outcome);
                    answer.send(outcome).is_ok()
                }
                Ask::Standing { answer, .. } => answer.send(Standing::Unknown).is_ok(),
                Ask::Notice { notice, answer } => {
                    let taken = notice.epoch().0 % 2 == 0;
                    answer.send(if taken { Ok(()) } else { Err("not this one".to_owned()) }).is_ok()
                }
                Ask::Pending { limit, answer } => answer.send(vec![vec![7]; limit.min(3)]).is_ok(),
            };
        }
    });
    let config = RpcConfig { commit_timeout_ms: 1, max_body_bytes: 4_096, ..RpcConfig::default() };
    Served { runtime, node, config, _kept: status }
});

/// A chain whose block 1 is stored and executed.
fn parts() -> Parts {
    let chain = ChainStore::new(Arc::new(MemoryStore::new()));
    let genesis = Body { block: CHAIN.opening.clone(), txs: Vec::new() };
    chain.begin(CHAIN.genesis.hash(), &genesis).expect("memory");
    let body = Arc::new(samples::body(1, None));
    let certificate = samples::qc(Phase::Commit, 1, body.block.hash());
    chain.commit(std::slice::from_ref(&body), &certificate).expect("memory");
    let execution =
        Execution { height: Height(1), app_hash: AppHash::default(), results_root: sha256(b"results") };
    let tx_results = vec![TxResult::default(); body.txs.len()];
    let results = StoredResults { execution, next_epoch: Hash::ZERO, tx_results, events: Vec::new() };
    chain.put_results(&body.block.txs, &results, None).expect("memory");
    let application: Arc<dyn Application> = Arc::new(fresh_ledger(&CHAIN.genesis).0);
    let genesis = CHAIN.genesis.clone();
    let epochs = Arc::new(Epochs::new(&genesis, chain.clone(), Seat::default()));
    // Soon full: no block takes anything out of it.
    let limits = JournalLimits { max_txs: 800, max_bytes: 1 << 20, status_kept: Duration::from_secs(1) };
    let (identity, journal) = (CHAIN.identities[0].public_key(), Journal::in_memory(limits));
    Parts { genesis, chain, application, epochs, identity, journal }
}

fn status() -> NodeStatus {
    NodeStatus {
        epoch: Epoch(1),
        view: View(2),
        committed: Height(1),
        executed: Height(1),
        app_hash: AppHash::default(),
        catching_up: false,
        pending_txs: 3,
        pending_bytes: 3,
        validators: CHAIN.set().clone(),
        params: Arc::new(CHAIN.genesis.params().clone()),
        position: None,
        peers: Arc::new([]),
        halted: None,
    }
}

/// Says the bytes to the server, and looks at what it answers.
pub fn rpc(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => raw(rest),
        1 => posted(rest),
        _ => asked(rest),
    }
}

/// Whatever is said, every word of the answer is HTTP.
fn raw(bytes: &[u8]) {
    let answer = exchange(bytes.to_vec(), true);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
}

/// Any body is answered in JSON-RPC, or, if it holds notifications only, by nothing.
fn posted(body: &[u8]) {
    let head =
        format!("POST / HTTP/1.1\r\nhost: n\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let Some(answer) = body_of(&exchange([head.as_bytes(), body].concat(), false)) else { return };
    match answer {
        Value::Array(answers) => answers.iter().for_each(envelope),
        one => envelope(&one),
    }
}

/// Any path and query are answered, be it that there is no such method.
fn asked(target: &[u8]) {
    let printable = |byte: &u8| if byte.is_ascii_graphic() { *byte } else { b'"' };
    let target: Vec<u8> = target.iter().map(printable).collect();
    let request = [b"GET /", &target[..], b" HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n"].concat();
    let answer = exchange(request, false);
    assert!(answer.starts_with(b"HTTP/1."));
    if answer.starts_with(b"HTTP/1.1 200") && !target.is_empty() && !b"#?".contains(&target[0]) {
        body_of(&answer).iter().for_each(envelope);
    }
}

/// The JSON of an answer, none if it is empty.
pub(super) fn body_of(answer: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the head: {text}"));
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    (!body.is_empty()).then(|| serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// An answer has an id and either a result or an error, and no error says that the node itself failed.
pub(super) fn envelope(answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    assert!(answer.get("id").is_some_and(|id| id.is_null() || id.is_number() || id.is_string()), "{answer}");
    assert_ne!(answer.get("result").is_some(), answer.get("error").is_some(), "{answer}");
    if let Some(error) = answer.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
        let panicked =
            ["the read failed", "the request failed"].iter().any(|said| error.to_string().contains(said));
        assert!(!panicked, "a method panicked: {answer}");
    }
}

/// What the server says to a client that says this and no more, and perhaps hangs up before it has heard the answer, as a request
/// that is not whole would keep the server waiting.
pub(super) fn exchange(request: Vec<u8>, hangs_up: bool) -> Vec<u8> {
    let Served { runtime, node, config, .. } = &*SERVED;
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let serving = tokio::spawn(serve_stream(node.clone(), config.clone(), server));
        let (mut read, mut write) = tokio::io::split(&mut client);
        let say = async {
            // A server that hangs up has heard enough.
            let _ = write.write_all(&request).await;
            if hangs_up {
                let _ = write.shutdown().await;
            }
        };
        let mut answer = Vec::new();
        let (_, heard) = tokio::join!(say, read.read_to_end(&mut answer));
        heard.expect("memory");
        serving.await.expect("the server does not panic");
        assert!(answer.len() <= MAX_ANSWER, "an answer of {} bytes", answer.len());
        answer
    })
}

/// What the server says to a client that says this, and hangs up once it has heard enough.
pub(super) fn exchange_until(request: Vec<u8>, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let Served { runtime, node, config, .. } = &*SERVED;
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let serving = tokio::spawn(serve_stream(node.clone(), config.clone(), server));
        client.write_all(&request).await.expect("memory");
        let mut answer = Vec::new();
        while !enough(&answer) && client.read_buf(&mut answer).await.expect("memory") > 0 {
            assert!(answer.len() <= MAX_ANSWER, "an answer of {} bytes", answer.len());
        }
        drop(client);
        serving.await.expect("the server does not panic");
        answer
    })
}
