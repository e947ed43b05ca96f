//! The door: whatever a peer says, only what the rules allow is let in, and everything that they allow.
//!
//! The first byte says who sends and whether the message is signed anew, the rest is the message.

use althing_consensus::{
    Admitted, Certificate, Epoch, Evidence, Memory, Message, Notice, Phase, Position, Proposal,
    QuorumCertificate, Registration, TimeoutCertificate, TimeoutStatement, TimeoutVote, View, Vote,
    proposal_bytes, registration_bytes, sponsorship_bytes, timeout_bytes, vote_bytes,
};
use althing_crypto::{Encoding, bls, bls::VoteScheme, ed25519};

use super::chain::{CHAIN, CHAIN_ID, MEMBERS};
use super::seal::Seal;
use crate::cheap_votes::CHEAP_VOTES;

const LIMIT: u64 = 1 << 62;

/// Shows a message to the door of validator 0.
pub fn door(bytes: &[u8]) {
    let Some((flags, rest)) = bytes.split_first() else { return };
    let seal = Seal::all(&CHAIN);
    let signed = flags & 1 == 1;
    let from = Some(Position(u16::from(flags >> 1 & 7))).filter(|from| from.0 < MEMBERS);
    if let Ok(mut message) = Message::decode(rest) {
        if signed {
            seal.message(&mut message);
        }
        shown(from, message);
    }
    if let Ok(mut evidence) = Evidence::decode(rest) {
        if signed {
            seal.evidence(&mut evidence);
        }
        if CHAIN.door().verify_evidence(&evidence).is_ok() {
            convicts(&evidence);
        }
    }
    if let Ok(Notice::Registration(registration)) = Notice::decode(rest)
        && CHAIN.door().verify_registration(&registration).is_ok()
    {
        stands(&registration);
    }
}

/// A registration that is believed is its owner's, and some validator's of the epoch.
fn stands(registration: &Registration) {
    let Registration { epoch, identity, vote_key, signature, sponsor, sponsor_signature, .. } = registration;
    assert_eq!(*epoch, Epoch(1));
    assert!(CHAIN.set().members().iter().any(|member| member.identity == *sponsor));
    assert!(identity.verify(&registration_bytes(CHAIN_ID, *epoch, vote_key, sponsor), signature));
    assert!(sponsor.verify(&sponsorship_bytes(CHAIN_ID, *epoch, identity, vote_key), sponsor_signature));
}

fn shown(from: Option<Position>, message: Message) {
    let door = CHAIN.door();
    let verdict = door.admit(from, message.clone());
    assert_eq!(door.admit(from, message.clone()), verdict, "known certificates change no verdict");
    let good = allowed(from, &message);
    assert_eq!(verdict.is_ok(), good, "{verdict:?}");
    let Ok(admitted) = verdict else { return };
    let inside = match admitted {
        Admitted::Proposal(proposal) => Message::Proposal(Box::new(proposal.into_inner())),
        Admitted::Vote(vote) => Message::Vote(vote),
        Admitted::Timeout(timeout) => Message::Timeout(Box::new(timeout)),
        Admitted::Certificate(certificate) => Message::Certificate(Box::new(certificate.into_inner())),
        Admitted::Status(status) => Message::Status(status),
        Admitted::Memory(memory) => Message::Memory(Box::new(memory)),
    };
    assert_eq!(inside, message, "what is let in is what was sent");
}

/// The rules once more, written apart from the door's own.
fn allowed(from: Option<Position>, message: &Message) -> bool {
    match message {
        Message::Proposal(proposal) => proposal_good(proposal),
        Message::Vote(vote) => vote_shape(vote) && (from == Some(vote.signer) || vote_signed(vote)),
        Message::Timeout(timeout) => {
            timeout_good(timeout) && (from == Some(timeout.signer) || timeout_signed(timeout))
        }
        Message::Certificate(certificate) => certificate_good(certificate),
        Message::Status(status) => {
            let views = [status.view, status.high_view, status.tc_view, status.commit_view];
            views.iter().all(|view| view.0 < LIMIT) && status.committed.0 < LIMIT
        }
        Message::Memory(memory) => memory_good(memory),
    }
}

