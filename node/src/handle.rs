//! The seam between a running node and whoever asks it: JSON-RPC, tests, a program that embeds a node.
//!
//! [`channel`] makes both ends. A [`NodeHandle`] reads what is committed from the stores by itself, follows where the node stands through
//! watch channels, and sends [`Ask`]s through a bounded one. The node's shell holds the [`HandleBackend`]: it answers the asks
//! and publishes what changed. No question of a client makes the driver wait.

use std::collections::HashMap;
use std::sync::Arc;

use althing_consensus::{AppHash, ConsensusParams, Epoch, Height, Notice, Position, ValidatorSet, View};
use althing_crypto::{TxHash, ed25519};
use althing_genesis::Genesis;
use althing_ledger::Application;
pub use althing_mempool::Status as Standing;
use althing_mempool::{CODESPACE, Code, Outcome, Refusal, Tx};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::epochs::Epochs;
use crate::journal::{Broken, Full, Journal};
use crate::meters::Meters;
use crate::storage::ChainStore;

/// Asks that may wait for the driver.
const MAX_ASKS: usize = 512;
/// Of these so many may ask where a transaction stands: submissions must not find the queue full of questions.
const MAX_STANDINGS: usize = 32;
/// The name under which the journal counts what this process hands in itself: it has no share.
const OWN: &str = "";

/// Where a node stands. Published by the driver's shell; a reader sees the newest one.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// The epoch it is in.
    pub epoch: Epoch,
    /// The view it is in.
    pub view: View,
    /// The newest committed block's height.
    pub committed: Height,
    /// The newest executed block's height; its results and index entries are stored.
    pub executed: Height,
    /// The application's hash after it.
    pub app_hash: AppHash,
    /// Whether peers show a height that it still has to fetch.
    pub catching_up: bool,
    /// Pending transactions.
    pub pending_txs: usize,
    /// Their bytes together.
    pub pending_bytes: usize,
    /// The epoch's validators.
    pub validators: Arc<ValidatorSet>,
    /// The epoch's parameters.
    pub params: Arc<ConsensusParams>,
    /// This node's place among them, if it is one.
    pub position: Option<Position>,
    /// The peers connected now.
    pub peers: Arc<[PeerInfo]>,
    /// Why it has stopped voting and executing, if it has; reads go on.
    pub halted: Option<String>,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its identity key.
    pub identity: ed25519::PublicKey,
    /// The software it runs, in its own words.
    pub software: String,
    /// Whether this node opened the connection.
    pub outbound: bool,
}

/// What became of a submitted transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Names it.
    pub hash: TxHash,
    /// Whether the mempool took it. One that was there already gets its first answer.
    pub outcome: Outcome,
}

/// Why a question had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The queue to the driver is full.
    #[error("the node is overloaded: {MAX_ASKS} submissions wait already; try again in a moment")]
    Overloaded,
    /// The node is going down.
    #[error("the node is stopping")]
    Stopping,
    /// There is no room in the journal to keep it.
    #[error(transparent)]
    Full(#[from] Full),
    /// The journal cannot keep anything: the mempool may have the transaction, but the node does not answer for it.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// A question that only the driver can answer. Whoever asked may have gone: an answer that nobody takes is no error.
#[derive(Debug)]
pub enum Ask {
    /// Take a transaction into the mempool.
    Submit {
        /// Its bytes, at most `max_tx_bytes` of the genesis parameters.
        tx: Vec<u8>,
        /// Takes the outcome of its admission.
        answer: oneshot::Sender<Outcome>,
    },
    /// Take several transactions into the mempool.
    SubmitMany {
        /// Each has at most `max_tx_bytes` of the genesis parameters.
        txs: Vec<Tx>,
        /// Takes the outcomes of all once the last one is known, in any order.
        answer: oneshot::Sender<Vec<(TxHash, Outcome)>>,
    },
    /// Take a notice towards a block.
    Notice {
        /// The notice.
        notice: Box<Notice>,
        /// Takes what became of it.
        answer: oneshot::Sender<Result<(), String>>,
    },
    /// Where a transaction stands in the mempool.
    Standing {
        /// Names it.
        tx: TxHash,
        /// Takes where it stands.
        answer: oneshot::Sender<Standing>,
    },
    /// The pending transactions that would go into a block first.
    Pending {
        /// How many.
        limit: usize,
        /// Takes them.
        answer: oneshot::Sender<Vec<Vec<u8>>>,
    },
}

/// What everyone may ask of a running node. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    node: Arc<Parts>,
    asks: mpsc::Sender<Ask>,
    status: watch::Receiver<NodeStatus>,
    executed: watch::Receiver<Height>,
    meters: Arc<Meters>,
    standings: Arc<Semaphore>,
}

/// What does not change while a node runs.
#[derive(Clone)]
pub struct Parts {
    /// The chain's genesis document.
    pub genesis: Arc<Genesis>,
    /// Committed blocks, results and index.
    pub chain: ChainStore,
    /// What the chain runs.
    pub application: Arc<dyn Application>,
    /// The epochs of the chain.
    pub epochs: Arc<Epochs>,
    /// This node's identity key.
    pub identity: ed25519::PublicKey,
    /// What clients were told is taken.
    pub journal: Journal,
}

