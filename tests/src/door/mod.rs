//! What many clients can do to a chain: the commit latency of transfers alone, then with thousands of readers and with subscribers that do
//! not read, then alone again, in one run on four validators' processes; and whether all that was acknowledged came true.
//!
//! | file | holds |
//! |---|---|
//! | `payments` | transfers at a steady rate |
//! | `visitors` | readers, as fast as they are answered |
//! | `slow` | subscribers that hardly read |
//! | `verdict` | the figures, and what must not be |

mod payments;
mod slow;
mod verdict;
mod visitors;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    time::Duration,
};

use althing_crypto::{TxHash, sha256};
use althing_node::{
    client::{Access, Client, Status},
    config::RpcConfig,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use self::{
    payments::{Payment, Payments},
    slow::Found,
    visitors::Visitors,
};
pub use self::{
    verdict::{Latency, MAX_RATIO_PERCENT, Summary},
    visitors::Visits,
};
use crate::processes::{Chain, peak_memory_kib};

const VALIDATORS: usize = 4;
/// Funded accounts that pay.
const ACCOUNTS: usize = 10;
/// Who pays has a key of its own: as one client among thousands at its address it would be told to come back later, too.
const KEY: &str = "the-key-of-those-who-pay";
/// After a change of the load, before it is measured.
const SETTLE: Duration = Duration::from_secs(2);
/// What waits for a subscriber that does not read.
const MAX_UNSENT_BYTES: usize = 64 << 10;
/// Requests about transfers at the end, at the same time.
const ASKERS: usize = 8;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Clients that read.
    pub clients: usize,
    /// Subscribers that hardly read.
    pub slow: usize,
    /// How long they stay; half of it before and half of it after is measured without them.
    pub seconds: u64,
    /// Transfers per second.
    pub rate: u32,
}

/// The part of a run in which the readers are there.
struct Crowd {
    began: Duration,
    ended: Duration,
}

/// Runs it. `tell` hears how far it is.
pub async fn run(plan: Plan, tell: impl Fn(&str)) -> Summary {
    let mut chain = Chain::init(VALIDATORS).await;
    give_keys(&chain);
    (0..VALIDATORS).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    let access = Access::default().key(KEY).expect("a key");
    let begun = Instant::now();
    let first = chain.node(0).reaches(1).await;
    let payments = Payments::start(&chain, &access, ACCOUNTS, plan.rate, begun);
    let half = Duration::from_secs(plan.seconds) / 2;
    sleep_until(begun + SETTLE + half).await;
    tell("transfers without readers");

    let nodes: Vec<(SocketAddr, _)> =
        (0..VALIDATORS).map(|index| (chain.ports().rpc(index), chain.url(index))).collect();
    let addresses: Vec<_> = nodes.iter().map(|(address, _)| *address).collect();
    let began = begun.elapsed();
    let (end, last_height) = watch::channel(None);
    let slow = slow::subscribe(plan.slow, &nodes).await;
    let slow: Vec<_> = slow.into_iter().map(|one| tokio::spawn(one.listen(last_height.clone()))).collect();
    // What is committed from here on the subscribers must hear of, in the end.
    let since = chain.node(0).reaches(first).await;
    let visitors = Visitors::come(plan.clients, &addresses);
    sleep_until(begun + began + SETTLE + Duration::from_secs(plan.seconds)).await;
    visitors.are_served().await;
    let visits = visitors.leave();
    let ended = begun.elapsed();
    tell(&format!("with {} readers and {} slow subscribers: {visits:?}", plan.clients, plan.slow));

    sleep_until(begun + ended + SETTLE + half).await;
    tell("without readers again");
    let paid = payments.stop().await;
    let sent = paid.len() as u64;
    tell("all transfers are decided");
    let height = chain.level().await;
    let views_failed = views(&mut chain, first, height).await;
    let agree = chain.all_have_one(height).await;
    let executed = executed(&chain, &access, first + 1, height).await;
    tell(&format!("{sent} transfers in {height} blocks"));
    let last = executed.values().flatten().max().copied().unwrap_or(first);
    _ = end.send_replace(Some(last));
    let heard: Vec<Found> =
        join_all(slow).await.into_iter().map(|one| one.expect("it does not panic")).collect();
    tell("slow subscribers have listened; asking for the status of each transfer");
    // One without a gap ends with the first transfer of the last block.
    let due: BTreeSet<TxHash> =
        executed.iter().filter(|(_, at)| at[0] > since && at[0] < last).map(|(hash, _)| *hash).collect();
    let complete = heard.iter().filter(|found| due.is_subset(&found.heard)).count();
    let untold = untold(&chain, &access, &paid).await;
    let acknowledged: Vec<_> = paid.iter().filter(|payment| payment.acknowledged).collect();
    let (alone, crowded) = latencies(&paid, &Crowd { began, ended });
    Summary {
        clients: plan.clients,
        slow: plan.slow,
        alone,
        crowded,
        ratio_percent: alone.zip(crowded).map(|(alone, crowded)| crowded.p99_ms * 100 / alone.p99_ms.max(1)),
        views_failed,
        sent,
        acknowledged: acknowledged.len() as u64,
        lost: acknowledged.iter().filter(|payment| !executed.contains_key(&payment.hash)).count() as u64,
        doubled: executed.values().filter(|at| at.len() > 1).count() as u64,
        untold,
        visits,
        over_limit: plan.clients / 2 / VALIDATORS > RpcConfig::default().max_requests_per_client,
        gaps: heard.iter().filter(|found| found.gap).count(),
        complete,
        peak_mib: chain
            .running_nodes()
            .map(|node| peak_memory_kib(node.pid()).map_or(0, |kib| kib >> 10))
            .collect(),
        height,
        agree,
        faults: paid.iter().filter_map(fault).collect(),
    }
}

