//! A chain that nobody uses costs next to nothing.

use std::time::Duration;

use althing_crypto::Encoding;
use althing_ledger::asset::{Address, Transaction};
use althing_tests::processes::{Chain, peak_memory_kib, processor_time};
use tokio::time::{Instant, sleep};

/// How long the chain is watched at rest.
const WATCH: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_chain_makes_one_block_a_transaction_two_more_and_then_it_rests() {
    let mut chain = Chain::running(4).await;
    assert_eq!(chain.level().await, 1);

    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    let tx = Transaction::transfer(chain.genesis().chain_id(), &from, 0, 0, to, 5, "").encode();
    let outcome = chain.node(0).commit(&tx).await;
    assert_eq!((outcome.code, outcome.height), (0, 2), "block 1 was all before it: {outcome:?}");
    chain.all_reach(3).await;

    let times =
        |chain: &mut Chain| chain.running_nodes().map(|node| processor_time(node.pid())).collect::<Vec<_>>();
    let (before, begun) = (times(&mut chain), Instant::now());
    sleep(WATCH).await;
    let (after, watched) = (times(&mut chain), begun.elapsed());
    for (index, (after, before)) in after.into_iter().zip(before).enumerate() {
        let used = after - before;
        eprintln!("validator {index} at rest: {used:?} of processor time in {watched:.1?}");
        assert!(
            used < watched / 50,
            "validator {index} used {used:?} in {watched:?}: not under 2 % of a core"
        );
    }
    assert_eq!(chain.level().await, 3, "the height after one transaction, at rest");
    for node in chain.running_nodes() {
        eprintln!("resident at most: {} MiB", peak_memory_kib(node.pid()).expect("it runs") / 1024);
    }
}
