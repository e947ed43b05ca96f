//! Transfers at a steady rate, open loop: each is due at its time, and its latency runs from then to its node's word that it is committed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use althing_crypto::{Encoding, TxHash, ed25519::SecretKey};
use althing_ledger::asset::{Address, Transaction};
use althing_node::client::{Access, Client, NodeUrl, Status, Waited};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::processes::{Chain, PATIENCE};

/// Connections to one node: fewer than one client may have requests under way.
const CONNECTIONS: usize = 100;

/// A transfer that was due.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) hash: TxHash,
    /// Since the run began.
    pub(super) due: Duration,
    /// The node said that it has it.
    pub(super) acknowledged: bool,
    /// From due until the node said that it is committed; none if it never did.
    pub(super) latency: Option<Duration>,
    /// Why there is no latency, or no acknowledgement.
    pub(super) fault: Option<String>,
    /// Through which node.
    pub(super) by: usize,
}

/// Transfers under way; dropped, they stop.
pub(super) struct Payments {
    stop: watch::Sender<bool>,
    paying: tokio::task::JoinHandle<Vec<Payment>>,
}

/// The way to one node, with connections that are kept.
struct Lane {
    node: NodeUrl,
    access: Access,
    places: Semaphore,
    idle: Mutex<VecDeque<Client>>,
}

impl Payments {
    /// So many per second of the funded accounts in turns; an account's all go through one node, so that they arrive about in order.
    pub(super) fn start(chain: &Chain, access: &Access, accounts: usize, rate: u32, begun: Instant) -> Self {
        let keys: Vec<_> = (0..accounts).map(|account| chain.account(account)).collect();
        let lanes: Vec<_> =
            (0..chain.len()).map(|node| Arc::new(Lane::new(chain.url(node), access))).collect();
        let chain_id = chain.genesis().chain_id().to_owned();
        let (stop, mut stopped) = watch::channel(false);
        let paying = tokio::spawn(async move {
            let (mut under_way, mut due) = (JoinSet::new(), Instant::now());
            for number in 0_u64.. {
                tokio::select! {
                    () = sleep_until(due) => {}
                    // Also if this was dropped.
                    _ = stopped.wait_for(|stop| *stop) => break,
                }
                let account = number as usize % keys.len();
                let tx = transfer(&chain_id, &keys, account, number / keys.len() as u64);
                let by = account % lanes.len();
                under_way.spawn(pay(Arc::clone(&lanes[by]), by, tx, due, due - begun));
                due += Duration::from_secs(1) / rate;
            }
            under_way.join_all().await
        });
        Self { stop, paying }
    }

    /// Sends no more, and waits for those under way.
    pub(super) async fn stop(self) -> Vec<Payment> {
        // Fails if the task has panicked, which joining it tells.
        let _ = self.stop.send(true);
        self.paying.await.expect("payments do not panic")
    }
}

/// To the next account: what goes round in a ring never runs out.
fn transfer(chain_id: &str, keys: &[SecretKey], account: usize, sequence: u64) -> Vec<u8> {
    let to = Address::of(&keys[(account + 1) % keys.len()].public_key());
    Transaction::transfer(chain_id, &keys[account], sequence, 0, to, 1, "").encode()
}

async fn pay(lane: Arc<Lane>, by: usize, tx: Vec<u8>, due: Instant, since: Duration) -> Payment {
    let _place = lane.places.acquire().await.expect("never closed");
    let mut client = lane.client();
    let mut payment =
        Payment { hash: TxHash::of(&tx), due: since, acknowledged: false, latency: None, fault: None, by };
    match client.submit_within(&tx, PATIENCE).await {
        Ok(submitted) if submitted.is_taken() => {
            payment.acknowledged = true;
            match client.tx_wait(&payment.hash, PATIENCE).await {
                Waited::Ended(fate) if fate.status == Status::Committed => {
                    payment.latency = Some(due.elapsed())
                }
                other => payment.fault = Some(format!("{other:?}")),
            }
        }
        other => payment.fault = Some(format!("{other:?}")),
    }
    lane.keep(client);
    payment
}

impl Lane {
    fn new(node: NodeUrl, access: &Access) -> Self {
        Self { node, access: access.clone(), places: Semaphore::new(CONNECTIONS), idle: Mutex::default() }
    }

    fn client(&self) -> Client {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_back();
        kept.unwrap_or_else(|| Client::with(self.node.clone(), self.access.clone()))
    }

    fn keep(&self, client: Client) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(client);
    }
}
