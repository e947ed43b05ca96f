//! No correct member is ever convicted, and what convicts anyone does: two messages of one key that no correct member signs both of
//! (E1–E4), each signed by that key alone.

use althing_consensus::{
    Evidence, Micros, Phase, Position, ProposalStatement, TimeoutStatement, View, Vote, proposal_bytes,
    timeout_bytes, vote_bytes,
};
use althing_crypto::{bls, ed25519};

use super::{Checker, Seen};
use crate::sim::world::World;

/// Looks at each piece of evidence by itself.
#[derive(Default)]
pub(super) struct Innocents;

/// Whether a member signed these bytes with its vote key.
pub(super) fn signed(world: &World, signer: Position, bytes: &[u8], signature: &bls::Signature) -> bool {
    let member = world.set.members().get(usize::from(signer.0));
    member.is_some_and(|member| world.set.scheme().verify(&member.vote_key, bytes, signature))
}

/// Whether a member signed these bytes with its identity, as a proposal is.
pub(super) fn proposed(
    world: &World,
    signer: Position,
    bytes: &[u8],
    signature: &ed25519::Signature,
) -> bool {
    let member = world.set.members().get(usize::from(signer.0));
    member.is_some_and(|member| member.identity.verify(bytes, signature))
}

/// Whether a vote's own signature is right.
pub(super) fn vote_is_signed(world: &World, vote: &Vote) -> bool {
    let bytes = vote_bytes(world.chain_id, vote.phase, vote.epoch, vote.view, vote.block);
    signed(world, vote.signer, &bytes, &vote.signature)
}

fn timeout_is_signed(world: &World, timeout: &TimeoutStatement) -> bool {
    let bytes = timeout_bytes(world.chain_id, timeout.epoch, timeout.view, timeout.high_view);
    signed(world, timeout.signer, &bytes, &timeout.signature)
}

fn statement_is_signed(
    world: &World,
    signer: Position,
    (statement, signature): &(ProposalStatement, ed25519::Signature),
) -> bool {
    proposed(world, signer, &proposal_bytes(world.chain_id, statement), signature)
}

/// Whether evidence is what it should be.
pub(super) fn convicts(world: &World, evidence: &Evidence) -> bool {
    match evidence {
        Evidence::Votes(a, b) => {
            (a.epoch, a.view, a.phase, a.signer) == (b.epoch, b.view, b.phase, b.signer)
                && a.block != b.block
                && vote_is_signed(world, a)
                && vote_is_signed(world, b)
        }
        Evidence::Proposals { signer, first, second } => {
            let (a, b) = (&first.0, &second.0);
            (a.epoch, a.view) == (b.epoch, b.view)
                && a.block != b.block
                && statement_is_signed(world, *signer, first)
                && statement_is_signed(world, *signer, second)
        }
        Evidence::CommitAndTimeout(vote, timeout) => {
            vote.phase == Phase::Commit && forgets(world, vote, timeout, vote.view)
        }
        Evidence::VoteAndTimeout(vote, header, timeout) => {
            vote.phase == Phase::Vote
                && vote.block == header.hash()
                && forgets(world, vote, timeout, header.justify_view)
        }
    }
}

/// Whether a key voted with a certificate of view `held` in hand, and then, or before in a view at least as high, named a lower one.
fn forgets(world: &World, vote: &Vote, timeout: &TimeoutStatement, held: View) -> bool {
    (vote.epoch, vote.signer) == (timeout.epoch, timeout.signer)
        && timeout.view >= vote.view
        && timeout.high_view < held
        && vote_is_signed(world, vote)
        && timeout_is_signed(world, timeout)
}

impl Checker for Innocents {
    fn name(&self) -> &'static str {
        "innocents"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Convicted { evidence } = seen else { return Ok(()) };
        let accused = evidence.signer();
        let Some(world) = &world.at(evidence.epoch()) else {
            return Err(format!("node {node} convicts in an epoch that nobody has entered: {evidence:?}"));
        };
        if world.node_of(world.epoch, accused).is_some_and(|accused| world.is_correct(accused)) {
            return Err(format!("node {node} convicts member {accused}, which is correct: {evidence:?}"));
        }
        if convicts(world, evidence) {
            return Ok(());
        }
        Err(format!("node {node} convicts member {accused} by what proves nothing: {evidence:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, block, found};
    use super::*;
    use crate::sim::world::Standing;

    /// A bench on which member 3 does what it likes, and evidence of every kind against it.
    fn evidence() -> (Bench, Vec<Evidence>) {
        let mut bench = Bench::new();
        bench.world.standing[3] = Standing::Byzantine;
        let vote = |phase, name| bench.vote(phase, 3, 5, block(name));
        let parent = bench.body_in(None, 4, &[], |_| {});
        let body = bench.body_in(Some(&parent), 5, &[], |_| {});
        let statement = |tx: &str| {
            let proposal = bench.proposal(3, &bench.body_in(None, 5, &[tx], |_| {}), None, None);
            (proposal.statement(), proposal.signature)
        };
        let low = TimeoutStatement::from(&bench.timeout(3, 6, None));
        let all = vec![
            Evidence::Votes(vote(Phase::Vote, "a"), vote(Phase::Vote, "b")),
            Evidence::Votes(vote(Phase::Commit, "a"), vote(Phase::Commit, "b")),
            Evidence::Proposals { signer: Position(3), first: statement("a"), second: statement("b") },
            Evidence::CommitAndTimeout(vote(Phase::Commit, "a"), low.clone()),
            Evidence::VoteAndTimeout(
                bench.vote(Phase::Vote, 3, 5, body.block.hash()),
                Box::new(body.block.header.clone()),
                low,
            ),
        ];
        (bench, all)
    }

    #[test]
    fn evidence_of_every_kind_against_the_guilty_passes() {
        let (bench, all) = evidence();
        for evidence in &all {
            bench.see(&mut Innocents, 0, &Seen::Convicted { evidence }).expect("guilty");
        }
    }

    #[test]
    fn any_against_a_correct_member_is_found() {
        let (mut bench, all) = evidence();
        bench.world.standing[3] = Standing::Correct;
        for evidence in &all {
            found(
                bench.see(&mut Innocents, 0, &Seen::Convicted { evidence }),
                &["node 0", "member 3", "correct"],
            );
        }
    }

    #[test]
    fn what_is_forged_or_no_contradiction_is_found() {
        let (bench, _) = evidence();
        let vote = |phase, view, name| bench.vote(phase, 3, view, block(name));
        let mut forged = vote(Phase::Vote, 5, "b");
        forged.signature = vote(Phase::Vote, 5, "a").signature;
        let qc = bench.qc(Phase::Vote, 5, block("a"), &[0, 1, 2]);
        for evidence in [
            Evidence::Votes(vote(Phase::Vote, 5, "a"), forged),
            Evidence::Votes(vote(Phase::Vote, 5, "a"), vote(Phase::Vote, 5, "a")),
            Evidence::Votes(vote(Phase::Vote, 5, "a"), vote(Phase::Vote, 6, "b")),
            Evidence::Votes(vote(Phase::Vote, 5, "a"), vote(Phase::Commit, 5, "b")),
            Evidence::CommitAndTimeout(vote(Phase::Commit, 5, "a"), (&bench.timeout(3, 6, Some(qc))).into()),
            Evidence::CommitAndTimeout(vote(Phase::Commit, 5, "a"), (&bench.timeout(3, 4, None)).into()),
        ] {
            let outcome = bench.see(&mut Innocents, 0, &Seen::Convicted { evidence: &evidence });
            found(outcome, &["node 0", "member 3", "proves nothing"]);
        }
    }
}