/// The node's end of the seam.
pub struct HandleBackend {
    /// To be answered, in order. Closed when all handles are gone, which is no reason to stop.
    pub asks: mpsc::Receiver<Ask>,
    /// To be told whenever it changes; a reader of a stale height would be misled.
    pub status: watch::Sender<NodeStatus>,
    /// To be raised after a block's results and index entries are stored: who waits for commits wakes by it.
    pub executed: watch::Sender<Height>,
    /// To be told what the mempool answers and drops, in its order.
    pub journal: Journal,
    /// To be counted by.
    pub meters: Arc<Meters>,
}

/// Both ends, for a node that stands at `status`.
pub fn channel(parts: Parts, status: NodeStatus) -> (NodeHandle, HandleBackend) {
    let (asks, asked) = mpsc::channel(MAX_ASKS);
    let (executed, executed_seen) = watch::channel(status.executed);
    let (status, status_seen) = watch::channel(status);
    let meters = Arc::<Meters>::default();
    let (journal, counted) = (parts.journal.clone(), Arc::clone(&meters));
    let backend = HandleBackend { asks: asked, status, executed, journal, meters };
    let handle = NodeHandle {
        node: Arc::new(parts),
        asks,
        status: status_seen,
        executed: executed_seen,
        meters: counted,
        standings: Arc::new(Semaphore::new(MAX_STANDINGS)),
    };
    (handle, backend)
}

impl NodeHandle {
    /// The chain's genesis document.
    pub fn genesis(&self) -> &Genesis {
        &self.node.genesis
    }

    /// Committed blocks, results and index. Its methods block on the disk.
    pub fn chain(&self) -> &ChainStore {
        &self.node.chain
    }

    /// The epochs of the chain. Its methods may block on the disk.
    pub fn epochs(&self) -> &Epochs {
        &self.node.epochs
    }

    /// What the chain runs. Its methods may block.
    pub fn application(&self) -> &Arc<dyn Application> {
        &self.node.application
    }

    /// This node's identity key.
    pub fn identity(&self) -> ed25519::PublicKey {
        self.node.identity
    }

    /// What the node has counted since it started.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Where the node stands.
    pub fn status(&self) -> NodeStatus {
        self.status.borrow().clone()
    }

    /// Follows where the node stands; ends when the node does.
    pub fn status_changes(&self) -> watch::Receiver<NodeStatus> {
        self.status.clone()
    }

    /// Follows the height whose results can be found; ends when the node does.
    pub fn executed(&self) -> watch::Receiver<Height> {
        self.executed.clone()
    }

    /// What clients were told is taken, and what became of it.
    pub fn journal(&self) -> &Journal {
        &self.node.journal
    }

    /// Hands in a transaction and waits for the outcome of its admission. Unless it is refused, it is durable in the journal.
    pub async fn submit(&self, tx: Vec<u8>) -> Result<Submission, AskError> {
        self.submit_for(OWN, tx).await
    }

    /// As [`Self::submit`], on the account of this client.
    pub async fn submit_for(&self, client: &str, tx: Vec<u8>) -> Result<Submission, AskError> {
        let hash = TxHash::of(&tx);
        if let Some(refusal) = self.too_large(&tx) {
            return Ok(Submission { hash, outcome: Outcome::Refused(refusal) });
        }
        let above = *self.executed.borrow();
        let entered = self.node.journal.enter(hash, &tx, client, above)?;
        let outcome = match self.ask(|answer| Ask::Submit { tx, answer }).await? {
            // Nobody is told of a commit before its results can be read.
            Outcome::Committed { height } if Height(height) > *self.executed.borrow() => {
                Outcome::Accepted { duplicate: true }
            }
            outcome => outcome,
        };
        // What is executed the chain answers for.
        if matches!(outcome, Outcome::Accepted { .. }) {
            entered.keep().await?;
        }
        Ok(Submission { hash, outcome })
    }

