//! The safety rules: the only code that signs consensus messages.
//!
//! They hold the vote key, the identity under which proposals are signed, and one [`SafetyRecord`]. Whoever asks, and whatever the engine believes: what these rules refuse is not
//! signed. Even an engine that is wrong in everything cannot make a validator with intact rules contradict itself.
//!
//! [`SafetyRules::request`] advances the record in memory and returns it with the signed message. The caller makes it durable
//! before the message leaves (rule S2), and stops the node if it cannot: so memory and disk part only in a process that ends, whose
//! signatures nobody saw.

mod epoch;
mod request;

use std::sync::Arc;

use althing_crypto::{BlockHash, Hash, bls, ed25519, mutant};
use thiserror::Error;

use crate::message::{proposal_bytes, timeout_bytes, vote_bytes};
use crate::{
    Certificate, Epoch, Header, Phase, Position, Proposal, QuorumCertificate, SafetyRecord,
    TimeoutCertificate, TimeoutVote, ValidatorSet, Verified, View, Vote,
};

pub use epoch::{EnterError, EpochStart};
pub use request::{Newest, ProposalDraft, Refusal, RefusalReason, SignKind, SignRequest, Signed};
use request::{RefusalReason as Reason, high};

type Outcome = Result<(Option<SafetyRecord>, Signed), Reason>;

/// The keys, the record, and the rules S1 to S9. The identity stays as long as the process runs; the vote key may change with the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SafetyRules {
    identity: Arc<ed25519::SecretKey>,
    key: bls::SecretKey,
    set: Arc<ValidatorSet>,
    record: SafetyRecord,
    resumed: bool,
}

impl SafetyRules {
    /// The rules of a key that has signed nothing yet, member or not, entering epoch 1 on its opening block, genesis. Its record must become durable
    /// before anything else happens: a key that is used again without one has forgotten what it signed. Its votes are the vote key's; its
    /// proposals are the identity's, and none is signed where the set has another identity beside the vote key.
    pub fn new_chain(
        identity: Arc<ed25519::SecretKey>,
        key: bls::SecretKey,
        chain_id: String,
        opening: BlockHash,
        set: Arc<ValidatorSet>,
        epoch_hash: Hash,
    ) -> Self {
        let record = SafetyRecord {
            chain_id,
            epoch: Epoch(1),
            epoch_hash,
            opening,
            signer: place(&key, &set),
            vote_key: *key.public_key().bytes(),
            floor: View(0),
            proposal: None,
            vote: None,
            commit_vote: None,
            timeout: None,
            high_qc: None,
            tc: None,
            commit: None,
        };
        Self { identity, key, set, record, resumed: false }
    }

    /// The rules with a record read back, if it is of this key, chain, epoch and set.
    pub fn recover(
        identity: Arc<ed25519::SecretKey>,
        key: bls::SecretKey,
        chain_id: &str,
        set: Arc<ValidatorSet>,
        epoch_hash: Hash,
        record: SafetyRecord,
    ) -> Result<Self, SafetyError> {
        let signer = place(&key, &set);
        let differs = |what, found: String, expected: String| {
            if found == expected { Ok(()) } else { Err(SafetyError::OtherRecord { what, found, expected }) }
        };
        differs("chain id", record.chain_id.clone(), chain_id.to_owned())?;
        let key_of_record = bls::PublicKey::opaque(record.vote_key).to_string();
        differs("vote key", key_of_record, key.public_key().to_string())?;
        differs(
            "hash of validator set and parameters",
            record.epoch_hash.to_string(),
            epoch_hash.to_string(),
        )?;
        differs("position in the set", record.signer.to_string(), signer.to_string())?;
        whole(&record)?;
        Ok(Self { identity, key, set, record: after_crash(record), resumed: false })
    }

    /// S7: signing may begin, as it is known now what this key has signed; but nothing in views up to `floor`, in which it may have
    /// signed what the record does not know. Returns the record to be made durable first, if that raised its floor.
    #[must_use = "the record must be durable before anything is signed"]
    pub fn resume(&mut self, floor: Option<View>) -> Option<SafetyRecord> {
        self.resumed = true;
        let floor = floor.filter(|floor| *floor > self.record.floor)?;
        Some(self.advance(|record| record.floor = floor))
    }

