//! The door: what is well signed and whole gets in, whatever is not stays out.

use althing_consensus::engine::Aggregated;
use althing_consensus::{Certificate, ConsensusParams, Message, Phase, Position, View, aggregate_votes};
use althing_crypto::{BlockHash, bls, ed25519, sha256};

use super::Verdict;
use super::forge::Forge;

fn block(name: u8) -> BlockHash {
    BlockHash(sha256(&[name]))
}

fn certificate(certificate: impl Into<Certificate>) -> Message {
    Message::Certificate(Box::new(certificate.into()))
}

struct Case {
    what: &'static str,
    from: u16,
    message: Message,
    good: bool,
}

/// Messages with one thing wrong, among others with nothing wrong.
pub(super) fn door() -> Verdict {
    let four = Forge::four();
    for Case { what, from, message, good } in messages(&four).into_iter().chain(timeout_messages(&four)) {
        let verdict = four.admit(from, message);
        if verdict.is_ok() != good {
            return Err(format!("{what}: {}", if good { "refused" } else { "admitted" }));
        }
    }
    two_thirds()?;
    run_certificate(&four)?;
    one_bad_share(&four)
}

fn messages(forge: &Forge) -> Vec<Case> {
    let case = |what, from, message, good| Case { what, from, message, good };
    let spoilt = bls::Signature::from_bytes([3; 96]);
    let vote = forge.vote(2, Phase::Vote, 1, block(1));
    let mut forged_vote = forge.vote(2, Phase::Vote, 1, block(2));
    forged_vote.signature = spoilt;
    let mut proposal = forge.proposal(0, forge.block(1, forge.setup.genesis(), View(0), &[]), None, None);
    let honest = proposal.clone();
    proposal.signature = ed25519::Signature::from_bytes([3; 64]);
    let qc = forge.qc(Phase::Vote, 1, block(1), &[0, 1, 2]);
    let mut unknown = forge.qc(Phase::Vote, 2, block(1), &[0, 1, 2]);
    unknown.signature = spoilt;
    let mut known = qc.clone();
    known.signature = spoilt;
    vec![
        case("a relayed vote", 3, Message::Vote(vote), true),
        case("a relayed vote with a bad signature", 3, Message::Vote(forged_vote), false),
        case("a proposal", 0, Message::Proposal(Box::new(honest)), true),
        case("a proposal with a bad signature", 0, Message::Proposal(Box::new(proposal)), false),
        case("a certificate with a bad signature", 1, certificate(Certificate::Quorum(unknown)), false),
        case("a certificate", 1, certificate(Certificate::Quorum(qc.clone())), true),
        // By itself the one that was checked would stand in for it; a timeout vote carries it on as it is.
        case(
            "a known certificate, another signature",
            2,
            Message::Timeout(Box::new(forge.timeout(2, 2, Some(known), Some(Certificate::Quorum(qc))))),
            false,
        ),
    ]
}

fn timeout_messages(forge: &Forge) -> Vec<Case> {
    let case = |what, message, good| Case { what, from: 2, message, good };
    let qc = |view| forge.qc(Phase::Vote, view, block(view as u8), &[0, 1, 2]);
    let tc = |view, named: [u64; 3], high_qc| {
        let named = [(0, named[0]), (1, named[1]), (3, named[2])];
        certificate(Certificate::Timeout(forge.tc(view, &named, high_qc)))
    };
    let timeout = |view, high_qc, entry| Message::Timeout(Box::new(forge.timeout(2, view, high_qc, entry)));
    let entry = Some(Certificate::Quorum(qc(2)));
    vec![
        case("a TC", tc(4, [0, 1, 2], Some(qc(2))), true),
        case("a TC that names more than it carries", tc(4, [0, 3, 2], Some(qc(2))), false),
        case("a TC that names less than it carries", tc(4, [0, 1, 1], Some(qc(2))), false),
        case("a TC that names its own view", tc(4, [0, 1, 4], Some(qc(4))), false),
        case("a timeout vote", timeout(3, Some(qc(2)), entry), true),
        case("a timeout vote without entry", timeout(3, Some(qc(2)), None), false),
        case(
            "a timeout vote with an old entry",
            timeout(5, Some(qc(2)), Some(Certificate::Quorum(qc(2)))),
            false,
        ),
    ]
}

/// With W divisible by three, two thirds are no quorum.
fn two_thirds() -> Verdict {
    let six = Forge::new(&[1; 6], ConsensusParams::default());
    for (signers, good) in [(&[0, 1, 2, 3][..], false), (&[0, 1, 2, 3, 4][..], true)] {
        let qc = six.qc(Phase::Vote, 1, block(1), signers);
        if six.admit(1, certificate(Certificate::Quorum(qc))).is_ok() != good {
            return Err(format!("a certificate of {} of 6, good: {good}", signers.len()));
        }
    }
    Ok(())
}

fn run_certificate(forge: &Forge) -> Verdict {
    let mut qc = forge.qc(Phase::Commit, 7, block(7), &[1, 2, 3]);
    qc.signature = bls::Signature::from_bytes([4; 96]);
    match forge.setup.door(Position(0)).verify_quorum(&qc) {
        Ok(_) => Err("a run's certificate with a bad signature passes".into()),
        Err(_) => Ok(()),
    }
}

/// One bad share of four: the certificate of the other three.
fn one_bad_share(forge: &Forge) -> Verdict {
    let mut votes: Vec<_> = (0..4).map(|signer| forge.vote(signer, Phase::Vote, 9, block(9))).collect();
    votes[3].signature = bls::Signature::from_bytes([5; 96]);
    let aggregated = aggregate_votes(forge.setup.set(), forge.setup.chain_id(), votes);
    let Aggregated::Votes { certificate: made, bad, .. } = aggregated else {
        return Err("votes were aggregated to something else".into());
    };
    if bad != [Position(3)] {
        return Err(format!("whose share is bad: {bad:?}"));
    }
    let made = made.ok_or("three good shares of four make no certificate")?;
    let verdict = forge.admit(1, certificate(Certificate::Quorum(made.into_inner())));
    verdict.map(drop).map_err(|rejection| format!("three good shares of four: {rejection}"))
}
