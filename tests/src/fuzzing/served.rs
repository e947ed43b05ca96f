//! A node with a chain of some blocks, indexed and with a ledger that answers: what clients' requests are made of meets real data.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use althing_consensus::{Block, Epoch, Execution, Height, Phase, View, Vouched, notices_root, payload_root};
use althing_crypto::{Encoding, TxHash};
use althing_ledger::Application;
use althing_ledger::asset::{Address, Transaction};
use althing_mempool::{Outcome, Tx};
use althing_node::body::Body;
use althing_node::config::RpcConfig;
use althing_node::driver::ExecuteJob;
use althing_node::epochs::{Epochs, Seat};
use althing_node::handle::{self, Ask, HandleBackend, NodeHandle, NodeStatus, Parts, Standing};
use althing_node::journal::{Journal, JournalLimits};
use althing_node::rpc::serve_stream;
use althing_node::storage::{ChainStore, Indexing, MemoryStore, StoredResults};
use althing_node::workers::Executor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use super::chain::{ACCOUNTS, CHAIN, CHAIN_ID, GENESIS_TIME_MS, account_key, fresh_ledger};
use super::samples;

/// How many blocks the chain has.
pub(super) const HEIGHTS: u64 = 8;
/// What carries notices.
const NOTICED: u64 = 5;
/// What an answer may take, several times over: a batch of them ends at 8 MiB.
const MAX_ANSWER: usize = 10 << 20;

/// A node that takes every transaction, and commits none any more.
struct Served {
    runtime: Runtime,
    node: NodeHandle,
    config: RpcConfig,
    _kept: tokio::sync::watch::Sender<NodeStatus>,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    // One thread: a client that waits for another's to wake would wait for the most of an input's time.
    let runtime = Builder::new_current_thread().enable_all().build().expect("threads");
    let (parts, newest) = parts();
    let (node, backend) = handle::channel(parts, status(&newest));
    let HandleBackend { mut asks, status, executed, journal, .. } = backend;
    executed.send_replace(newest.height);
    runtime.spawn(async move {
        let _kept = executed;
        while let Some(ask) = asks.recv().await {
            // An asker that has gone is no error.
            let _ = match ask {
                Ask::Submit { tx, answer } => {
                    let outcome = Outcome::Accepted { duplicate: tx.len().is_multiple_of(2) };
                    journal.answered(&TxHash::of(&tx), &outcome);
                    answer.send(outcome).is_ok()
                }
                Ask::SubmitMany { txs, answer } => {
                    let outcome =
                        |tx: &Tx| Outcome::Accepted { duplicate: tx.bytes().len().is_multiple_of(2) };
                    let known: Vec<_> = txs.iter().map(|tx| (tx.hash(), outcome(tx))).collect();
                    known.iter().for_each(|(tx, outcome)| journal.answered(tx, outcome));
                    answer.send(known).is_ok()
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

/// The blocks of the chain, without that of genesis.
pub(super) fn bodies() -> Vec<Body> {
    let block = |height| SERVED.node.chain().block(Height(height)).expect("memory").expect("it is kept");
    (1..=HEIGHTS).map(block).collect()
}

/// What of a node its clients ask, and what came of the newest block.
fn parts() -> (Parts, Execution) {
    let chain = ChainStore::new(Arc::new(MemoryStore::new())).indexed(Indexing::On);
    let genesis = CHAIN.genesis.clone();
    chain.begin(genesis.hash(), &Body { block: CHAIN.opening.clone(), txs: Vec::new() }).expect("memory");
    let epochs = Arc::new(Epochs::new(&genesis, chain.clone(), Seat::default()));
    let application: Arc<dyn Application> = Arc::new(fresh_ledger(&genesis).0);
    let executor = Executor::new(Arc::clone(&epochs), chain.clone(), Arc::clone(&application));
    let mut parent = CHAIN.opening.clone();
    for height in (1..=HEIGHTS).map(Height) {
        let body = Arc::new(body(height, &parent, chain.results(parent.header.height).expect("memory")));
        parent = body.block.clone();
        let [votes, certificate] =
            [Phase::Vote, Phase::Commit].map(|phase| samples::qc(phase, height.0, parent.hash()));
        chain.commit_voted(&[body], &certificate, Some(&votes)).expect("memory");
        executor.run(ExecuteJob::Block(height)).expect("the next block");
    }
    let newest = chain.results(Height(HEIGHTS)).expect("memory").expect("it was executed").execution;
    // Soon full: no block takes anything out of it.
    let limits = JournalLimits { max_txs: 800, max_bytes: 1 << 20, status_kept: Duration::from_secs(1) };
    let (identity, journal) = (CHAIN.identities[0].public_key(), Journal::in_memory(limits));
    (Parts { genesis, chain, application, epochs, identity, journal }, newest)
}

/// A block on another, which vouches for what came of that.
fn body(height: Height, parent: &Block, before: Option<StoredResults>) -> Body {
    let txs = transfers(height.0);
    let mut block = Block {
        header: parent.header.clone(),
        txs: txs.iter().map(|tx| TxHash::of(tx)).collect(),
        notices: if height.0 == NOTICED { samples::notices() } else { Vec::new() },
    };
    let header = &mut block.header;
    (header.epoch, header.height, header.view) = (Epoch(1), height, View(height.0));
    (header.parent, header.justify_view) = (parent.hash(), parent.header.view);
    header.time_ms = GENESIS_TIME_MS + 1_000 * height.0;
    header.payload_root = payload_root(&block.txs);
    header.evidence_root = notices_root(&block.notices);
    if let Some(StoredResults { execution, next_epoch, .. }) = before {
        header.vouched = Vouched {
            height: execution.height,
            executed_root: Execution::root([&execution]),
            app_hash: execution.app_hash,
            next_epoch,
        };
    }
    Body { block, txs: txs.into_iter().map(Into::into).collect() }
}

/// None to three transfers, each height's of one account; the last of three fails: it is more than there is.
fn transfers(height: u64) -> Vec<Vec<u8>> {
    let (round, count) = (height / u64::from(ACCOUNTS), height % u64::from(ACCOUNTS));
    let (key, first) = (account_key(count as u8), round * count);
    let transfer = |index: u64| {
        let to = Address::of(&account_key(index as u8).public_key());
        let amount = if index == 2 { u64::MAX.into() } else { u128::from(height * 10 + index) };
        Transaction::transfer(CHAIN_ID, &key, first + index, HEIGHTS, to, amount, "memo").encode()
    };
    (0..count).map(transfer).collect()
}

fn status(newest: &Execution) -> NodeStatus {
    NodeStatus {
        epoch: Epoch(1),
        view: View(newest.height.0 + 1),
        committed: newest.height,
        executed: newest.height,
        app_hash: newest.app_hash.clone(),
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
