//! What is checked of messages.

use althing_crypto::{ed25519, mutant};

use super::door::{malformed, view_bounds};
use super::{Door, Rejection};
use crate::message::{proposal_bytes, timeout_bytes, vote_bytes};
use crate::safety_rules::justified;
use crate::{
    Certificate, Memory, Phase, Position, Proposal, ProposalStatement, Status, TimeoutStatement, TimeoutVote,
    View, Vote,
};

const TIMEOUT: &str = "timeout vote";

fn vote_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Vote => "vote",
        Phase::Commit => "commit vote",
    }
}

impl Door {
    /// Leaves in it, of certificates that say the same, those checked before.
    pub(super) fn proposal(&self, proposal: &mut Proposal) -> Result<(), Rejection> {
        const WHAT: &str = "proposal";
        let Proposal { view, block, tc, commit, signer, signature, .. } = &*proposal;
        self.bounds(WHAT, block.header.epoch, *view)?;
        self.member(WHAT, *signer)?;
        self.block_shape(proposal)?;
        let justify_view = proposal.justify_view();
        if !justified(*view, justify_view, tc.as_ref()) {
            let tc = match tc {
                Some(tc) => format!("the TC of view {} that names view {}", tc.view, tc.max_high_view()),
                None => "no TC".to_owned(),
            };
            let reason =
                format!("view {view} is not justified by the certificate of view {justify_view} and {tc}");
            return Err(malformed(WHAT, reason));
        }
        if commit.as_ref().is_some_and(|commit| !commit.is_commit()) {
            return Err(malformed(WHAT, "its commit certificate is made of votes, not of commit votes"));
        }
        if !block.payload_matches() {
            return Err(malformed(WHAT, "the payload root is not that of its transactions"));
        }
        if !block.notices_match() {
            return Err(malformed(
                WHAT,
                "the evidence root is not that of its notices, or these are too many",
            ));
        }
        let statement = proposal.statement();
        let bytes = proposal_bytes(&self.chain_id, &statement);
        self.identity_signature(WHAT, *view, *signer, &bytes, signature)?;
        for qc in proposal.justify.iter_mut().chain(&mut proposal.commit) {
            self.carried(WHAT, qc.epoch)?;
            self.quorum_certificate_or_known(qc)?;
        }
        if let Some(tc) = &proposal.tc {
            self.carried(WHAT, tc.epoch)?;
            self.timeout_certificate(tc)?;
        }
        Ok(())
    }

    /// What a block may hold whatever the chain is: it bounds what is kept of it, and every later sum.
    fn block_shape(&self, proposal: &Proposal) -> Result<(), Rejection> {
        const WHAT: &str = "proposed block";
        let (header, txs) = (&proposal.block.header, proposal.block.txs.len());
        let fault = if header.chain_id != self.chain_id {
            format!("it is of chain {:?}, this node's is {:?}", header.chain_id, self.chain_id)
        } else if header.view == View(0) || header.view > proposal.view || header.justify_view >= header.view
        {
            let View(justify) = header.justify_view;
            format!(
                "made in view {} on one of view {justify}, proposed in view {}",
                header.view, proposal.view
            )
        } else if header.height.0 == 0 || header.height.0 >= View::LIMIT.0 || header.time_ms >= View::LIMIT.0
        {
            format!("height {} or time {} is out of bounds", header.height, header.time_ms)
        } else if header.vouched.height >= header.height {
            format!(
                "of height {}, it vouches for the execution of height {}",
                header.height, header.vouched.height
            )
        } else if txs > self.max_block_txs {
            format!("{txs} transactions, at most {} are allowed", self.max_block_txs)
        } else if !header.absent.is_sorted_by(|one, next| one.member < next.member)
            || header.absent.last().is_some_and(|last| self.set.get(last.member).is_none())
        {
            "its absent list is not one of distinct members in order of position".to_owned()
        } else {
            return Ok(());
        };
        Err(malformed(WHAT, fault))
    }

    pub(super) fn vote(&self, vote: &Vote) -> Result<(), Rejection> {
        let what = vote_name(vote.phase);
        self.bounds(what, vote.epoch, vote.view)?;
        self.member(what, vote.signer).map(drop)
    }

    pub(super) fn vote_signature(&self, vote: &Vote) -> Result<(), Rejection> {
        let bytes = vote_bytes(&self.chain_id, vote.phase, vote.epoch, vote.view, vote.block);
        self.vote_key_signature(vote_name(vote.phase), vote.view, vote.signer, &bytes, &vote.signature)
    }

