//! Keys that are in two places, and records that went back in time: no validator signs twice in a view for that, and says why.

use althing_tests::processes::{Chain, Load};

/// Blocks under load between a copy and its use.
const BLOCKS: u64 = 40;

async fn blocks(chain: &mut Chain, at: usize, count: u64) {
    let height = chain.node(at).reaches(1).await;
    chain.node(at).reaches(height + count).await;
}

/// No correct member has seen two messages of one validator that contradict each other, and all have the same chain.
async fn all_is_well(chain: &mut Chain) {
    let height = chain.level().await;
    chain.agree_at(height).await;
    for node in chain.running_nodes() {
        assert!(!node.log().contains("provably misbehaved"), "{}", node.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_home_and_its_copy_the_one_started_first_stops_and_nothing_is_signed_twice() {
    let mut chain = Chain::init(4).await;
    let copy = chain.copy(3);
    (0..4).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    let load = Load::start(&chain, &[0, 0, 1, 1, 2, 2]);
    blocks(&mut chain, 0, BLOCKS).await;

    chain.start(copy);
    let first = chain.take(3);
    first.logs(&["another process with the keys of this home", "signs nothing more"]).await;
    assert_eq!(first.ends().await.code(), Some(1));
    // Its record is that of the beginning: the others tell it what its key has signed.
    chain.node(copy).logs(&["this key has signed what the safety record does not know"]).await;
    blocks(&mut chain, copy, BLOCKS).await;

    // And back: whoever was started last counts.
    chain.start(3);
    let second = chain.take(copy);
    second.logs(&["another process with the keys of this home"]).await;
    assert_eq!(second.ends().await.code(), Some(1));
    blocks(&mut chain, 3, BLOCKS).await;
    load.stop().await;
    all_is_well(&mut chain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_is_told_what_its_key_has_signed_since() {
    let mut chain = Chain::running(4).await;
    let load = Load::start(&chain, &[0, 0, 1, 1, 2, 2]);
    blocks(&mut chain, 3, BLOCKS).await;
    chain.take(3).kill().await;
    let backup = chain.copy(3);
    chain.start(3);
    blocks(&mut chain, 3, BLOCKS).await;
    chain.take(3).kill().await;

    chain.restore(backup, 3);
    chain.start(3);
    chain.node(3).logs(&["this key has signed what the safety record does not know"]).await;
    blocks(&mut chain, 3, BLOCKS).await;
    load.stop().await;
    all_is_well(&mut chain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_made_anew_with_the_keys_of_an_old_one_is_told_what_they_have_signed() {
    let mut chain = Chain::init(4).await;
    let unused = chain.copy(3);
    (0..4).for_each(|index| chain.start(index));
    let load = Load::start(&chain, &[0, 0, 1, 1, 2, 2]);
    chain.all_reach(BLOCKS).await;
    chain.take(3).kill().await;

    // Its safety file knows of nothing; a node whose safety file is gone does not start at all.
    chain.restore(unused, 3);
    chain.start(3);
    chain.node(3).logs(&["this key has signed what the safety record does not know"]).await;
    blocks(&mut chain, 3, BLOCKS).await;
    load.stop().await;
    all_is_well(&mut chain).await;
}
