//! A validator contradicts itself before real validators: it is in a block within two views, and takes its author's power.

use althing_consensus::{Evidence, EvidenceKind, Notice, Phase, View, Vote};
use althing_crypto::{BlockHash, sha256};
use althing_node::{client::integer, wire::Wire};
use althing_tests::processes::{Chain, Load, Traitor, memory_kib, processor_time, until};
use serde_json::{Value, json};

/// Views from the contradiction to the block that proves it.
const WITHIN: u64 = 2;
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

async fn convicts(kind: EvidenceKind, name: &str) {
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
    let carried = chain.node(0).header(height).await.view;
    eprintln!("{name} in view {view}, in the block of view {carried}, height {height}");
    assert!(carried.0 <= view.0 + WITHIN, "{name} in view {view}, carried only in view {carried}");
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

/// Pieces that do not hold, all different, and one that does, again and again: neither costs much, and the chain goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_evidence_costs_little_and_stops_nothing() {
    const EACH: usize = 50_000;
    let mut chain = Chain::init(4).await;
    (0..3).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    let load = Load::start(&chain, &[0, 0, 1, 2]);
    load.acknowledged_by(0, 10).await;
    let mut traitor = traitor(&chain).await;
    let proposal = traitor.proposal().await;
    let votes = |number: u64| {
        let block = |salt: u8| BlockHash(sha256(&[&[salt][..], &number.to_be_bytes()].concat()));
        [1, 2].map(|salt| traitor.vote(&proposal, Phase::Vote, block(salt)))
    };
    let wire =
        |[one, other]: [Vote; 2]| Wire::Notice(Box::new(Notice::Evidence(Evidence::Votes(one, other))));
    let pid = chain.node(0).pid();
    let (memory, time, height) = (memory_kib(pid), processor_time(pid), chain.node(0).reaches(1).await);

    let good = wire(votes(0));
    let [one, other] = votes(1);
    for number in 0..EACH {
        traitor.tell(&good);
        // Signed, but not this.
        let view = View(1 + number as u64);
        traitor.tell(&wire([Vote { view, ..one.clone() }, Vote { view, ..other.clone() }]));
        // As fast as the network takes them.
        tokio::task::yield_now().await;
    }
    chain.node(0).reaches(height + 20).await;
    let more = memory_kib(pid).expect("it runs").saturating_sub(memory.expect("it runs"));
    let spent = processor_time(pid) - time;
    eprintln!(
        "{} pieces: {more} KiB more memory, {spent:?} of processor time, {} blocks on the way among it",
        2 * EACH,
        chain.node(0).height().await.expect("an answer") - height
    );
    assert!(more < MAX_MORE_KIB, "{more} KiB more memory");
    load.stop().await;
    let height = chain.level().await;
    chain.agree_at(height).await;
    for node in 0..3 {
        assert_eq!(evidence(&mut chain, node).await.len(), 1, "what is true of it, once");
    }
}
