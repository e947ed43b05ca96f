//! Clusters in the simulator under one chosen mishap each. The simulator's checkers look on.

use std::collections::BTreeMap;

use althing_consensus::{ConsensusParams, Height, Micros};
use althing_crypto::{Encoding, ed25519};
use althing_ledger::asset::{Address, Transaction};

use super::Verdict;
use crate::sim::{Cluster, Load, Network, Options, When};

const MS: fn(u64) -> Micros = Micros::from_millis;

fn cluster(validators: usize, delay_ms: u64, max_unexecuted_blocks: u32) -> Cluster {
    let params = ConsensusParams { max_unexecuted_blocks, ..ConsensusParams::default() };
    Cluster::start(Options::new(validators, params, Network::constant(MS(delay_ms), 1)))
}

/// No checker objects, and all nodes stand at one height, this or above, with one application hash and nothing pending.
pub(super) fn settled(cluster: &mut Cluster, height: u64) -> Verdict {
    if let Some(violation) = cluster.finish_run() {
        return Err(violation.to_string());
    }
    let heights = cluster.heights();
    if heights.len() != cluster.nodes() || heights.iter().any(|one| *one != heights[0] || one.0 < height) {
        return Err(format!("heights {heights:?}, expected one from {height} on"));
    }
    let hashes = cluster.app_hashes(heights[0]);
    if hashes.iter().any(|hash| hash.is_none() || *hash != hashes[0]) {
        return Err(format!("application hashes {hashes:?}"));
    }
    // By height: a disk that was put back takes in blocks again.
    let own = cluster.record.committed.iter().filter(|one| one.node == 0);
    let blocks: BTreeMap<Height, _> = own.map(|one| (one.height, &one.txs)).collect();
    let mut txs: Vec<_> = blocks.into_values().flatten().collect();
    let committed = txs.len();
    txs.sort_unstable();
    txs.dedup();
    if txs.len() != committed {
        return Err(format!("{} transactions were committed more than once", committed - txs.len()));
    }
    let pending = |node: usize| cluster.driver(node).map_or(0, |driver| driver.mempool().len());
    match (0..cluster.nodes()).find(|node| pending(*node) > 0) {
        Some(node) => Err(format!("node {node} still holds {} transactions", pending(node))),
        None => Ok(()),
    }
}

pub(super) fn cut(cluster: &mut Cluster, nodes: &[usize]) {
    for a in 0..cluster.nodes() {
        for b in nodes.iter().copied().filter(|b| *b != a) {
            cluster.network.cut.extend([(a, b), (b, a)]);
        }
    }
}

/// A transaction costs two blocks, its own and the closing one, whatever the back-pressure.
pub(super) fn rest() -> Verdict {
    for max_unexecuted in [0, 8] {
        let mut cluster = cluster(4, 10, max_unexecuted);
        cluster.run_for(MS(5_000));
        cluster.submit(cluster.now(), 2, Load::default().transfer());
        cluster.run_for(MS(10_000));
        settled(&mut cluster, 3)?;
    }
    Ok(())
}

/// On links that take longer than the shortest timer the timer grows until blocks pass.
pub(super) fn slow_network() -> Verdict {
    let mut cluster = cluster(4, 900, 8);
    cluster.run_for(MS(60_000));
    settled(&mut cluster, 1)
}

/// After a time of very slow links the timer returns to its base: a leader lost later costs seconds.
pub(super) fn timer_shrinks() -> Verdict {
    let mut cluster = cluster(4, 3_000, 8);
    cluster.run_for(MS(120_000));
    cluster.heal((MS(10), MS(10)));
    let (mut load, begin) = (Load::default(), cluster.now());
    for index in 0..600 {
        cluster.submit(begin.after(MS(50 * index)), 1 + (index % 3) as usize, load.transfer());
    }
    cluster.run_for(MS(10_000));
    cluster.kill(0);
    let lost = cluster.now();
    cluster.run_for(MS(20_000));
    if let Some(violation) = cluster.violation() {
        return Err(violation.to_string());
    }
    let of_one = cluster.record.committed.iter().filter(|one| one.node == 1 && one.at > lost);
    let instants: Vec<Micros> =
        [lost].into_iter().chain(of_one.map(|one| one.at)).chain([cluster.now()]).collect();
    let longest = instants.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or(0);
    if longest > 5_000_000 {
        return Err(format!("{} ms without a commit after one of four has failed", longest / 1_000));
    }
    Ok(())
}