fn here(epoch: Epoch, view: View) -> bool {
    epoch == Epoch(1) && (1..LIMIT).contains(&view.0)
}

fn follows(view: u64, before: u64) -> bool {
    before.checked_add(1) == Some(view)
}

fn key(signer: Position) -> Option<&'static bls::SecretKey> {
    CHAIN.vote_keys.get(usize::from(signer.0))
}

fn signed(signer: Position, bytes: &[u8], signature: &bls::Signature) -> bool {
    key(signer).is_some_and(|key| key.sign(bytes) == *signature)
}

fn proposed(signer: Position, bytes: &[u8], signature: &ed25519::Signature) -> bool {
    let identity = CHAIN.identities.get(usize::from(signer.0));
    identity.is_some_and(|key| key.sign(bytes) == *signature)
}

fn vote_shape(vote: &Vote) -> bool {
    here(vote.epoch, vote.view) && vote.signer.0 < MEMBERS
}

fn vote_signed(vote: &Vote) -> bool {
    signed(vote.signer, &vote_bytes(CHAIN_ID, vote.phase, vote.epoch, vote.view, vote.block), &vote.signature)
}

fn timeout_signed(vote: &TimeoutVote) -> bool {
    statement_signed(&vote.into())
}

fn statement_signed(vote: &TimeoutStatement) -> bool {
    signed(vote.signer, &timeout_bytes(CHAIN_ID, vote.epoch, vote.view, vote.high_view), &vote.signature)
}

/// Three of four equal members, each with its signature in the sum.
fn quorum(signed: Vec<(Position, Vec<u8>)>, signature: &bls::Signature) -> bool {
    let parts: Option<Vec<_>> =
        signed.iter().map(|(signer, bytes)| Some(key(*signer)?.sign(bytes))).collect();
    signed.len() >= 3 && parts.is_some_and(|parts| CHEAP_VOTES.aggregate(&parts).as_ref() == Ok(signature))
}

fn qc_good(qc: &QuorumCertificate) -> bool {
    let bytes = vote_bytes(CHAIN_ID, qc.phase, qc.epoch, qc.view, qc.block);
    let signed = qc.signers.iter().map(|signer| (signer, bytes.clone())).collect();
    here(qc.epoch, qc.view) && quorum(signed, &qc.signature)
}

fn tc_good(tc: &TimeoutCertificate) -> bool {
    let carried = tc.high_qc.as_ref().map_or(0, |qc| qc.view.0);
    let signed = tc
        .signers
        .iter()
        .zip(&tc.high_views)
        .map(|(signer, high)| (signer, timeout_bytes(CHAIN_ID, tc.epoch, tc.view, *high)));
    here(tc.epoch, tc.view)
        && tc.high_views.len() == tc.signers.len()
        && tc.high_views.iter().map(|view| view.0).max() == Some(carried)
        && carried < tc.view.0
        && tc.high_qc.iter().all(qc_good)
        && quorum(signed.collect(), &tc.signature)
}

fn certificate_good(certificate: &Certificate) -> bool {
    match certificate {
        Certificate::Quorum(qc) => qc_good(qc),
        Certificate::Timeout(tc) => tc_good(tc),
    }
}

/// Rule R7.
fn timeout_good(vote: &TimeoutVote) -> bool {
    let high = vote.high_view().0;
    let (entered, least) = match &vote.entry {
        None => (0, 0),
        Some(Certificate::Quorum(qc)) => (qc.view.0, qc.view.0),
        Some(Certificate::Timeout(tc)) => {
            (tc.view.0, tc.high_views.iter().map(|view| view.0).max().unwrap_or(0))
        }
    };
    here(vote.epoch, vote.view)
        && vote.signer.0 < MEMBERS
        && high < vote.view.0
        && follows(vote.view.0, entered)
        && high >= least
        && vote.high_qc.iter().all(qc_good)
        && vote.entry.iter().all(certificate_good)
}