    /// R7: a timeout vote shows that its view was entered, and names a high QC no correct validator could lack there.
    pub(super) fn timeout(&self, timeout: &TimeoutVote) -> Result<(), Rejection> {
        self.timeout_bounds(&timeout.into())?;
        let (view, high) = (timeout.view, timeout.high_view());
        let (entered, least) = match &timeout.entry {
            None => (View(0), View(0)),
            Some(entry @ Certificate::Quorum(qc)) => (entry.view(), qc.view),
            Some(entry @ Certificate::Timeout(tc)) => (entry.view(), tc.max_high_view()),
        };
        if entered.0.checked_add(1) != Some(view.0) && !mutant!("timeout_without_its_certificate") {
            let reason = format!("view {view} is not entered with a certificate of view {entered}");
            return Err(malformed(TIMEOUT, reason));
        }
        if high < least {
            let reason = format!(
                "of view {view}, it names a QC of view {high}, but its entry shows one of view {least}"
            );
            return Err(malformed(TIMEOUT, reason));
        }
        Ok(())
    }

    /// What a timeout vote alone must satisfy, whatever certificates it carries.
    pub(super) fn timeout_bounds(&self, timeout: &TimeoutStatement) -> Result<(), Rejection> {
        self.bounds(TIMEOUT, timeout.epoch, timeout.view)?;
        self.member(TIMEOUT, timeout.signer)?;
        let (view, high) = (timeout.view, timeout.high_view);
        if high < view {
            return Ok(());
        }
        Err(malformed(
            TIMEOUT,
            format!("of view {view}, it names a QC of view {high}, which is not below it"),
        ))
    }

    pub(super) fn timeout_signature(&self, timeout: &TimeoutStatement) -> Result<(), Rejection> {
        let bytes = timeout_bytes(&self.chain_id, timeout.epoch, timeout.view, timeout.high_view);
        self.vote_key_signature(TIMEOUT, timeout.view, timeout.signer, &bytes, &timeout.signature)
    }

    pub(super) fn timeout_certificates(&self, timeout: &TimeoutVote) -> Result<(), Rejection> {
        if let Some(qc) = &timeout.high_qc {
            self.carried(TIMEOUT, qc.epoch)?;
            self.quorum_certificate(qc)?;
        }
        if let Some(entry) = &timeout.entry {
            self.carried(TIMEOUT, entry.epoch())?;
            self.certificate(entry)?;
        }
        Ok(())
    }

    pub(super) fn memory(&self, memory: &Memory) -> Result<(), Rejection> {
        const WHAT: &str = "memory of own messages";
        let Memory { epoch, vote, commit_vote, timeout, proposal } = memory;
        if *epoch != self.epoch {
            return Err(Rejection::WrongEpoch { what: WHAT, got: *epoch, ours: self.epoch });
        }
        let Some(me) = self.me else {
            return Err(malformed(WHAT, "this node is no validator and has none"));
        };
        let votes = || vote.iter().chain(commit_vote);
        let mut signers = votes().map(|vote| vote.signer).chain(timeout.iter().map(|timeout| timeout.signer));
        if let Some(signer) = signers.find(|signer| *signer != me) {
            return Err(malformed(
                WHAT,
                format!("it holds one of validator {signer}, this node is validator {me}"),
            ));
        }
        let wrong_phase = |slot: &Option<Vote>, phase| slot.as_ref().is_some_and(|vote| vote.phase != phase);
        if wrong_phase(vote, Phase::Vote) || wrong_phase(commit_vote, Phase::Commit) {
            return Err(malformed(WHAT, "it holds a vote as a commit vote or the other way round"));
        }
        for vote in votes() {
            self.vote(vote)?;
            self.vote_signature(vote)?;
        }
        if let Some(timeout) = timeout {
            self.timeout(timeout)?;
            self.timeout_signature(&timeout.into())?;
            self.timeout_certificates(timeout)?;
        }
        if let Some((statement, signature)) = proposal {
            self.statement(me, statement, signature)?;
        }
        Ok(())
    }

    /// A proposal without its block.
    pub(super) fn statement(
        &self,
        signer: Position,
        statement: &ProposalStatement,
        signature: &ed25519::Signature,
    ) -> Result<(), Rejection> {
        const WHAT: &str = "proposal statement";
        self.bounds(WHAT, statement.epoch, statement.view)?;
        let bytes = proposal_bytes(&self.chain_id, statement);
        self.identity_signature(WHAT, statement.view, signer, &bytes, signature)
    }
}

pub(super) fn status_bounds(status: &Status) -> Result<(), Rejection> {
    const WHAT: &str = "status";
    for view in [status.view, status.high_view, status.tc_view, status.commit_view] {
        view_bounds(WHAT, view)?;
    }
    if status.committed.0 >= View::LIMIT.0 {
        return Err(malformed(
            WHAT,
            format!("height {} is out of bounds: heights stay below 2^62", status.committed),
        ));
    }
    Ok(())
}
