//! Rules R1 to R9, E1 to E3 and S7 at one engine, one fresh member per rule.

use std::sync::Arc;

use althing_consensus::{
    AppHash, Block, Certificate, Epoch, Height, Memory, Message, Phase, Position, QuorumCertificate, Status,
    View, Vouched,
};
use althing_crypto::{BlockHash, sha256};

use super::Verdict;
use super::forge::Forge;
use super::member::Bench;
use crate::bare::{Input, Noted, Wire};

const QUORUM: &[u16] = &[0, 1, 2];

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// A member that leads neither of the first views, and one that leads the first.
fn follower(forge: &Forge) -> u16 {
    let leading: Vec<u16> = (1..=3).map(|view| forge.leader(view, &[])).collect();
    forge.everyone().into_iter().find(|one| !leading.contains(one)).expect("a fourth member")
}

fn first_block(forge: &Forge, txs: &[u8]) -> Block {
    forge.block(1, forge.setup.genesis(), View(0), txs)
}

fn named(name: u8) -> BlockHash {
    BlockHash(sha256(&[name]))
}

/// All of them.
pub(super) fn engine() -> Verdict {
    let forge = Forge::four();
    votes_alone_commit_nothing(&forge)?;
    a_commit_certificate_is_a_qc(&forge)?;
    two_certificates_of_one_view_stop_it(&forge)?;
    another_execution_than_a_quorums_stops_it(&forge)?;
    a_tc_goes_to_all(&forge)?;
    timeouts_of_one_honest_are_joined(&forge)?;
    double_votes_and_proposals_are_evidence(&forge)?;
    the_late_are_sent_what_they_lack(&forge)?;
    a_restart_begins_above_the_tc(&forge)?;
    a_quorum_answers_before_it_signs(&forge)?;
    a_stale_record_does_not_count(&forge)?;
    whatever_is_shown_sets_the_floor(&forge)
}

fn votes_alone_commit_nothing(forge: &Forge) -> Verdict {
    let mut bench = Bench::resumed(forge, follower(forge));
    let block = first_block(forge, &[]);
    let qc = forge.qc(Phase::Vote, 1, block.hash(), QUORUM);
    bench.hear_proposal(forge.proposal(forge.leader(1, &[]), block, None, None));
    bench.hear_certificate(Certificate::Quorum(qc));
    must(bench.votes(Phase::Commit).len() == 1, "R5: no commit vote on a QC")?;
    must(bench.member.durable().height() == Height(0), "R6: a QC of votes committed its block")
}

fn a_commit_certificate_is_a_qc(forge: &Forge) -> Verdict {
    let mut bench = Bench::resumed(forge, follower(forge));
    bench.hear_certificate(Certificate::Quorum(forge.qc(Phase::Commit, 1, named(1), QUORUM)));
    bench.pass(20_000);
    let timeout = bench.record().timeout.as_ref();
    must(
        timeout.is_some_and(|one| one.view == View(2) && one.high_view() == View(1)),
        "R4: with the commit certificate of view 1, view 2 is not given up naming view 1",
    )
}

fn two_certificates_of_one_view_stop_it(forge: &Forge) -> Verdict {
    let mut bench = Bench::resumed(forge, follower(forge));
    for name in [1, 2] {
        bench.hear_certificate(Certificate::Quorum(forge.qc(Phase::Vote, 1, named(name), QUORUM)));
    }
    let halted = bench.noted.iter().any(|noted| matches!(noted, Noted::Halted(_)));
    must(halted, "R6: two QCs of one view for different blocks did not stop it")
}

fn another_execution_than_a_quorums_stops_it(forge: &Forge) -> Verdict {
    let mut bench = Bench::resumed(forge, follower(forge));
    let first = first_block(forge, &[]);
    let mut second = forge.block(2, &first, View(1), &[]);
    second.header.vouched = Vouched {
        height: Height(1),
        app_hash: AppHash::new(vec![9; 32]).expect("32 bytes"),
        ..first.header.vouched.clone()
    };
    let commit = forge.qc(Phase::Commit, 2, second.hash(), QUORUM);
    bench.hear_certificate(Certificate::Quorum(commit));
    for block in [second, first] {
        bench.step(Input::Received(Position(0), Arc::new(Wire::Body(block))));
    }
    must(bench.member.durable().height() == Height(2), "R6: a commit certificate did not commit")?;
    let halted = bench.noted.iter().any(|noted| matches!(noted, Noted::Halted(_)));
    must(halted, "a quorum vouched for another execution, and it went on")
}