    /// As [`Self::submit_for`], of many transactions at once: they are durable with one sync, and their outcomes stand in their order. What
    /// the journal has no room for is refused by itself.
    pub async fn submit_many_for(
        &self,
        client: &str,
        txs: Vec<Vec<u8>>,
    ) -> Result<Vec<Submission>, AskError> {
        let txs: Vec<Tx> = txs.into_iter().map(Tx::hashed).collect();
        let hashes: Vec<TxHash> = txs.iter().map(Tx::hash).collect();
        let above = *self.executed.borrow();
        let too_large: Vec<Option<Refusal>> = txs.iter().map(|tx| self.too_large(tx.bytes())).collect();
        let entering = hashes.iter().zip(&txs).zip(&too_large).filter(|(_, too_large)| too_large.is_none());
        let entering = entering.map(|((hash, tx), _)| (*hash, tx.bytes().clone()));
        let entered = self.node.journal.enter_many(entering, client, above);
        let mut known: HashMap<TxHash, Outcome> = HashMap::new();
        let full = |full: Full| Refusal {
            code: Code::Full as u32,
            codespace: CODESPACE.to_owned(),
            log: full.to_string(),
        };
        let (mut offered, mut refused) = (Vec::with_capacity(txs.len()), entered.refused().clone());
        for (index, tx) in txs.into_iter().enumerate() {
            let refusal = too_large[index].clone().or_else(|| refused.remove(&hashes[index]).map(full));
            match refusal {
                Some(refusal) => drop(known.insert(hashes[index], Outcome::Refused(refusal))),
                None if !known.is_empty() && known.contains_key(&hashes[index]) => {}
                None => offered.push(tx),
            }
        }
        if !offered.is_empty() {
            known.extend(self.ask(|answer| Ask::SubmitMany { txs: offered, answer }).await?);
        }
        let executed = *self.executed.borrow();
        let submissions = hashes.iter().map(|hash| {
            let outcome = match known.get(hash).ok_or(AskError::Stopping)? {
                // Nobody is told of a commit before its results can be read.
                Outcome::Committed { height } if Height(*height) > executed => {
                    Outcome::Accepted { duplicate: true }
                }
                outcome => outcome.clone(),
            };
            Ok(Submission { hash: *hash, outcome })
        });
        let submissions: Vec<Submission> = submissions.collect::<Result<_, AskError>>()?;
        let accepted = submissions.iter().filter(|one| matches!(one.outcome, Outcome::Accepted { .. }));
        entered.keep(accepted.map(|one| &one.hash)).await?;
        Ok(submissions)
    }

    /// Hands in a transaction without waiting for its admission: it is durable in the journal, which knows later what became of it.
    /// Refused only where no block could carry it.
    pub async fn offer_for(&self, client: &str, tx: Vec<u8>) -> Result<Submission, AskError> {
        let hash = TxHash::of(&tx);
        if let Some(refusal) = self.too_large(&tx) {
            return Ok(Submission { hash, outcome: Outcome::Refused(refusal) });
        }
        let place = self.asks.try_reserve().map_err(no_place)?;
        let above = *self.executed.borrow();
        let entered = self.node.journal.enter(hash, &tx, client, above)?;
        // What is executed has its end: the journal would wait for another.
        let chain = self.node.chain.clone();
        let found = tokio::task::spawn_blocking(move || chain.tx_location(&hash)).await;
        if let Ok(Ok(Some(at))) = found
            && at.height <= *self.executed.borrow()
        {
            return Ok(Submission { hash, outcome: Outcome::Committed { height: at.height.0 } });
        }
        entered.keep_unasked().await?;
        let (answer, _) = oneshot::channel();
        place.send(Ask::Submit { tx, answer });
        Ok(Submission { hash, outcome: Outcome::Accepted { duplicate: false } })
    }

    /// Hands in what the journal holds already; what comes of it goes there. The answer is there once it is known.
    pub(crate) fn offer_again(&self, tx: Vec<u8>) -> Result<oneshot::Receiver<Outcome>, AskError> {
        let (answer, answered) = oneshot::channel();
        self.send(Ask::Submit { tx, answer })?;
        Ok(answered)
    }

    /// Where a transaction stands in the mempool.
    pub async fn standing(&self, tx: TxHash) -> Result<Standing, AskError> {
        // It is never closed.
        let _turn = self.standings.acquire().await.map_err(|_| AskError::Stopping)?;
        self.ask(|answer| Ask::Standing { tx, answer }).await
    }

    /// Hands in a notice and waits until it is checked: whether it waits for a block now, or why not.
    pub async fn submit_notice(&self, notice: Notice) -> Result<Result<(), String>, AskError> {
        self.ask(|answer| Ask::Notice { notice: Box::new(notice), answer }).await
    }

    /// The first `limit` transactions that a block would take now.
    pub async fn pending(&self, limit: usize) -> Result<Vec<Vec<u8>>, AskError> {
        self.ask(|answer| Ask::Pending { limit, answer }).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, AskError> {
        let (answer, answered) = oneshot::channel();
        self.send(ask(answer))?;
        answered.await.map_err(|_| AskError::Stopping)
    }

    fn send(&self, ask: Ask) -> Result<(), AskError> {
        self.asks.try_send(ask).map_err(no_place)
    }

    /// No block of this epoch can carry it, so it does not even take a place in the queue.
    fn too_large(&self, tx: &[u8]) -> Option<Refusal> {
        let max = self.status.borrow().params.max_tx_bytes as usize;
        (tx.len() > max).then(|| Refusal {
            code: Code::TooLarge as u32,
            codespace: CODESPACE.to_owned(),
            log: format!("the transaction has {} bytes, this chain takes at most {max}; split it", tx.len()),
        })
    }
}

fn no_place<T>(error: mpsc::error::TrySendError<T>) -> AskError {
    match error {
        mpsc::error::TrySendError::Full(_) => AskError::Overloaded,
        mpsc::error::TrySendError::Closed(_) => AskError::Stopping,
    }
}
