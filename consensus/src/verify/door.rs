//! What is checked of each kind of message.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_crypto::{Encoding, Hash, bls, sha256_concat};

use super::cache::Cache;
use super::{Rejection, Verified};
use crate::engine::Aggregated;
use crate::message::{proposal_bytes, timeout_bytes, vote_bytes};
use crate::safety_rules::justified;
use crate::{
    Certificate, ConsensusParams, Epoch, Memory, Message, Phase, Position, Proposal, ProposalStatement,
    QuorumCertificate, Signers, Status, TimeoutCertificate, TimeoutVote, ValidatorSet, View, Vote,
};

/// How many certificates are known as checked: those of the last few hundred views, 32 bytes each.
const CACHED_CERTIFICATES: usize = 1024;

/// A message that passed the door.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Admitted {
    /// A proposal with its certificates. Whether its signer leads the view, and whether its block is valid, is not known yet.
    Proposal(Verified<Proposal>),
    /// A vote or commit vote. Its signature was checked if someone else than its signer sent it.
    Vote(Vote),
    /// A timeout vote. Its certificates were checked, its own signature if someone else than its signer sent it.
    Timeout(TimeoutVote),
    /// A certificate.
    Certificate(Verified<Certificate>),
    /// Where the sender says it stands.
    Status(Status),
    /// Messages of this very node, every signature checked.
    Memory(Memory),
}

/// Checks what peers send in one epoch. Shared by threads: a check changes nothing but which certificates need no second one.
#[derive(Debug)]
pub struct Door {
    chain_id: String,
    epoch: Epoch,
    set: Arc<ValidatorSet>,
    me: Option<Position>,
    max_block_txs: usize,
    cache: Cache,
}

impl Door {
    /// The door of a node in this epoch; `me` is its position, if it is a validator.
    pub fn new(
        chain_id: String,
        epoch: Epoch,
        set: Arc<ValidatorSet>,
        params: &ConsensusParams,
        me: Option<Position>,
    ) -> Self {
        let max_block_txs = params.max_block_txs as usize;
        Self { chain_id, epoch, set, me, max_block_txs, cache: Cache::new(CACHED_CERTIFICATES) }
    }

    /// Checks a message that the authenticated peer `from` sent, none for a peer that is no validator.
    pub fn admit(&self, from: Option<Position>, message: Message) -> Result<Admitted, Rejection> {
        match message {
            Message::Proposal(proposal) => {
                self.proposal(&proposal)?;
                Ok(Admitted::Proposal(Verified::trust(*proposal)))
            }
            Message::Vote(vote) => {
                self.vote(&vote)?;
                if from != Some(vote.signer) {
                    self.vote_signature(&vote)?;
                }
                Ok(Admitted::Vote(vote))
            }
            Message::Timeout(timeout) => {
                self.timeout(&timeout)?;
                if from != Some(timeout.signer) {
                    self.timeout_signature(&timeout)?;
                }
                self.timeout_certificates(&timeout)?;
                Ok(Admitted::Timeout(*timeout))
            }
            Message::Certificate(certificate) => {
                self.certificate(&certificate)?;
                Ok(Admitted::Certificate(Verified::trust(*certificate)))
            }
            Message::Status(status) => {
                status_bounds(&status)?;
                Ok(Admitted::Status(status))
            }
            Message::Memory(memory) => {
                self.memory(&memory)?;
                Ok(Admitted::Memory(*memory))
            }
        }
    }

    /// Checks a quorum or commit certificate that came by another way: from sync, or from the store.
    pub fn verify_quorum(&self, qc: &QuorumCertificate) -> Result<Verified<QuorumCertificate>, Rejection> {
        self.quorum_certificate(qc)?;
        Ok(Verified::trust(qc.clone()))
    }

    /// Checks a timeout certificate that came by another way.
    pub fn verify_timeout_certificate(
        &self,
        tc: &TimeoutCertificate,
    ) -> Result<Verified<TimeoutCertificate>, Rejection> {
        self.timeout_certificate(tc)?;
        Ok(Verified::trust(tc.clone()))
    }

    /// Takes note of a certificate that was aggregated here, so that it needs no check when it comes back from a peer.
    pub fn remember(&self, aggregated: &Aggregated) {
        match aggregated {
            Aggregated::Votes { certificate: Some(qc), .. } => self.cache.insert(cache_key(&**qc)),
            Aggregated::Timeouts { certificate: Some(tc), .. } => self.cache.insert(cache_key(&**tc)),
            Aggregated::Votes { .. } | Aggregated::Timeouts { .. } => {}
        }
    }

