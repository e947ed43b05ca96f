//! A validator contradicts itself before real validators: it is in a block within two views, and takes its author's power.

use std::time::Duration;

use althing_consensus::{Evidence, EvidenceKind, Notice, Phase, Position, View, Vote};
use althing_crypto::{BlockHash, Hash};
use althing_node::{client::integer, wire::Wire};
use althing_tests::processes::{Chain, Load, Traitor, memory_kib, processor_time, until};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

/// Views from the contradiction to the block that proves it.
const WITHIN: u64 = 2;
/// Runs in which it may take longer, but for the last.
const ATTEMPTS: usize = 4;
/// A little less than a peer may send.
const A_SECOND: u64 = 1_800;
/// Checking each of the pieces that one node gets would take three times as long, without what the blocks cost meanwhile.
const MAX_TIME: Duration = Duration::from_secs(30);
/// Far more than queues and pools of a peer hold.
const MAX_MORE_KIB: u64 = 128 << 10;

async fn evidence(chain: &mut Chain, node: usize) -> Vec<Value> {
    let answer = chain.node(node).ask("althing_evidence", json!({})).await;
    answer["evidence"].as_array().expect("a list").clone()
}

async fn power(chain: &mut Chain, node: usize) -> usize {
    let answer = chain.node(node).ask("validators", json!({})).await;
    answer["validators"].as_array().expect("a list").len()
}

async fn traitor(chain: &Chain) -> Traitor {
    Traitor::join(&chain.home(3), (0..3).map(|other| chain.home(other))).await
}

/// Always convicted, and as fast as may be: only a machine that has no processor left for a node takes longer, and not each time.
async fn convicts(kind: EvidenceKind, name: &str) {
    for _ in 0..ATTEMPTS {
        let views = views_until_convicted(kind, name).await;
        if views <= WITHIN {
            return;
        }
    }
    panic!("{name}: in none of {ATTEMPTS} runs in a block within {WITHIN} views");
}

/// From the view of the contradiction to that of the block that proves it.
async fn views_until_convicted(kind: EvidenceKind, name: &str) -> u64 {
    let mut chain = Chain::init(4).await;
    (0..3).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    let load = Load::start(&chain, &[0, 0, 1, 2]);
    load.acknowledged_by(0, 10).await;
    let mut traitor = traitor(&chain).await;
    let view = traitor.contradict(kind).await;

    let found = until("evidence in a block", async || evidence(&mut chain, 0).await.pop()).await;
    let height = integer(&found["height"]).expect("a height");
    assert_eq!((found["kind"].as_str(), integer(&found["view"])), (Some(name), Some(view.0)), "{found}");
    chain.node(0).reaches(height).await;
    let carried = chain.node(0).header(height).await.view;
    eprintln!("{name} in view {view}, in the block of view {carried}, height {height}");
    // Suspended: the others are the next epoch's set, and go on.
    until("a set without it", async || (power(&mut chain, 0).await == 3).then_some(())).await;
    let count = load.count(0);
    load.acknowledged_by(0, count + 10).await;
    load.stop().await;
    let height = chain.level().await;
    chain.agree_at(height).await;
    for node in 0..3 {
        assert_eq!(evidence(&mut chain, node).await.len(), 1, "once");
    }
    carried.0 - view.0
}

#[tokio::test(flavor = "multi_thread")]
async fn two_votes_convict() {
    convicts(EvidenceKind::DoubleVote, "double-vote").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commit_votes_convict() {
    convicts(EvidenceKind::DoubleCommitVote, "double-commit-vote").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proposals_convict() {
    convicts(EvidenceKind::DoubleProposal, "double-proposal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_vote_that_is_forgotten_convicts() {
    convicts(EvidenceKind::ForgottenCommitVote, "forgotten-commit-vote").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_that_is_forgotten_convicts() {
    convicts(EvidenceKind::ForgottenVote, "forgotten-vote").await;
}

/// One piece again and again, then some that do not hold: neither costs much, and the chain goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_evidence_costs_little_and_stops_nothing() {
    // To each of three nodes, twice.
    const EACH: u64 = 17_000;
    let mut chain = Chain::init(4).await;
    (0..3).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    let load = Load::start(&chain, &[0, 0, 1, 2]);
    load.acknowledged_by(0, 10).await;
    let mut traitor = traitor(&chain).await;
    let proposal = traitor.proposal().await;
    let [one, other] =
        [1, 2].map(|salt| traitor.vote(&proposal, Phase::Vote, BlockHash(Hash::from_bytes([salt; 32]))));
    let pid = chain.node(0).pid();
    let (memory, time, height) = (memory_kib(pid), processor_time(pid), chain.node(0).reaches(1).await);

    let good = wire(one.clone(), other.clone());
    let repeated = flood(&mut traitor, EACH, |_| good.clone()).await;
    assert_eq!(repeated as u64, 3 * EACH, "what is known costs its sender nothing");
    // Each blames somebody else, for another view, with what the traitor has signed.
    let forged = flood(&mut traitor, EACH, |number| {
        let (signer, view) = (Position((number % 3) as u16), View(number));
        wire(Vote { signer, view, ..one.clone() }, Vote { signer, view, ..other.clone() })
    });
    let forged = forged.await;
    assert!((forged as u64) < EACH, "{forged} forged pieces were taken before their sender was kept out");

    chain.node(0).reaches(height + 20).await;
    let more = memory_kib(pid).expect("it runs").saturating_sub(memory.expect("it runs"));
    let spent = processor_time(pid) - time;
    let blocks = chain.node(0).height().await.expect("an answer") - height;
    eprintln!(
        "{repeated} repeated and {forged} of {} forged pieces taken by three nodes: {more} KiB more memory and {spent:?} of processor time of one, \
         {blocks} blocks on the way among it",
        3 * EACH
    );
    assert!(more < MAX_MORE_KIB, "{more} KiB more memory");
    assert!(spent < MAX_TIME, "{spent:?} of processor time");
    load.stop().await;
    let height = chain.level().await;
    chain.agree_at(height).await;
    for node in 0..3 {
        assert_eq!(evidence(&mut chain, node).await.len(), 1, "what is true of it, once");
    }
}

fn wire(one: Vote, other: Vote) -> Wire {
    Wire::Notice(Box::new(Notice::Evidence(Evidence::Votes(one, other))))
}

/// So many pieces to each node, as fast as a peer may send. Returns how many were taken, by all of them.
async fn flood(traitor: &mut Traitor, count: u64, piece: impl Fn(u64) -> Wire) -> usize {
    let (mut taken, mut tick) = (0, interval(Duration::from_millis(10)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..count {
        if number.is_multiple_of(A_SECOND / 100) {
            traitor.wait(tick.tick()).await;
        }
        taken += traitor.flood(&piece(number));
    }
    taken
}
