//! Validators killed under load.

use althing_tests::processes::{Chain, Load};

/// Blocks made while a killed validator is away.
const BLOCKS_AWAY: u64 = 200;

/// Without two of four the chain waits; so the second comes back at once, and the one that acknowledged most misses the
/// blocks that the other three go on to make.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_death_of_two_of_four() {
    let mut chain = Chain::running(4).await;
    let load = Load::start(&chain, &[0, 0, 0, 1, 1, 2, 2, 3]);
    load.acknowledged_by(0, 60).await;
    load.acknowledged_by(1, 40).await;

    let (first, second) = (chain.take(0), chain.take(1));
    tokio::join!(first.kill(), second.kill());
    chain.start(1);
    let height = chain.node(2).height().await.expect("an answer");
    chain.node(1).reaches(height + 1).await;
    chain.node(3).reaches(height + BLOCKS_AWAY).await;

    chain.start(0);
    let height = chain.node(2).height().await.expect("an answer");
    chain.node(0).reaches(height).await;
    // Its own clients are served again.
    let acknowledged_before = load.count(0);
    load.acknowledged_by(0, acknowledged_before + 10).await;
    let acknowledged = load.stop().await;

    let height = chain.level().await;
    for height in [1, height / 2, height - 1, height] {
        chain.agree_at(height).await;
    }
    for node in chain.running_nodes() {
        for transfer in &acknowledged {
            assert_eq!(node.find(&transfer.hash).await, Some((transfer.height, 0)), "{transfer:?}");
        }
    }
    eprintln!("{} transfers acknowledged, {height} blocks", acknowledged.len());
}

/// How well the chain goes on is counted in views, which depend on no machine's speed.
#[tokio::test(flavor = "multi_thread")]
async fn a_validator_gone_for_good_costs_only_the_first_timeouts() {
    const BLOCKS: u64 = 100;
    /// Were the dead one asked to lead in its turn, a third as many views as blocks would fail.
    const MAX_FAILED_VIEWS: u64 = 5;

    let mut chain = Chain::running(4).await;
    let load = Load::start(&chain, &[0, 0, 1, 1, 2, 2]);
    load.acknowledged_by(0, 10).await;
    chain.take(3).kill().await;
    // So many that the blocks before its death no longer count in the choice of leaders.
    let begin = chain.node(0).height().await.expect("an answer") + 50;
    let end = begin + BLOCKS;
    chain.all_reach(end + 1).await;
    load.stop().await;

    let node = chain.node(0);
    let views = node.commit_view(end).await - node.commit_view(begin).await;
    eprintln!("{views} views for {BLOCKS} blocks without one of four");
    assert!(views <= BLOCKS + MAX_FAILED_VIEWS, "{views} views for {BLOCKS} blocks");
    chain.agree_at(end).await;
}