    /// S8: raises the record's certificates to these, where they are newer. They become durable with the next record.
    pub fn note(&mut self, newest: &Newest) {
        let epoch = self.record.epoch;
        self.advance_quietly(|record| {
            record.raise_high_qc(newest.high_qc.as_deref().filter(|qc| qc.epoch == epoch));
            record.raise_tc(newest.tc.as_deref().filter(|tc| tc.epoch == epoch));
            record.raise_commit(newest.commit.as_deref().filter(|qc| qc.epoch == epoch && qc.is_commit()));
        });
    }

    /// What it has signed.
    pub fn record(&self) -> &SafetyRecord {
        &self.record
    }

    /// The position that it signs as, if the epoch's set has one for its key.
    pub fn signer(&self) -> Option<Position> {
        Some(self.record.signer).filter(|signer| *signer != Position::NONE)
    }

    /// Whether it signs: what its key has signed before is known (rule S7).
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Signs what the rules allow. With a new message comes the record, to be made durable before the message leaves; with one signed
    /// before, in the very bytes of then, comes none (rule S2).
    pub fn request(&mut self, request: &SignRequest) -> Result<(Option<SafetyRecord>, Signed), Refusal> {
        let outcome = match request {
            _ if self.signer().is_none() && !mutant!("stranger_signs") => {
                Err(Reason::NotAMember { epoch: self.record.epoch })
            }
            _ if !self.resumed && !mutant!("sign_before_resuming") => Err(Reason::NotResumed),
            SignRequest::Propose(draft) => self.propose(draft),
            SignRequest::Vote(proposal) => self.vote(proposal),
            SignRequest::CommitVote { qc } => self.commit_vote(qc),
            SignRequest::Timeout { view, high_qc, entry } => {
                self.time_out(*view, high_qc.as_ref(), entry.as_ref())
            }
        };
        outcome.map_err(|reason| Refusal { request: request.kind(), view: request.view(), reason })
    }

    /// S3: v > last proposed view, v > floor; the block is of view v and extends the justify QC as S4 demands of it. The position's
    /// identity is the one held.
    fn propose(&mut self, draft: &ProposalDraft) -> Outcome {
        let ProposalDraft { view, block, justify, tc, commit } = draft;
        self.own_identity()?;
        let statement = draft.statement();
        if !block.payload_matches() {
            return Err(mismatch("the payload root", block.header.payload_root, "that of the transactions"));
        }
        if !block.notices_match() {
            return Err(mismatch("the evidence root", block.header.evidence_root, "that of the notices"));
        }
        if let Some(signed) = self.record.proposal.as_ref().filter(|signed| signed.view == *view) {
            let earlier = signed.statement();
            same(earlier.block, statement.block)?;
            if earlier != statement {
                return Err(Reason::OtherCertificates { block: statement.block });
            }
            // The record has dropped the transactions and notices, which the roots bind.
            let mut again = signed.clone();
            again.block.txs.clone_from(&block.txs);
            again.block.notices.clone_from(&block.notices);
            return Ok((None, Signed::Proposal(Verified::trust(again))));
        }
        above(*view, SignKind::Proposal, self.record.proposed())?;
        self.above_floor(*view)?;
        self.extends(*view, &block.header, justify.as_deref(), tc.as_deref())?;
        if let Some(commit) = commit {
            self.of_own_epoch("the commit certificate's epoch", commit.epoch)?;
            if !commit.is_commit() {
                return Err(mismatch("the commit certificate", "made of votes", "made of commit votes"));
            }
        }

        let proposal = Proposal {
            view: *view,
            block: block.clone(),
            justify: justify.as_deref().cloned(),
            tc: tc.as_deref().cloned(),
            commit: commit.as_deref().cloned(),
            signer: self.record.signer,
            signature: self.identity.sign(&proposal_bytes(&self.record.chain_id, &statement)),
        };
        let record = self.advance(|record| {
            record.raise_high_qc(proposal.justify.as_ref());
            record.raise_tc(proposal.tc.as_ref());
            record.raise_commit(proposal.commit.as_ref());
            let mut kept = proposal.clone();
            kept.block.txs.clear();
            kept.block.notices.clear();
            record.proposal = Some(kept);
        });
        Ok((Some(record), Signed::Proposal(Verified::trust(proposal))))
    }