/// Writes the key of those who pay into each home.
fn give_keys(chain: &Chain) {
    for index in 0..VALIDATORS {
        let file = chain.home(index).path().join("rpc-keys.toml");
        let key = format!(
            "[[key]]\nname = \"payer\"\nrole = \"submit\"\nsha256 = \"{}\"\n",
            sha256(KEY.as_bytes())
        );
        fs::write(&file, key).expect("a file in the home");
        // As a node has it that nobody has configured, but for the memory of a subscriber: so that seconds fill it.
        chain.configure(index, |config| {
            let (listen, max_unsent_bytes) = (config.rpc.listen, MAX_UNSENT_BYTES);
            // They share one machine, and so what clients may take of it.
            let cost_per_s = RpcConfig::default().cost_per_s / VALIDATORS as u64;
            config.rpc =
                RpcConfig { listen, keys: Some(file), max_unsent_bytes, cost_per_s, ..RpcConfig::default() };
        });
    }
}

/// What is wrong with a transfer as its client saw it, if anything is.
fn fault(payment: &Payment) -> Option<String> {
    let Payment { hash, due, acknowledged, latency, fault, by } = payment;
    (fault.is_some() || latency.is_none()).then(|| {
        let said = if *acknowledged { "acknowledged" } else { "not acknowledged" };
        let why = fault.as_deref().unwrap_or("no word of its end");
        format!("{hash}, due after {due:?} through node {by}, {said}: {why}")
    })
}

/// How long transfers took without readers, and with them: those that were due in those times, without the moments of change.
fn latencies(paid: &[Payment], crowd: &Crowd) -> (Option<Latency>, Option<Latency>) {
    let of = |within: &dyn Fn(Duration) -> bool| {
        let chosen = paid.iter().filter(|payment| within(payment.due));
        Latency::of(chosen.filter_map(|payment| payment.latency).collect())
    };
    let Crowd { began, ended } = *crowd;
    // A transfer that is due a moment before they come is committed in their midst.
    let alone = of(&|due| (due > SETTLE && due + SETTLE < began) || due > ended + SETTLE);
    (alone, of(&|due| due > began + SETTLE && due < ended))
}

/// The views without a block between two heights of one epoch.
async fn views(chain: &mut Chain, from: u64, to: u64) -> u64 {
    let (first, last) = (chain.node(0).header(from).await, chain.node(0).header(to).await);
    assert_eq!(first.epoch, last.epoch, "nobody changes the members");
    last.view.0 - first.view.0 - (to - from)
}

/// The heights at which each transfer was executed.
async fn executed(chain: &Chain, access: &Access, from: u64, to: u64) -> BTreeMap<TxHash, Vec<u64>> {
    let mut executed: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut client = Client::with(chain.url(0), access.clone());
    for height in from..=to {
        let params = json!({ "height": height.to_string() });
        let block = patient(&mut client, "block", params.clone()).await;
        let results = patient(&mut client, "block_results", params).await;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let codes = list(&results["txs_results"]).into_iter().map(|result| result["code"] == 0);
        for (tx, _) in list(&block["block"]["data"]["txs"]).iter().zip(codes).filter(|(_, done)| *done) {
            let bytes = BASE64.decode(tx.as_str().expect("text")).expect("base64");
            executed.entry(TxHash::of(&bytes)).or_default().push(height);
        }
    }
    executed
}

/// How many acknowledged transfers have another status than that they are committed.
async fn untold(chain: &Chain, access: &Access, paid: &[Payment]) -> u64 {
    let asked = join_all((0..ASKERS).map(|asker| async move {
        let mut clients: Vec<_> =
            (0..VALIDATORS).map(|index| Client::with(chain.url(index), access.clone())).collect();
        let mut untold = 0;
        for payment in paid.iter().skip(asker).step_by(ASKERS).filter(|payment| payment.acknowledged) {
            let client = &mut clients[payment.by];
            let told = loop {
                match client.tx_status(&payment.hash).await {
                    Err(error) if error.is_passing() => {
                        tokio::time::sleep(error.retry_after().unwrap_or(SETTLE)).await
                    }
                    other => break other,
                }
            };
            untold += u64::from(!told.is_ok_and(|fate| fate.status == Status::Committed && fate.is_final));
        }
        untold
    }));
    asked.await.into_iter().sum()
}

/// The result of a method, asked again while the node is busy.
async fn patient(client: &mut Client, method: &str, params: Value) -> Value {
    loop {
        match client.call(method, params.clone()).await {
            Err(error) if error.is_passing() => {
                tokio::time::sleep(error.retry_after().unwrap_or(SETTLE)).await;
            }
            other => return other.unwrap_or_else(|error| panic!("{method}: {error}")),
        }
    }
}