fn a_tc_goes_to_all(forge: &Forge) -> Verdict {
    let mut bench = Bench::resumed(forge, follower(forge));
    bench.hear_certificate(Certificate::Timeout(forge.unanimous_tc(1, None)));
    let is_tc = |message: &Message| matches!(message, Message::Certificate(one) if matches!(**one, Certificate::Timeout(_)));
    let forwarded = bench.sent.iter().filter(|(to, message)| to.is_none() && is_tc(message)).count();
    must(forwarded == 1, "R1: a TC is not passed on, once")
}

fn timeouts_of_one_honest_are_joined(forge: &Forge) -> Verdict {
    let me = follower(forge);
    let mut bench = Bench::resumed(forge, me);
    let others: Vec<u16> = forge.everyone().into_iter().filter(|one| *one != me).take(2).collect();
    for peer in others {
        bench.hear(peer, Message::Timeout(Box::new(forge.timeout(peer, 1, None, None))));
    }
    must(bench.record().timed_out() == View(1), "R7: timeout votes from more than a third are not joined")
}

fn double_votes_and_proposals_are_evidence(forge: &Forge) -> Verdict {
    let me = follower(forge);
    let culprit = forge.leader(1, &[]);
    let convicted = |bench: &Bench| bench.noted.iter().any(|one| matches!(one, Noted::Convicted(_)));
    for phase in [Phase::Vote, Phase::Commit] {
        let mut bench = Bench::resumed(forge, me);
        for name in [1, 2] {
            bench.hear(culprit, Message::Vote(forge.vote(culprit, phase, 1, named(name))));
        }
        must(convicted(&bench), "E1: two votes of one view are no evidence")?;
    }
    let mut bench = Bench::resumed(forge, me);
    for txs in [&[1][..], &[2]] {
        bench.hear_proposal(forge.proposal(culprit, first_block(forge, txs), None, None));
    }
    must(convicted(&bench), "E2: two proposals of one view are no evidence")
}

fn the_late_are_sent_what_they_lack(forge: &Forge) -> Verdict {
    let mut bench = Bench::resumed(forge, follower(forge));
    let qc = forge.qc(Phase::Vote, 1, named(1), QUORUM);
    bench.hear_certificate(Certificate::Quorum(qc.clone()));
    bench.pass(300);
    bench.sent.clear();
    let late = if bench.member.position() == Position(2) { 3 } else { 2 };
    let status = Status { epoch: Epoch(1), view: View(1), ..Status::default() };
    bench.hear(late, Message::Status(status));
    let holds = |one: &Certificate| matches!(one, Certificate::Quorum(held) if *held == qc);
    let helped = bench.sent.iter().any(|(to, message)| {
        *to == Some(Position(late)) && matches!(message, Message::Certificate(one) if holds(one))
    });
    must(helped, "R9: who lacks the high QC is not sent it")
}

fn a_restart_begins_above_the_tc(forge: &Forge) -> Verdict {
    let me = follower(forge);
    let mut bench = Bench::resumed(forge, me);
    bench.hear_certificate(Certificate::Timeout(forge.unanimous_tc(1, None)));
    bench.pass(20_000);
    must(bench.record().tc.is_some(), "S8: the TC is not kept with what was signed after it")?;
    let again = bench.member.restart();
    must(again.engine().view() == View(2), "R1: after a restart it does not begin above its newest TC")
}

/// A peer's answer to a validator that has just started.
fn answer(memory: Memory) -> Message {
    Message::Memory(Box::new(Memory { epoch: Epoch(1), ..memory }))
}