    /// S4: v > last voted view, v > last timeout view, v > floor; the block is of view v and extends the justify QC; and
    /// justify.view = v − 1, or the TC is of v − 1 and justify.view ≥ every view that it names. Raises the high QC to the justify QC.
    fn vote(&mut self, proposal: &Verified<Proposal>) -> Outcome {
        let (view, block) = (proposal.view, proposal.block.hash());
        if let Some(signed) = self.record.vote.as_ref().filter(|signed| signed.view == view)
            && !mutant!("second_vote_in_a_view")
        {
            same(signed.block, block)?;
            return Ok((None, Signed::Vote(signed.clone())));
        }
        let newer = if mutant!("second_vote_in_a_view") { not_below } else { above };
        if !mutant!("vote_in_an_older_view") {
            newer(view, SignKind::Vote, self.record.voted())?;
        }
        let later = if mutant!("vote_in_a_view_given_up") { not_below } else { above };
        later(view, SignKind::Timeout, self.record.timed_out())?;
        self.above_floor(view)?;
        self.extends(view, &proposal.block.header, proposal.justify.as_ref(), proposal.tc.as_ref())?;

        let vote = self.signed_vote(Phase::Vote, view, block);
        let record = self.advance(|record| {
            record.raise_high_qc(proposal.justify.as_ref());
            record.raise_tc(proposal.tc.as_ref());
            record.raise_commit(proposal.commit.as_ref());
            record.vote = Some(vote.clone());
        });
        Ok((Some(record), Signed::Vote(vote)))
    }

    /// S5: the QC is made of votes; its v > last timeout view, v > last commit-voted view, v > floor. Raises the high QC to it.
    fn commit_vote(&mut self, qc: &Verified<QuorumCertificate>) -> Outcome {
        if qc.is_commit() {
            return Err(Reason::CommitCertificate);
        }
        self.of_own_epoch("the certificate's epoch", qc.epoch)?;
        if let Some(signed) = self.record.commit_vote.as_ref().filter(|signed| signed.view == qc.view)
            && !mutant!("second_commit_vote_in_a_view")
        {
            same(signed.block, qc.block)?;
            return Ok((None, Signed::CommitVote(signed.clone())));
        }
        let later = if mutant!("commit_vote_in_the_view_given_up") { not_below } else { above };
        if !mutant!("commit_vote_after_timeout") {
            later(qc.view, SignKind::Timeout, self.record.timed_out())?;
        }
        let newer = if mutant!("second_commit_vote_in_a_view") { not_below } else { above };
        newer(qc.view, SignKind::CommitVote, self.record.commit_voted())?;
        self.above_floor(qc.view)?;

        let vote = self.signed_vote(Phase::Commit, qc.view, qc.block);
        let record = self.advance(|record| {
            if !mutant!("commit_vote_leaves_the_high_qc") {
                record.raise_high_qc(Some(qc));
            }
            record.commit_vote = Some(vote.clone());
        });
        Ok((Some(record), Signed::CommitVote(vote)))
    }

