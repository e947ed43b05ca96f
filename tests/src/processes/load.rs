//! Transfers one after the other, at the pace at which they are committed: there is always something for the next block.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use althing_crypto::{Encoding, TxHash, ed25519::SecretKey};
use althing_ledger::asset::{Address, Transaction};
use althing_node::{client::Client, rpc};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::{
    Chain,
    node::{Outcome, submit},
    until,
};

/// How soon a sender tries again a node that does not answer.
const AGAIN: Duration = Duration::from_millis(100);

/// A transfer that a node acknowledged as committed.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// Names it.
    pub hash: TxHash,
    /// Where it is committed, as the node said.
    pub height: u64,
    /// The node that said so.
    pub by: usize,
}

/// Senders under way; dropped, they stop.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    senders: Vec<JoinHandle<Vec<Acknowledged>>>,
    counts: Arc<Vec<AtomicU64>>,
}

impl Load {
    /// Starts a sender for each item: account 0 sends through the first node named, account 1 through the second, all from
    /// sequence 0 on.
    pub fn start(chain: &Chain, through: &[usize]) -> Self {
        let (stop, stopped) = watch::channel(false);
        let counts: Arc<Vec<_>> = Arc::new((0..chain.len()).map(|_| AtomicU64::new(0)).collect());
        let chain_id = chain.genesis().chain_id().to_owned();
        let sender = |(account, node): (usize, &usize)| {
            let key = chain.account(account);
            let to = Address::of(&chain.account((account + 1) % through.len()).public_key());
            let client = Client::new(chain.url(*node));
            let sender = Sender {
                chain_id: chain_id.clone(),
                key,
                to,
                client,
                node: *node,
                counts: Arc::clone(&counts),
            };
            tokio::spawn(sender.run(stopped.clone()))
        };
        let senders = through.iter().enumerate().map(sender).collect();
        Self { stop, senders, counts }
    }

    /// How many transfers this node has acknowledged so far.
    pub fn count(&self, node: usize) -> u64 {
        self.counts[node].load(Ordering::Relaxed)
    }

    /// Waits until this node has acknowledged so many transfers.
    pub async fn acknowledged_by(&self, node: usize, count: u64) {
        until(&format!("{count} transfers acknowledged by validator {node}"), async || {
            (self.count(node) >= count).then_some(())
        })
        .await;
    }

    /// Stops the senders; all that was acknowledged to them.
    pub async fn stop(self) -> Vec<Acknowledged> {
        // Fails if all senders have panicked, which joining them tells.
        let _ = self.stop.send(true);
        let mut all = Vec::new();
        for sender in self.senders {
            all.extend(sender.await.expect("a sender does not panic"));
        }
        all
    }
}

struct Sender {
    chain_id: String,
    key: SecretKey,
    to: Address,
    client: Client,
    node: usize,
    counts: Arc<Vec<AtomicU64>>,
}

impl Sender {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::new();
        for sequence in 0.. {
            let tx = Transaction::transfer(&self.chain_id, &self.key, sequence, 0, self.to, 1, "").encode();
            let outcome = tokio::select! {
                outcome = self.outcome(&tx) => outcome,
                // Also if the load was dropped.
                _ = stopped.wait_for(|stop| *stop) => break,
            };
            let by = self.node;
            assert_eq!(outcome.code, 0, "sequence {sequence} through validator {by}: {outcome:?}");
            acknowledged.push(Acknowledged { hash: TxHash::of(&tx), height: outcome.height, by });
            self.counts[by].fetch_add(1, Ordering::Relaxed);
        }
        acknowledged
    }

    /// Hands in the same bytes until the node says what became of them, through its end and its return.
    async fn outcome(&mut self, tx: &[u8]) -> Outcome {
        loop {
            match submit(&mut self.client, tx).await {
                Ok(outcome) if outcome.codespace != rpc::CODESPACE => return outcome,
                _ => sleep(AGAIN).await,
            }
        }
    }
}