fn a_quorum_answers_before_it_signs(forge: &Forge) -> Verdict {
    let me = follower(forge);
    let mut bench = Bench::new(forge, me);
    let peers: Vec<u16> = forge.everyone().into_iter().filter(|one| *one != me).collect();
    let leader = forge.leader(1, &[]);
    bench.hear_proposal(forge.proposal(leader, first_block(forge, &[]), None, None));
    bench.hear(peers[0], answer(Memory::default()));
    must(bench.record().voted() == View(0), "S7: it votes with two of four known")?;
    bench.hear(peers[1], answer(Memory::default()));
    must(bench.record().voted() == View(1), "S7: it does not vote with three of four known")
}

fn a_stale_record_does_not_count(forge: &Forge) -> Verdict {
    let me = follower(forge);
    let mut bench = Bench::new(forge, me);
    let peers: Vec<u16> = forge.everyone().into_iter().filter(|one| *one != me).collect();
    let forgotten = forge.vote(me, Phase::Vote, 5, named(5));
    let resumed = |bench: &Bench| bench.noted.iter().any(|one| matches!(one, Noted::Stale));
    bench.hear(peers[0], answer(Memory { vote: Some(forgotten), ..Memory::default() }));
    bench.hear(peers[1], answer(Memory::default()));
    must(!resumed(&bench), "S7: a stale record counts among the quorum that answered")?;
    bench.hear(peers[2], answer(Memory::default()));
    must(resumed(&bench), "S7: three others of four are no quorum")?;
    must(bench.record().floor == View(6), "S7: the floor is not above what was shown")
}

/// One message of each kind, alone, from one peer.
fn whatever_is_shown_sets_the_floor(forge: &Forge) -> Verdict {
    let me = follower(forge);
    let peers: Vec<u16> = forge.everyone().into_iter().filter(|one| *one != me).collect();
    let vote = |phase| Some(forge.vote(me, phase, 5, named(5)));
    let proposal = forge.proposal(me, forge.block(5, forge.setup.genesis(), View(0), &[]), None, None);
    let entry = Certificate::Timeout(forge.unanimous_tc(4, None));
    let none = Memory::default;
    for (kind, shown) in [
        ("proposal", Memory { proposal: Some((proposal.statement(), proposal.signature)), ..none() }),
        ("vote", Memory { vote: vote(Phase::Vote), ..none() }),
        ("commit vote", Memory { commit_vote: vote(Phase::Commit), ..none() }),
        ("timeout vote", Memory { timeout: Some(forge.timeout(me, 5, None, Some(entry))), ..none() }),
    ] {
        let mut bench = Bench::new(forge, me);
        bench.hear(peers[0], answer(shown));
        peers[1..].iter().for_each(|peer| bench.hear(*peer, answer(none())));
        let floor = bench.record().floor;
        must(floor == View(6), &format!("S7: a shown {kind} of view 5 makes a floor of {floor}"))?;
    }
    Ok(())
}

/// An honest member's commit vote and its timeout vote that names that very QC: no evidence, at the engine or alone.
pub(super) fn evidence() -> Verdict {
    let forge = Forge::four();
    let (me, honest) = (follower(&forge), forge.leader(1, &[]));
    let qc: QuorumCertificate = forge.qc(Phase::Vote, 1, named(1), QUORUM);
    let commit_vote = forge.vote(honest, Phase::Commit, 1, named(1));
    let entry = Some(Certificate::Quorum(qc.clone()));
    let timeout = forge.timeout(honest, 2, Some(qc), entry);
    let mut bench = Bench::resumed(&forge, me);
    bench.hear(honest, Message::Vote(commit_vote.clone()));
    bench.hear(honest, Message::Timeout(Box::new(timeout.clone())));
    let convicted = bench.noted.iter().any(|one| matches!(one, Noted::Convicted(_)));
    must(!convicted, "E3: an honest member is convicted")?;
    let pair = althing_consensus::Evidence::CommitAndTimeout(commit_vote.clone(), (&timeout).into());
    must(forge.setup.door(Position(me)).verify_evidence(&pair).is_err(), "E3: an honest pair is evidence")?;
    let forgetful = forge.timeout(honest, 1, None, None);
    let pair = althing_consensus::Evidence::CommitAndTimeout(commit_vote, (&forgetful).into());
    must(forge.setup.door(Position(me)).verify_evidence(&pair).is_ok(), "E3: a contradiction is no evidence")
}