    /// S6: v ≥ last timeout view, v ≥ last voted view, v > floor; entered with a certificate of v − 1 (none iff v = 1);
    /// v > high QC's view ≥ that of the record's high QC and of all that the entry shows. Again for the same v only if it is higher.
    fn time_out(
        &mut self,
        view: View,
        high_qc: Option<&Verified<QuorumCertificate>>,
        entry: Option<&Verified<Certificate>>,
    ) -> Outcome {
        let named = high(high_qc);
        if let Some(signed) = self.record.timeout.as_ref().filter(|signed| signed.view == view)
            && signed.high_view() == named
        {
            return Ok((None, Signed::Timeout(signed.clone())));
        }
        if !mutant!("timeout_in_an_older_view") {
            not_below(view, SignKind::Timeout, self.record.timed_out())?;
        }
        not_below(view, SignKind::Vote, self.record.voted())?;
        self.above_floor(view)?;
        for epoch in high_qc.map(|qc| qc.epoch).into_iter().chain(entry.map(|entry| entry.epoch())) {
            self.of_own_epoch("a certificate's epoch", epoch)?;
        }
        let (entered, shown) = match entry.map(|entry| &**entry) {
            None => (View(0), View(0)),
            Some(Certificate::Quorum(qc)) => (qc.view, qc.view),
            Some(Certificate::Timeout(tc)) => (tc.view, tc.max_high_view()),
        };
        if entered.0.checked_add(1) != Some(view.0) {
            return Err(Reason::NotEntered { entry: entered });
        }
        if named >= view {
            return Err(Reason::NotBelow { named });
        }
        let held = self.record.high_view().max(shown);
        if named < held && !mutant!("timeout_names_a_lower_qc") {
            return Err(Reason::Lowered { named, held });
        }

        let bytes = timeout_bytes(&self.record.chain_id, self.record.epoch, view, named);
        let timeout = TimeoutVote {
            epoch: self.record.epoch,
            view,
            signer: self.record.signer,
            signature: self.key.sign(&bytes),
            high_qc: high_qc.map(|qc| (**qc).clone()),
            entry: entry.map(|entry| (**entry).clone()),
        };
        let record = self.advance(|record| {
            record.raise_high_qc(timeout.high_qc.as_ref());
            match &timeout.entry {
                Some(Certificate::Quorum(qc)) => record.raise_commit(Some(qc).filter(|qc| qc.is_commit())),
                Some(Certificate::Timeout(tc)) => record.raise_tc(Some(tc)),
                None => {}
            }
            record.timeout = Some(timeout.clone());
        });
        Ok((Some(record), Signed::Timeout(timeout)))
    }

    /// The block of a proposal in view v: of this chain and epoch, made in v, the child of the justify QC's block (of the opening
    /// block, without one), and justified in v. Or the justify QC's own block, if that ends the epoch: it comes again, as it was made.
    fn extends(
        &self,
        view: View,
        header: &Header,
        justify: Option<&QuorumCertificate>,
        tc: Option<&TimeoutCertificate>,
    ) -> Result<(), Reason> {
        self.of_own_epoch("the header's epoch", header.epoch)?;
        for epoch in justify.map(|qc| qc.epoch).into_iter().chain(tc.map(|tc| tc.epoch)) {
            self.of_own_epoch("a certificate's epoch", epoch)?;
        }
        let justify_view = crate::view_of(justify);
        let parent = justify.map_or(self.record.opening, |qc| qc.block);
        equal("the header's chain id", &header.chain_id, &self.record.chain_id)?;
        let same = header.hash() == parent || mutant!("another_end_at_the_height");
        let again = header.vouched.next_epoch != self.record.epoch_hash && same;
        if !again {
            equal("the header's view", &header.view, &view)?;
            equal("the header's justify view", &header.justify_view, &justify_view)?;
            equal("the header's parent", &header.parent, &parent)?;
        }
        if justified(view, justify_view, tc) {
            return Ok(());
        }
        Err(Reason::Unjustified { justify: justify_view, tc: tc.map(|tc| (tc.view, tc.max_high_view())) })
    }

    /// Others check a proposal under the identity that the set has in this position: signed with another, nobody could verify it.
    fn own_identity(&self) -> Result<(), Reason> {
        let (signer, held) = (self.record.signer, self.identity.public_key());
        match self.set.get(signer).map(|member| member.identity) {
            Some(expected) if expected != held && !mutant!("foreign_identity_proposes") => {
                Err(Reason::OtherIdentity { signer, expected, held })
            }
            _ => Ok(()),
        }
    }

    fn of_own_epoch(&self, field: &'static str, epoch: Epoch) -> Result<(), Reason> {
        equal(field, &epoch, &self.record.epoch)
    }

    fn above_floor(&self, view: View) -> Result<(), Reason> {
        let floor = self.record.floor;
        if view > floor || mutant!("floor_ignored") { Ok(()) } else { Err(Reason::Floor { floor }) }
    }

    fn signed_vote(&self, phase: Phase, view: View, block: BlockHash) -> Vote {
        let (epoch, signer) = (self.record.epoch, self.record.signer);
        let signature = self.key.sign(&vote_bytes(&self.record.chain_id, phase, epoch, view, block));
        Vote { phase, epoch, view, block, signer, signature }
    }

    fn advance(&mut self, change: impl FnOnce(&mut SafetyRecord)) -> SafetyRecord {
        self.advance_quietly(change);
        self.record.clone()
    }

