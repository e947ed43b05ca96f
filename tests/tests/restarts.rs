//! A validator that ends at any write and comes back never contradicts itself, loses nothing, and catches up. That it signs
//! nothing twice is checked on every message of every run, by the simulator's checkers.

use althing_consensus::{ConsensusParams, Height, Micros};
use althing_tests::sim::{Cluster, Load, Network, Options, When};

fn cluster(seed: u64, shortest: u64, longest: u64, max_unexecuted_blocks: u32) -> Cluster {
    let params = ConsensusParams { max_unexecuted_blocks, ..ConsensusParams::default() };
    let mut network = Network::constant(Micros::from_millis(shortest), seed);
    network.delay.1 = Micros::from_millis(longest);
    Cluster::start(Options::new(4, params, network))
}

/// Everyone stands at one height with one application hash, and everything submitted is committed exactly once.
fn settled(cluster: &Cluster, submitted: usize) {
    let heights = cluster.heights();
    assert!(heights.len() == 4 && heights.iter().all(|height| *height == heights[0]), "{heights:?}");
    let hashes = cluster.app_hashes(heights[0]);
    assert!(hashes.iter().all(|hash| hash.is_some() && *hash == hashes[0]), "{hashes:?}");
    let on_first = cluster.record.committed.iter().filter(|one| one.node == 1).flat_map(|one| &one.txs);
    let mut txs: Vec<_> = on_first.collect();
    let committed = txs.len();
    txs.sort_unstable();
    txs.dedup();
    assert_eq!(txs.len(), committed, "a transaction was committed twice");
    assert_eq!(committed, submitted, "transactions submitted and committed");
    assert_eq!(cluster.penalties, [""; 0]);
    assert_eq!(cluster.violation(), None);
}

#[test]
fn a_crash_at_every_persist_point_leads_to_no_second_signature_and_no_loss() {
    const TXS: u64 = 6;
    let run = |burn: Option<(u64, When)>| {
        let mut cluster = cluster(7, 5, 9, 0);
        let mut load = Load::default();
        if let Some((at, when)) = burn {
            cluster.disk(0).burn_at(at, when);
        }
        for index in 0..TXS {
            cluster.submit(Micros::from_millis(2_000 + 15 * index), 1, load.transfer());
        }
        cluster.run_until(Micros::from_millis(40_000));
        settled(&cluster, TXS as usize);
        cluster.disk(0).passed()
    };
    let points = run(None);
    assert!(points > 60, "only {points} writes: the run is too short to mean anything");
    for point in 0..points {
        for when in [When::Before, When::After] {
            run(Some((point, when)));
        }
    }
}

#[test]
fn a_validator_that_was_down_for_hundreds_of_blocks_catches_up_while_the_chain_goes_on() {
    let mut cluster = cluster(3, 2, 4, 8);
    let mut load = Load::default();
    cluster.run_for(Micros::from_millis(3_000));
    cluster.kill(3);
    let begin = cluster.now();
    for index in 0..3_000 {
        cluster.submit(begin.after(Micros::from_millis(4 * index)), (index % 3) as usize, load.transfer());
    }
    let reached =
        cluster.run_while(Micros::from_millis(60_000), |one| one.heights().iter().any(|h| *h < Height(300)));
    assert!(reached, "300 blocks with three of four: {:?}", cluster.heights());
    cluster.restart(3);
    cluster.run_for(Micros::from_millis(4_000));
    let heights = cluster.heights();
    let (lowest, highest) =
        (heights.iter().min().map_or(0, |h| h.0), heights.iter().max().map_or(0, |h| h.0));
    assert!(highest - lowest <= 2, "caught up while the chain goes on: {heights:?}");
    cluster.run_for(Micros::from_millis(30_000));
    settled(&cluster, 3_000);
}

#[test]
fn all_four_killed_at_once_go_on_where_they_were() {
    let mut cluster = cluster(11, 5, 20, 8);
    let mut load = Load::default();
    for index in 0..100 {
        cluster.submit(Micros::from_millis(2_000 + 5 * index), 0, load.transfer());
    }
    cluster.run_until(Micros::from_millis(2_300));
    (0..4).for_each(|node| cluster.kill(node));
    (0..4).for_each(|node| cluster.restart(node));
    cluster.run_for(Micros::from_millis(20_000));
    let heights = cluster.heights();
    assert!(heights.iter().all(|height| *height == heights[0] && *height > Height(1)), "{heights:?}");
    let hashes = cluster.app_hashes(heights[0]);
    assert!(hashes.iter().all(|hash| hash.is_some() && *hash == hashes[0]), "{hashes:?}");
}

#[test]
fn through_loss_partitions_and_crashes_all_agree_and_after_healing_all_goes_on() {
    for seed in 1..=12 {
        let mut cluster = cluster(seed, 1, 60, [0, 1, 8][seed as usize % 3]);
        let mut load = Load::default();
        cluster.network.loss = [0, 5, 20][(seed / 3) as usize % 3];
        for index in 0..200 {
            cluster.submit(Micros::from_millis(1_000 + 50 * index), 1, load.transfer());
        }
        for _ in 0..8 {
            cluster.run_for(Micros::from_millis(1_500));
            cluster.network.cut.clear();
            let (a, b) = (cluster.network.random.below(4) as usize, cluster.network.random.below(4) as usize);
            cluster.network.cut.extend([(a, b), (b, (a + 1) % 4)]);
            // Node 1 took the transactions, and what a node holds in memory only is lost with it.
            let victim = [0, 2, 3][cluster.network.random.below(3) as usize];
            let point = cluster.network.random.below(40);
            cluster.disk(victim).burn_at(point, if seed % 2 == 0 { When::Before } else { When::After });
        }
        cluster.network.cut.clear();
        cluster.network.loss = 0;
        cluster.run_for(Micros::from_millis(60_000));
        settled(&cluster, 200);
    }
}