    fn proposal(&self, proposal: &Proposal) -> Result<(), Rejection> {
        const WHAT: &str = "proposal";
        let Proposal { view, block, justify, tc, commit, signer, signature } = proposal;
        self.bounds(WHAT, block.header.epoch, *view)?;
        self.key(WHAT, *signer)?;
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
        let statement = proposal.statement();
        self.signature(WHAT, *view, *signer, &proposal_bytes(&self.chain_id, &statement), signature)?;
        for qc in justify.iter().chain(commit) {
            self.carried(WHAT, qc.epoch)?;
            self.quorum_certificate(qc)?;
        }
        if let Some(tc) = tc {
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
        self.key(what, vote.signer).map(drop)
    }

    pub(super) fn vote_signature(&self, vote: &Vote) -> Result<(), Rejection> {
        let bytes = vote_bytes(&self.chain_id, vote.phase, vote.epoch, vote.view, vote.block);
        self.signature(vote_name(vote.phase), vote.view, vote.signer, &bytes, &vote.signature)
    }

    /// R7: a timeout vote shows that its view was entered, and names a high QC no correct validator could lack there.
    fn timeout(&self, timeout: &TimeoutVote) -> Result<(), Rejection> {
        self.timeout_bounds(timeout)?;
        let (view, high) = (timeout.view, timeout.high_view());
        let (entered, least) = match &timeout.entry {
            None => (View(0), View(0)),
            Some(entry @ Certificate::Quorum(qc)) => (entry.view(), qc.view),
            Some(entry @ Certificate::Timeout(tc)) => (entry.view(), tc.max_high_view()),
        };
        if entered.0.checked_add(1) != Some(view.0) {
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
    pub(super) fn timeout_bounds(&self, timeout: &TimeoutVote) -> Result<(), Rejection> {
        self.bounds(TIMEOUT, timeout.epoch, timeout.view)?;
        self.key(TIMEOUT, timeout.signer)?;
        let (view, high) = (timeout.view, timeout.high_view());
        if high < view {
            return Ok(());
        }
        Err(malformed(
            TIMEOUT,
            format!("of view {view}, it names a QC of view {high}, which is not below it"),
        ))
    }

    pub(super) fn timeout_signature(&self, timeout: &TimeoutVote) -> Result<(), Rejection> {
        let bytes = timeout_bytes(&self.chain_id, timeout.epoch, timeout.view, timeout.high_view());
        self.signature(TIMEOUT, timeout.view, timeout.signer, &bytes, &timeout.signature)
    }

    fn timeout_certificates(&self, timeout: &TimeoutVote) -> Result<(), Rejection> {
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

    fn memory(&self, memory: &Memory) -> Result<(), Rejection> {
        const WHAT: &str = "memory of own messages";
        let Some(me) = self.me else {
            return Err(malformed(WHAT, "this node is no validator and has none"));
        };
        let Memory { vote, commit_vote, timeout, proposal } = memory;
        let votes = || vote.iter().chain(commit_vote);
        let signers = votes().map(|vote| vote.signer).chain(timeout.iter().map(|timeout| timeout.signer));
        for signer in signers.filter(|signer| *signer != me) {
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
            self.timeout_signature(timeout)?;
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
        signature: &bls::Signature,
    ) -> Result<(), Rejection> {
        const WHAT: &str = "proposal statement";
        self.bounds(WHAT, statement.epoch, statement.view)?;
        self.signature(WHAT, statement.view, signer, &proposal_bytes(&self.chain_id, statement), signature)
    }

    fn certificate(&self, certificate: &Certificate) -> Result<(), Rejection> {
        match certificate {
            Certificate::Quorum(qc) => self.quorum_certificate(qc),
            Certificate::Timeout(tc) => self.timeout_certificate(tc),
        }
    }

    fn quorum_certificate(&self, qc: &QuorumCertificate) -> Result<(), Rejection> {
        let what = if qc.is_commit() { "commit certificate" } else { "quorum certificate" };
        self.bounds(what, qc.epoch, qc.view)?;
        let keys = self.quorum(what, qc.view, &qc.signers)?;
        self.once(what, qc.view, qc, || {
            let bytes = vote_bytes(&self.chain_id, qc.phase, qc.epoch, qc.view, qc.block);
            self.set.scheme().verify_aggregate(&[(&bytes, keys)], &qc.signature)
        })
    }

    fn timeout_certificate(&self, tc: &TimeoutCertificate) -> Result<(), Rejection> {
        const WHAT: &str = "timeout certificate";
        self.bounds(WHAT, tc.epoch, tc.view)?;
        let keys = self.quorum(WHAT, tc.view, &tc.signers)?;
        let (named, signed) = (tc.high_views.len(), keys.len());
        if named != signed {
            return Err(malformed(
                WHAT,
                format!("{signed} signers name {named} views, each has to name one"),
            ));
        }
        let (max, carried) = (tc.max_high_view(), crate::view_of(tc.high_qc.as_ref()));
        if max >= tc.view {
            return Err(malformed(
                WHAT,
                format!("of view {}, it names a QC of view {max}, which is not below it", tc.view),
            ));
        }
        if max != carried {
            return Err(malformed(
                WHAT,
                format!("it names views up to {max} and carries a QC of view {carried}"),
            ));
        }
        if let Some(qc) = &tc.high_qc {
            self.carried(WHAT, qc.epoch)?;
            self.quorum_certificate(qc)?;
        }
        self.once(WHAT, tc.view, tc, || {
            let mut groups: BTreeMap<View, Vec<&bls::PublicKey>> = BTreeMap::new();
            for (key, view) in keys.into_iter().zip(&tc.high_views) {
                groups.entry(*view).or_default().push(key);
            }
            let groups: Vec<(Vec<u8>, Vec<&bls::PublicKey>)> = groups
                .into_iter()
                .map(|(high, keys)| (timeout_bytes(&self.chain_id, tc.epoch, tc.view, high), keys))
                .collect();
            let groups: Vec<(&[u8], Vec<&bls::PublicKey>)> =
                groups.iter().map(|(bytes, keys)| (&bytes[..], keys.clone())).collect();
            self.set.scheme().verify_aggregate(&groups, &tc.signature)
        })
    }

    /// The epoch is this node's; the view is one that validators vote in, far from overflow.
    fn bounds(&self, what: &'static str, epoch: Epoch, view: View) -> Result<(), Rejection> {
        if epoch != self.epoch {
            return Err(Rejection::WrongEpoch { what, got: epoch, ours: self.epoch });
        }
        view_bounds(what, view)?;
        if view == View(0) {
            return Err(malformed(what, "view 0 is that of the opening block: nothing is signed in it"));
        }
        Ok(())
    }

    /// What is carried is of the epoch of what carries it, which is known to be this node's.
    fn carried(&self, what: &'static str, epoch: Epoch) -> Result<(), Rejection> {
        if epoch == self.epoch {
            return Ok(());
        }
        Err(malformed(what, format!("of epoch {}, it carries a certificate of epoch {epoch}", self.epoch)))
    }

    fn key(&self, what: &'static str, signer: Position) -> Result<&bls::PublicKey, Rejection> {
        let members = self.set.len();
        let member = self.set.get(signer).ok_or(Rejection::UnknownSigner { what, signer, members })?;
        Ok(&member.vote_key)
    }

    /// The keys of these signers, who are a quorum.
    fn quorum(
        &self,
        what: &'static str,
        view: View,
        signers: &Signers,
    ) -> Result<Vec<&bls::PublicKey>, Rejection> {
        let keys = signers.iter().map(|signer| self.key(what, signer)).collect::<Result<_, _>>()?;
        let (power, total) = (self.set.power_of(signers.iter()), self.set.total());
        if !self.set.is_quorum(power) {
            return Err(Rejection::NotAQuorum { what, view, power, total });
        }
        Ok(keys)
    }

    fn signature(
        &self,
        what: &'static str,
        view: View,
        signer: Position,
        bytes: &[u8],
        signature: &bls::Signature,
    ) -> Result<(), Rejection> {
        if self.set.scheme().verify(self.key(what, signer)?, bytes, signature) {
            return Ok(());
        }
        Err(Rejection::BadSignature { what, view, signer: Some(signer) })
    }

    /// Checks an aggregate, unless this very certificate was checked before.
    fn once<T: Encoding>(
        &self,
        what: &'static str,
        view: View,
        certificate: &T,
        check: impl FnOnce() -> bool,
    ) -> Result<(), Rejection> {
        let key = cache_key(certificate);
        if self.cache.contains(&key) {
            return Ok(());
        }
        if !check() {
            return Err(Rejection::BadSignature { what, view, signer: None });
        }
        self.cache.insert(key);
        Ok(())
    }
}

const TIMEOUT: &str = "timeout vote";

fn vote_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Vote => "vote",
        Phase::Commit => "commit vote",
    }
}

/// Names a certificate by all its bytes: the same votes under another signature are another certificate.
fn cache_key<T: Encoding>(certificate: &T) -> Hash {
    sha256_concat(&[T::NAME.as_bytes(), &certificate.encode()])
}

fn view_bounds(what: &'static str, view: View) -> Result<(), Rejection> {
    if view < View::LIMIT {
        return Ok(());
    }
    Err(malformed(what, format!("view {view} is out of bounds: views stay below 2^62")))
}

fn status_bounds(status: &Status) -> Result<(), Rejection> {
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

pub(super) fn malformed(what: &'static str, reason: impl Into<String>) -> Rejection {
    Rejection::Malformed { what, reason: reason.into() }
}