    /// S1: whatever changes, no view goes back.
    fn advance_quietly(&mut self, change: impl FnOnce(&mut SafetyRecord)) {
        let before = self.record.views();
        change(&mut self.record);
        let after = self.record.views();
        let grown = before.iter().zip(&after).all(|(before, after)| before <= after);
        assert!(grown, "S1: a view of the safety record went back: {before:?} to {after:?}");
    }
}

/// The formula of S4: justify.view = v − 1 and no TC, or justify.view < v − 1 beside the TC of v − 1 and not below any view that
/// it names.
pub(crate) fn justified(view: View, justify: View, tc: Option<&TimeoutCertificate>) -> bool {
    let before = |earlier: View| earlier.0.checked_add(1) == Some(view.0);
    match tc {
        None => before(justify) || (justify < view && mutant!("old_justify_without_tc")),
        Some(tc) => {
            let newest = justify >= tc.max_high_view() || mutant!("views_in_the_tc_ignored");
            (before(tc.view) || mutant!("tc_of_another_view")) && justify < tc.view && newest
        }
    }
}

fn above(view: View, signed: SignKind, last: View) -> Result<(), Reason> {
    if view > last { Ok(()) } else { Err(Reason::Behind { signed, last }) }
}

fn not_below(view: View, signed: SignKind, last: View) -> Result<(), Reason> {
    if view >= last { Ok(()) } else { Err(Reason::Behind { signed, last }) }
}

fn same(signed: BlockHash, asked: BlockHash) -> Result<(), Reason> {
    if signed == asked { Ok(()) } else { Err(Reason::Conflict { signed, asked }) }
}

fn equal<T: PartialEq + ToString>(field: &'static str, found: &T, expected: &T) -> Result<(), Reason> {
    if found == expected { Ok(()) } else { Err(mismatch(field, found.to_string(), expected.to_string())) }
}

fn mismatch(field: &'static str, found: impl ToString, expected: impl ToString) -> Reason {
    Reason::Mismatch { field, found: found.to_string(), expected: expected.to_string() }
}

fn place(key: &bls::SecretKey, set: &ValidatorSet) -> Position {
    set.position_of_vote_key(key.public_key()).unwrap_or(Position::NONE)
}

/// The record holds the high QC that its own messages imply: each was signed when it was held, and it never goes back.
fn whole(record: &SafetyRecord) -> Result<(), SafetyError> {
    let high = record.high_view();
    let implied = [
        ("proposal", record.proposal.as_ref().map_or(View(0), Proposal::justify_view)),
        ("commit vote", record.commit_voted()),
        ("timeout vote", record.timeout.as_ref().map_or(View(0), TimeoutVote::high_view)),
        ("commit certificate", crate::view_of(record.commit.as_ref())),
    ];
    match implied.into_iter().find(|(_, needs)| *needs > high) {
        Some((what, needs)) => Err(SafetyError::Torn { high, what, needs }),
        None => Ok(()),
    }
}

/// The record as it is read back. It is whole, but in a process that was told to lose a part of it.
fn after_crash(mut record: SafetyRecord) -> SafetyRecord {
    if mutant!("crash_loses_the_proposal") {
        record.proposal = None;
    }
    if mutant!("crash_loses_the_vote") {
        record.vote = None;
    }
    if mutant!("crash_loses_the_commit_vote") {
        record.commit_vote = None;
    }
    if mutant!("crash_loses_the_timeout") {
        record.timeout = None;
    }
    if mutant!("crash_loses_the_high_qc") {
        record.high_qc = None;
    }
    record
}

/// Why there are no safety rules for a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SafetyError {
    /// The record is not that of this key, chain or epoch.
    #[error(
        "the safety record's {what} is {found}, expected {expected}: it belongs to another node or chain; \
         start with the record of this key, never with an empty one"
    )]
    OtherRecord {
        /// What differs.
        what: &'static str,
        /// In the record.
        found: String,
        /// Of this node.
        expected: String,
    },
    /// The record was not written by these rules.
    #[error(
        "the safety record holds a high QC of view {high}, but its {what} implies one of view {needs}: it is damaged; \
         restore the newest intact copy"
    )]
    Torn {
        /// The view of its high QC.
        high: View,
        /// What shows that a higher one was held.
        what: &'static str,
        /// That one's view.
        needs: View,
    },
}

#[cfg(test)]
mod tests;