/// Rule R3, as far as a proposal alone can tell.
fn proposal_good(proposal: &Proposal) -> bool {
    let (header, view) = (&proposal.block.header, proposal.view.0);
    let justify = proposal.justify.as_ref().map_or(0, |qc| qc.view.0);
    let justified = match &proposal.tc {
        None => follows(view, justify),
        Some(tc) => {
            let named = tc.high_views.iter().map(|view| view.0).max().unwrap_or(0);
            follows(view, tc.view.0) && justify < tc.view.0 && justify >= named
        }
    };
    let members: Vec<u16> = header.absent.iter().map(|one| one.member.0).collect();
    here(header.epoch, proposal.view)
        && proposal.signer.0 < MEMBERS
        && justified
        && header.chain_id == CHAIN_ID
        && (1..=view).contains(&header.view.0)
        && header.justify_view < header.view
        && (1..LIMIT).contains(&header.height.0)
        && header.time_ms < LIMIT
        && header.vouched.height < header.height
        && proposal.block.txs.len() <= CHAIN.params().max_block_txs as usize
        && members.is_sorted_by(|one, next| one < next)
        && members.iter().all(|member| *member < MEMBERS)
        && header.payload_root == althing_consensus::payload_root(&proposal.block.txs)
        && header.evidence_root == althing_consensus::notices_root(&proposal.block.notices)
        && proposal.block.notices.len() <= althing_consensus::MAX_NOTICES
        && proposal.block.notices.iter().all(|notice| notice.encode().len() <= Notice::MAX_BYTES)
        && proposed(proposal.signer, &proposal_bytes(CHAIN_ID, &proposal.statement()), &proposal.signature)
        && proposal.justify.iter().all(qc_good)
        && proposal.tc.iter().all(tc_good)
        && proposal.commit.iter().all(|qc| qc.phase == Phase::Commit && qc_good(qc))
}

/// Rule S7: messages of validator 0, whose door it is.
fn memory_good(memory: &Memory) -> bool {
    let Memory { epoch, vote, commit_vote, timeout, proposal } = memory;
    let own_vote = |vote: &Vote, phase| {
        vote.signer == Position(0) && vote.phase == phase && vote_shape(vote) && vote_signed(vote)
    };
    *epoch == Epoch(1)
        && vote.iter().all(|vote| own_vote(vote, Phase::Vote))
        && commit_vote.iter().all(|vote| own_vote(vote, Phase::Commit))
        && timeout.iter().all(|vote| vote.signer == Position(0) && timeout_good(vote) && timeout_signed(vote))
        && proposal.iter().all(|(statement, signature)| {
            here(statement.epoch, statement.view)
                && proposed(Position(0), &proposal_bytes(CHAIN_ID, statement), signature)
        })
}

/// Evidence that is believed is of two messages that one validator signed and no correct one signs both of.
fn convicts(evidence: &Evidence) {
    let alone = |vote: &Vote| vote_shape(vote) && vote_signed(vote);
    let holds = match evidence {
        Evidence::Votes(one, two) => {
            (one.signer, one.phase, one.epoch, one.view) == (two.signer, two.phase, two.epoch, two.view)
                && one.block != two.block
                && alone(one)
                && alone(two)
        }
        Evidence::Proposals { signer, first: (one, first), second: (two, second) } => {
            (one.epoch, one.view) == (two.epoch, two.view)
                && one.block != two.block
                && proposed(*signer, &proposal_bytes(CHAIN_ID, one), first)
                && proposed(*signer, &proposal_bytes(CHAIN_ID, two), second)
        }
        Evidence::CommitAndTimeout(vote, timeout) => {
            forgot(vote, vote.view, timeout) && vote.phase == Phase::Commit && alone(vote)
        }
        Evidence::VoteAndTimeout(vote, header, timeout) => {
            forgot(vote, header.justify_view, timeout)
                && vote.phase == Phase::Vote
                && vote.block == header.hash()
                && alone(vote)
        }
    };
    assert!(holds, "{evidence:?}");
}

/// A timeout vote of the voter, not before its vote, that names a QC older than one it held when it voted.
fn forgot(vote: &Vote, held: View, timeout: &TimeoutStatement) -> bool {
    (vote.signer, vote.epoch) == (timeout.signer, timeout.epoch)
        && timeout.view >= vote.view
        && timeout.high_view < held
        && statement_signed(timeout)
}
