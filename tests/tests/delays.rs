//! What the protocol promises in message delays δ, measured on a simulated cluster of real nodes in which messages take exactly δ
//! and work takes no time.

use althing_consensus::{Height, Micros, View};
use althing_tests::message_delays::{Costs, DELTA, cluster, measure, offer};
use althing_tests::sim::{Cluster, Load};

fn rested(cluster: &Cluster) -> Height {
    let heights = cluster.heights();
    assert!(heights.iter().all(|height| *height == heights[0]), "{heights:?}");
    heights[0]
}

#[test]
fn a_fresh_chain_makes_block_1_and_rests_and_one_transaction_costs_two_blocks() {
    for max_unexecuted in [0, 8] {
        let mut cluster = cluster(4, max_unexecuted);
        cluster.run_for(Micros::from_millis(60_000));
        assert_eq!(rested(&cluster), Height(1));
        let timers_fired = cluster.record.timed_out.len();
        cluster.submit(cluster.now(), 2, Load::default().transfer());
        cluster.run_for(Micros::from_millis(60_000));
        assert_eq!(rested(&cluster), Height(3));
        assert_eq!(cluster.record.timed_out.len(), timers_fired, "no view fails for it");
        assert_eq!(cluster.penalties, [""; 0]);
    }
}

#[test]
fn a_proposal_commits_everywhere_after_3_delays_and_the_next_follows_after_2() {
    // Where a block with transactions waits for its parent's execution, it waits for the parent's commit: 3 delays.
    for (validators, max_unexecuted, period) in [(1, 8, 0), (4, 8, 2), (4, 0, 3), (10, 8, 2)] {
        let mut cluster = cluster(validators, max_unexecuted);
        let (mut load, all) = (Load::default(), Vec::from_iter(0..validators));
        cluster.run_for(Micros::from_millis(5_000));
        if validators == 1 {
            cluster.submit(cluster.now(), 0, load.transfer());
            cluster.run_for(Micros::from_millis(5_000));
            assert_eq!(rested(&cluster), Height(3), "a chain of one member works");
            continue;
        }
        offer(&mut cluster, &mut load, 1_500, Micros::from_millis(1), &all);
        cluster.run_for(Micros(20 * DELTA.0));
        cluster.record.measure_anew();
        cluster.run_for(Micros(60 * DELTA.0));
        let latencies = cluster.record.commit_latencies();
        assert!(latencies.len() > 15 * validators, "{} commits", latencies.len());
        assert!(latencies.iter().all(|latency| latency.0 == 3 * DELTA.0), "{latencies:?}");
        let periods = cluster.record.periods();
        assert!(periods.iter().all(|one| one.0 == period * DELTA.0), "{periods:?}");
        let empty = cluster.record.committed.iter().filter(|one| one.txs.is_empty()).count();
        assert_eq!(empty, 0, "no block stays empty for want of permission");
        assert!(cluster.record.timed_out.is_empty());
        assert_eq!(cluster.penalties, [""; 0]);
    }
}

#[test]
fn with_one_of_four_crashed_at_most_one_view_in_a_hundred_fails_after_the_first() {
    for (crashed, max_unexecuted) in [(0, 8), (1, 0), (2, 8), (3, 8)] {
        let mut cluster = cluster(4, max_unexecuted);
        cluster.run_for(Micros::from_millis(5_000));
        cluster.kill(crashed);
        let left: Vec<usize> = (0..4).filter(|node| *node != crashed).collect();
        let (mut load, view) = (Load::default(), |cluster: &Cluster| {
            left.iter().filter_map(|node| cluster.driver(*node)).map(|node| node.engine().view()).max()
        });
        let begin = view(&cluster).expect("three are up").0;
        offer(&mut cluster, &mut load, 3_000, Micros::from_millis(5), &left);
        let mut failed_per_hundred = Vec::new();
        for hundred in 1..=3 {
            cluster.record.timed_out.clear();
            let end = View(begin + 100 * hundred);
            let reached = cluster.run_while(Micros::from_millis(60_000), |one| view(one) < Some(end));
            assert!(reached, "view {end} is not reached");
            let mut failed: Vec<View> = cluster.record.timed_out.iter().map(|(_, _, view)| *view).collect();
            failed.sort_unstable();
            failed.dedup();
            failed_per_hundred.push(failed.len());
        }
        assert!(failed_per_hundred[0] <= 4, "the first timeouts: {failed_per_hundred:?}");
        assert!(failed_per_hundred[1..].iter().all(|failed| *failed <= 1), "{failed_per_hundred:?}");
        assert_eq!(cluster.penalties, [""; 0]);
    }
}

#[test]
fn messages_and_bytes_of_a_block_do_not_change_unnoticed() {
    // Two rounds of votes from all to all, the proposal, and the QC that each sends to the next leader.
    let costs = measure(4, 20);
    let expected = Costs {
        validators: 4,
        commit: 3_000,
        period: 2_000,
        after_crash: 2_000,
        messages_per_block: 2 * 4 * 3 + 3 + 3,
        bytes_per_block: 6_105,
        checks_per_block: 2_000,
    };
    assert_eq!(costs, expected);
}
