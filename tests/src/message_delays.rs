//! What the protocol costs in message delays, messages and bytes: measured on simulated clusters of real nodes, in which every message
//! takes exactly δ and work takes no time.

use althing_consensus::{ConsensusParams, Micros, View};

use crate::sim::{Cluster, Load, Network, Options};

/// δ: two of it are longer than the pace of blocks.
pub const DELTA: Micros = Micros::from_millis(13);

/// What a cluster of one size costs. Times are in thousandths of δ, so that no figure is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// The number of validators.
    pub validators: usize,
    /// The longest time from a proposal to its commit on a validator.
    pub commit: u64,
    /// The longest time from a proposal to the next one.
    pub period: u64,
    /// The longest time from a timeout certificate, once the leader has crashed, to the next block's certificate.
    pub after_crash: u64,
    /// Direct messages that all validators together send per committed block, each counted once per receiver.
    pub messages_per_block: u64,
    /// Their encodings' bytes.
    pub bytes_per_block: u64,
    /// Votes' signatures and aggregates that one validator checks per committed block, in thousandths.
    pub checks_per_block: u64,
}

/// A cluster in which a message takes δ.
pub fn cluster(validators: usize, max_unexecuted_blocks: u32) -> Cluster {
    let params = ConsensusParams { max_unexecuted_blocks, ..ConsensusParams::default() };
    Cluster::start(Options::new(validators, params, Network::constant(DELTA, 1)))
}

/// Submits a transfer every `gap` from now on, to one of these nodes after the other.
pub fn offer(cluster: &mut Cluster, load: &mut Load, count: u64, gap: Micros, nodes: &[usize]) {
    for index in 0..count {
        let at = cluster.now().after(Micros(gap.0 * index));
        cluster.submit(at, nodes[index as usize % nodes.len()], load.transfer());
    }
}

/// Measures clusters of so many validators over so many blocks.
///
/// # Panics
/// If a checker objects.
pub fn measure(validators: usize, blocks: u64) -> Costs {
    let (mut cluster, mut load) = (cluster(validators, 8), Load::default());
    cluster.run_for(Micros::from_millis(3_000));
    let all = Vec::from_iter(0..validators);
    let span = Micros(2 * DELTA.0 * blocks);
    // A transaction per block is enough to keep the chain at work, and the payload small beside what consensus says.
    offer(&mut cluster, &mut load, blocks + 30, Micros(2 * DELTA.0), &all);
    cluster.run_for(Micros(20 * DELTA.0));
    cluster.record.measure_anew();
    cluster.run_for(span);
    let record = &cluster.record;
    let committed = record.committed.len() as u64 / validators as u64;
    let longest = |times: Vec<Micros>| times.into_iter().map(in_deltas).max().unwrap_or(0);
    let costs = Costs {
        validators,
        commit: longest(record.commit_latencies()),
        period: longest(record.periods()),
        after_crash: after_crash(validators),
        messages_per_block: record.messages / committed.max(1),
        bytes_per_block: record.bytes / committed.max(1),
        checks_per_block: record.checks * 1_000 / (committed.max(1) * validators as u64),
    };
    assert_eq!(cluster.violation(), None);
    costs
}

fn in_deltas(time: Micros) -> u64 {
    time.0 * 1_000 / DELTA.0
}

/// Crashes the leader of a view to come, under load, and looks at the first view entered by a timeout certificate.
fn after_crash(validators: usize) -> u64 {
    let (mut cluster, mut load) = (cluster(validators, 8), Load::default());
    cluster.run_for(Micros::from_millis(3_000));
    let view = |cluster: &Cluster, node| cluster.driver(node).map(|driver| driver.engine().view());
    let crashed =
        cluster.driver(0).and_then(|driver| driver.engine().leader()).map_or(0, |one| usize::from(one.0));
    let left: Vec<usize> = (0..validators).filter(|node| *node != crashed).collect();
    cluster.kill(crashed);
    offer(&mut cluster, &mut load, 400, Micros::from_millis(10), &left);
    let entered = |cluster: &Cluster| cluster.record.entered_by_timeout.keys().next().copied();
    cluster.run_while(Micros::from_millis(20_000), |cluster| {
        entered(cluster)
            .is_none_or(|first: View| view(cluster, left[0]).is_some_and(|view| view <= first.next()))
    });
    assert_eq!(cluster.violation(), None);
    let first = entered(&cluster).expect("the crashed leader's view is given up");
    let certified = cluster.record.certified.get(&first).expect("the next leader is up");
    in_deltas(Micros(certified.0 - cluster.record.entered_by_timeout[&first].0))
}