/// All links are down for longer than any repetition; when they are back, all goes on.
pub(super) fn stalled() -> Verdict {
    let mut cluster = cluster(4, 10, 8);
    cluster.run_for(MS(2_000));
    let mut load = Load::default();
    cut(&mut cluster, &[0, 1, 2, 3]);
    for node in 0..4 {
        cluster.submit(cluster.now(), node, load.transfer());
    }
    cluster.run_for(MS(20_000));
    cluster.heal((MS(10), MS(10)));
    cluster.run_for(MS(20_000));
    settled(&mut cluster, 2)
}

/// A transaction whose gossip nobody heard is committed all the same, whoever has it.
pub(super) fn gossip_lost() -> Verdict {
    for node in 0..4 {
        let mut cluster = cluster(4, 10, 8);
        cluster.run_for(MS(2_000));
        cut(&mut cluster, &[node]);
        cluster.submit(cluster.now(), node, Load::default().transfer());
        cluster.run_for(MS(100));
        cluster.heal((MS(10), MS(10)));
        cluster.run_for(MS(20_000));
        settled(&mut cluster, 2)?;
    }
    Ok(())
}

/// A member that was cut off while the others went on learns of it though all are at rest again.
pub(super) fn cut_off() -> Verdict {
    let mut cluster = cluster(4, 10, 8);
    cluster.run_for(MS(2_000));
    cut(&mut cluster, &[3]);
    cluster.submit(cluster.now(), 0, Load::default().transfer());
    cluster.run_for(MS(20_000));
    cluster.heal((MS(10), MS(10)));
    cluster.run_for(MS(20_000));
    settled(&mut cluster, 2)
}

/// A view stands still, as its leader is cut off. A node that has just started, and so has a short timer, gives it up long before the
/// others; then its disk is set back. It must not sign anything else in that view, which the others may still bring to an end.
pub(super) fn restored() -> Verdict {
    let mut cluster = cluster(4, 400, 8);
    let (mut load, backup) = (Load::default(), cluster.backup(2));
    for index in 0..8 {
        cluster.submit(MS(1_000 * index), 1, load.transfer());
    }
    cluster.run_for(MS(7_500));
    // The others' timers are long by now. Blocks pass quickly until it is the turn of node 3.
    cluster.network.delay = (MS(10), MS(10));
    cut(&mut cluster, &[3]);
    cluster.run_for(MS(500));
    cluster.kill(2);
    cluster.restart(2);
    cluster.submit(cluster.now(), 2, load.transfer());
    cluster.run_for(MS(1_800));
    cluster.network.cut.clear();
    cluster.restore(2, &backup);
    cluster.submit(cluster.now(), 2, load.transfer());
    cluster.run_for(MS(20_000));
    settled(&mut cluster, 2)
}

/// Two transactions of one place in their sender's order, at two nodes: one is committed, the other is given up.
pub(super) fn stale_pending() -> Verdict {
    let mut cluster = cluster(4, 10, 8);
    cluster.run_for(MS(2_000));
    let key = ed25519::SecretKey::from_seed([100; 32]);
    let to = Address::of(&ed25519::SecretKey::from_seed([101; 32]).public_key());
    for node in [0, 1] {
        let memo = format!("at node {node}");
        let tx = Transaction::transfer(cluster.world().chain_id, &key, 0, 0, to, 1, &memo);
        cluster.submit(cluster.now(), node, tx.encode());
    }
    cluster.run_for(MS(20_000));
    settled(&mut cluster, 3)
}

/// Node 0 ends before or after any of its writes; all end at one state.
pub(super) fn crashes() -> Verdict {
    let run = |burn: Option<(u64, When)>| -> Result<u64, String> {
        let mut cluster = cluster(4, 7, 0);
        let mut load = Load::default();
        if let Some((at, when)) = burn {
            cluster.disk(0).burn_at(at, when);
        }
        for index in 0..4 {
            cluster.submit(MS(1_000 + 15 * index), 1, load.transfer());
        }
        cluster.run_for(MS(15_000));
        settled(&mut cluster, Height(2).0)
            .map_err(|what| format!("node 0 ends at write {burn:?}: {what}"))?;
        Ok(cluster.disk(0).passed())
    };
    for point in 0..run(None)? {
        for when in [When::Before, When::After] {
            run(Some((point, when)))?;
        }
    }
    Ok(())
}
