//! Transfers at a steady rate, whatever becomes of those before: each is handed in until a node says that it is committed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use althing_crypto::{Encoding, TxHash};
use althing_ledger::asset::{Address, Transaction};
use althing_node::{
    client::{Client, NodeUrl},
    rpc,
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use super::{Acknowledged, Chain, node::submit};

/// How soon another node is tried after one that does not answer or does not take a transfer.
const AGAIN: Duration = Duration::from_millis(100);

/// A stream of transfers under way; dropped, it stops.
#[derive(Debug)]
pub struct Stream {
    stop: watch::Sender<bool>,
    sending: JoinHandle<Vec<Acknowledged>>,
    sent: Arc<AtomicU64>,
}

impl Stream {
    /// So many transfers per second of these accounts in turns, from sequence 0 on, through these nodes in turns. Through which nodes can
    /// be changed: [`Route`].
    pub fn start(chain: &Chain, accounts: std::ops::Range<usize>, route: Route, rate: u32) -> Self {
        let keys: Vec<_> = accounts.map(|account| chain.account(account)).collect();
        let to = Address::of(&chain.account(0).public_key());
        let chain_id = chain.genesis().chain_id().to_owned();
        let (stop, mut stopped) = watch::channel(false);
        let sent = Arc::new(AtomicU64::new(0));
        let count = sent.clone();
        let sending = tokio::spawn(async move {
            let (mut transfers, mut due) = (JoinSet::new(), Instant::now());
            let gap = Duration::from_secs(1) / rate;
            for number in 0_u64.. {
                tokio::select! {
                    () = sleep_until(due) => {}
                    // Also if the stream was dropped.
                    _ = stopped.wait_for(|stop| *stop) => break,
                }
                let key = &keys[number as usize % keys.len()];
                let sequence = number / keys.len() as u64;
                let tx = Transaction::transfer(&chain_id, key, sequence, 0, to, 1, "").encode();
                transfers.spawn(hand_in(route.clone(), tx, number as usize));
                count.fetch_add(1, Ordering::Relaxed);
                due += gap;
            }
            transfers.join_all().await
        });
        Self { stop, sending, sent }
    }

    /// How many transfers were due so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends no more, and waits until all are committed. Where they are.
    pub async fn stop(self) -> Vec<Acknowledged> {
        // Fails if the sender has panicked, which joining it tells.
        let _ = self.stop.send(true);
        self.sending.await.expect("a sender does not panic")
    }
}

/// Through which nodes clients go.
#[derive(Debug, Clone)]
pub struct Route(Arc<Vec<(NodeUrl, AtomicUsize)>>);

impl Route {
    /// Through all nodes of the chain that are there now, but those that do not take part yet.
    pub fn through(chain: &Chain, nodes: usize) -> Self {
        Self(Arc::new((0..nodes).map(|node| (chain.url(node), AtomicUsize::new(1))).collect()))
    }

    /// From now on not through this one.
    pub fn close(&self, node: usize) {
        self.0[node].1.store(0, Ordering::Relaxed);
    }

    /// The next open one, from this number on.
    fn pick(&self, number: usize) -> (usize, &NodeUrl) {
        let open = |at: &usize| self.0[*at].1.load(Ordering::Relaxed) > 0;
        let at = (number..number + self.0.len()).map(|at| at % self.0.len()).find(open);
        let at = at.expect("one is open");
        (at, &self.0[at].0)
    }
}

/// The same bytes, through one node after another, until one of them says that they are committed.
async fn hand_in(route: Route, tx: Vec<u8>, number: usize) -> Acknowledged {
    for attempt in number.. {
        let (by, url) = route.pick(attempt);
        match submit(&mut Client::new(url.clone()), &tx).await {
            Ok(outcome) if outcome.code == 0 => {
                return Acknowledged { hash: TxHash::of(&tx), height: outcome.height, by };
            }
            Ok(outcome) if outcome.codespace != rpc::CODESPACE && outcome.height > 0 => {
                panic!("transfer {number} through validator {by}: {outcome:?}")
            }
            _ => sleep(AGAIN).await,
        }
    }
    unreachable!("attempts do not end")
}
