//! Rules R3, V1 to V9 and L4: which proposals get a vote.

use althing_consensus::{
    Absence, AppHash, Block, Certificate, ConsensusParams, Execution, Height, Phase, Position, Proposal,
    View, Vouched,
};

use super::Verdict;
use super::forge::Forge;
use super::member::Bench;

const QUORUM: &[u16] = &[0, 1, 2];

/// The second block of a chain whose first, with transaction 1, is committed and executed by all; changed so.
type Change = fn(&mut Block, &Execution);

/// A good block, and what is wrong with others.
const BLOCKS: &[(&str, bool, Change)] = &[
    ("a good block", true, |_, _| {}),
    ("one that vouches for the first", true, |block, first| block.header.vouched = vouch(block, first, 0)),
    ("one of its parent's time", false, |block, _| block.header.time_ms -= 1),
    ("one with a transaction of its parent", false, |block, _| carry(block, 1)),
    ("one with another absent list", false, |block, _| {
        block.header.absent = vec![Absence { member: Position(3), last: View(1), failures: 1 }];
    }),
    ("one that vouches for another execution", false, |block, first| {
        block.header.vouched = vouch(block, first, 1);
    }),
    ("one with transactions that vouches for too little", false, |block, _| carry(block, 2)),
];

fn carry(block: &mut Block, tx: u8) {
    block.txs = vec![althing_crypto::TxHash(althing_crypto::sha256(&[tx]))];
    block.header.payload_root = althing_consensus::payload_root(&block.txs);
}

/// What the first block's execution is vouched for with, falsified by `change`.
fn vouch(block: &Block, first: &Execution, change: u8) -> Vouched {
    let mut app_hash = first.app_hash.as_bytes().to_vec();
    app_hash[0] ^= change;
    Vouched {
        height: Height(1),
        app_hash: AppHash::new(app_hash).expect("as long as before"),
        executed_root: Execution::root([first]),
        ..block.header.vouched.clone()
    }
}

/// All of them.
pub(super) fn validity() -> Verdict {
    for (what, good, change) in BLOCKS {
        // A transaction of the parent is only that: let the back-pressure allow it.
        let slack = u32::from(*what == "one with a transaction of its parent") * 8;
        let params = ConsensusParams { max_unexecuted_blocks: slack, ..ConsensusParams::default() };
        let forge = Forge::new(&[1; 4], params);
        let (mut bench, first, qc) = after_first(&forge);
        let executed = bench.member.durable().chain[0].execution.clone();
        let mut block = forge.block(2, &first, View(1), &[]);
        change(&mut block, &executed);
        bench.hear_proposal(forge.proposal(forge.leader(2, &[]), block, Some(qc), None));
        expect(&bench, 2, *good, what)?;
    }
    not_the_leader()?;
    one_that_returned()
}

fn expect(bench: &Bench, view: u64, good: bool, what: &str) -> Verdict {
    let voted = bench.votes(Phase::Vote).iter().any(|vote| vote.view == View(view));
    match (voted, good) {
        (true, false) => Err(format!("{what} gets a vote")),
        (false, true) => Err(format!("{what} gets no vote: {:?}", bench.noted)),
        _ => Ok(()),
    }
}

/// A member that leads neither of the first two views, after the first block with transaction 1 is committed.
fn after_first(forge: &Forge) -> (Bench, Block, althing_consensus::QuorumCertificate) {
    let leaders = [forge.leader(1, &[]), forge.leader(2, &[])];
    let me = forge.everyone().into_iter().find(|one| !leaders.contains(one)).expect("more than two members");
    let mut bench = Bench::resumed(forge, me);
    let first = forge.block(1, forge.setup.genesis(), View(0), &[1]);
    let qc = forge.qc(Phase::Vote, 1, first.hash(), QUORUM);
    bench.hear_proposal(forge.proposal(leaders[0], first.clone(), None, None));
    bench.hear_certificate(Certificate::Quorum(forge.qc(Phase::Commit, 1, first.hash(), QUORUM)));
    bench.hear_certificate(Certificate::Quorum(qc.clone()));
    (bench, first, qc)
}

fn not_the_leader() -> Verdict {
    let forge = Forge::four();
    let (mut bench, first, qc) = after_first(&forge);
    let (leader, me) = (forge.leader(2, &[]), bench.member.position().0);
    let other = forge.everyone().into_iter().find(|one| *one != leader && *one != me).expect("four members");
    let block = forge.block(2, &first, View(1), &[]);
    bench.hear_proposal(forge.proposal(other, block, Some(qc), None));
    expect(&bench, 2, false, "a block of another than the leader")
}

/// A member on the absent list that leads a block leaves the list with it. Of three members none is ever left out of the turns.
fn one_that_returned() -> Verdict {
    let forge = Forge::new(&[1; 3], ConsensusParams::default());
    let leader = |view| forge.leader(view, &[]);
    let returns = |view: &u64| leader(*view) == leader(view + 2) && leader(*view) != leader(view + 1);
    let failed = (1..1_000).find(returns).expect("some member leads two views with one between");
    let me = forge.everyone().into_iter().find(|one| ![leader(failed), leader(failed + 1)].contains(one));
    let mut bench = Bench::resumed(&forge, me.expect("a third member"));
    let tc = forge.unanimous_tc(failed, None);
    let block = forge.block(failed + 1, forge.setup.genesis(), View(0), &[]);
    if !block.header.absent.iter().any(|one| one.member.0 == leader(failed)) {
        return Err("the leader of the failed view is not on the absent list".into());
    }
    let qc = forge.qc(Phase::Vote, failed + 1, block.hash(), QUORUM);
    bench.hear_proposal(forge.proposal(leader(failed + 1), block.clone(), None, Some(tc)));
    bench.hear_certificate(Certificate::Quorum(qc.clone()));
    let next: Block = forge.block(failed + 2, &block, View(failed + 1), &[]);
    let proposal: Proposal = forge.proposal(leader(failed + 2), next, Some(qc), None);
    bench.hear_proposal(proposal);
    expect(&bench, failed + 2, true, "the block of a member that returned")
}
