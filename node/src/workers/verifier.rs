//! Signatures, hashes and the application's word on payloads: what consensus waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_consensus::engine::BuildPayload;
use althing_consensus::{
    Epoch, Height, Message, Notice, QuorumCertificate, Rejection, Verified, aggregate_timeouts,
    aggregate_votes,
};
use althing_crypto::{TxHash, mutant};
use althing_ledger::{Application, NoVote, PrepareProposal, ProcessProposal};
use althing_mempool::TxBytes;

use super::Fatal;
use super::application::{precheck, proposer};
use super::notices::misbehaviour;
use crate::body::{Body, within_limits};
use crate::driver::{Done, VerifyJob};
use crate::epochs::{EpochContext, Epochs};
use crate::storage::ChainStore;

/// Shared by as many threads as one likes.
#[derive(Clone)]
pub struct Verifier {
    epochs: Arc<Epochs>,
    chain: ChainStore,
    application: Arc<dyn Application>,
}

impl Verifier {
    /// One for all epochs.
    pub fn new(epochs: Arc<Epochs>, chain: ChainStore, application: Arc<dyn Application>) -> Self {
        Self { epochs, chain, application }
    }

    /// Does a job.
    pub fn run(&self, job: VerifyJob) -> Result<Done, Fatal> {
        Ok(match job {
            VerifyJob::Admit { epoch, from, position, message } => {
                let proposal = matches!(*message, Message::Proposal(_));
                let outcome = Box::new(self.at(epoch)?.door.admit(position, *message));
                Done::Admitted { epoch, from, proposal, outcome }
            }
            VerifyJob::AggregateVotes(votes) => {
                let epoch = votes.first().map_or(Epoch(0), |vote| vote.epoch);
                let at = self.at(epoch)?;
                let aggregated = aggregate_votes(&at.config.set, &at.config.chain_id, votes);
                at.door.remember(&aggregated);
                Done::Aggregated(epoch, Box::new(aggregated))
            }
            VerifyJob::AggregateTimeouts(votes) => {
                let epoch = votes.first().map_or(Epoch(0), |vote| vote.epoch);
                let at = self.at(epoch)?;
                let aggregated = aggregate_timeouts(&at.config.set, &at.config.chain_id, votes);
                at.door.remember(&aggregated);
                Done::Aggregated(epoch, Box::new(aggregated))
            }
            VerifyJob::CheckEvidence(evidence) => {
                let verdict = self.at(evidence.epoch())?.door.verify_evidence(&evidence);
                Done::EvidenceChecked(evidence, verdict)
            }
            VerifyJob::Prepare { epoch, build, time_ms, txs, notices } => {
                let (view, parent) = (build.view, build.parent);
                let txs = self.prepare(epoch, &build, time_ms, (&txs, &notices))?;
                Done::Prepared { epoch, view, parent, txs, notices }
            }
            VerifyJob::CheckNotice { from, notice } => {
                let verdict = self.notice(&notice)?;
                Done::NoticeChecked { from, notice, verdict }
            }
            VerifyJob::CheckNotices { block, notices } => {
                let mut verdict = Ok(());
                for notice in &notices {
                    verdict = self.notice(notice)?.map_err(|rejection| format!("a notice: {rejection}"));
                    if verdict.is_err() {
                        break;
                    }
                }
                Done::NoticesChecked { block, verdict }
            }
            VerifyJob::MatchTransactions { from, block, wanted, txs } => {
                Done::Matched { from, block, txs: match_transactions(wanted, txs) }
            }
            VerifyJob::PrecheckPayload { block, txs } => {
                let bytes: Vec<&TxBytes> = txs.iter().map(|(_, tx)| tx).collect();
                let verdicts = precheck(&*self.application, &bytes)?;
                Done::PayloadPrechecked {
                    block,
                    results: txs.iter().map(|(hash, _)| *hash).zip(verdicts).collect(),
                }
            }
            VerifyJob::Process(body) => {
                let block = body.block.hash();
                let header = &body.block.header;
                let txs: Vec<&[u8]> = body.txs.iter().map(|tx| &**tx).collect();
                let (height, time_ms) = (header.height.0, header.time_ms);
                let parent = self.chain.body(&header.parent)?.ok_or_else(|| Fatal::Missing {
                    what: format!("block {}, whose child is to be judged", header.parent),
                })?;
                let proposer = proposer(&self.at(header.epoch)?.config, header, &parent.block.header);
                let (hash, txs) = (block.0, &txs[..]);
                let misbehaviour = &misbehaviour(&self.epochs, &body.block.notices)?;
                let question = ProcessProposal { height, time_ms, hash, txs, proposer, misbehaviour };
                let verdict = match self.application.process_proposal(&question) {
                    Ok(()) => Some(Ok(())),
                    Err(NoVote::Refused(reason)) => Some(Err(reason)),
                    Err(NoVote::NotAsked(reason)) => {
                        tracing::warn!(%height, "no vote for a proposal: {reason}");
                        None
                    }
                };
                Done::Processed { block, verdict }
            }
            VerifyJob::OpenBlock { from, block, body } => {
                let matches = match self.epochs.of(body.block.header.epoch)? {
                    Some(at) if body.block.hash() == block || mutant!("fetched_block_unchecked") => {
                        body.check(&at.config.params)
                    }
                    _ => Err("another block than the one asked for".to_owned()),
                };
                Done::BlockOpened { from, block, outcome: matches.map(|()| Arc::new(*body)) }
            }
            VerifyJob::OpenRun { epoch, from, first, bodies, commit } => {
                let at = self.at(epoch)?;
                Done::RunOpened { from, outcome: open_run(&at, first, bodies, &commit) }
            }
        })
    }

    /// Whether a notice holds by the set of its own epoch.
    fn notice(&self, notice: &Notice) -> Result<Result<(), Rejection>, Fatal> {
        let of = match mutant!("evidence_by_the_newest_set") {
            true => Some(self.epochs.newest()?),
            false => self.epochs.of(notice.epoch())?,
        };
        let unknown = || Rejection::Malformed {
            what: "notice",
            reason: format!("of epoch {}, which the chain has not begun", notice.epoch()),
        };
        Ok(of.map_or_else(|| Err(unknown()), |at| at.door.verify_notice(notice)))
    }

    /// Asks the application which transactions go into the block, in which order. What it answers must make a valid block.
    fn prepare(
        &self,
        epoch: Epoch,
        build: &BuildPayload,
        time_ms: u64,
        (txs, notices): (&[(TxHash, TxBytes)], &[Notice]),
    ) -> Result<Result<Vec<(TxHash, TxBytes)>, String>, Fatal> {
        let offered: Vec<&[u8]> = txs.iter().map(|(_, tx)| &**tx).collect();
        let at = self.at(epoch)?;
        let Some(me) = at.config.me.and_then(|me| at.config.set.get(me)) else {
            return Ok(Err(format!("this node has no place in epoch {epoch}")));
        };
        let chosen = self.application.prepare_proposal(&PrepareProposal {
            height: build.height.0,
            time_ms,
            txs: &offered,
            max_bytes: at.config.params.max_block_bytes as usize,
            proposer: *me.identity.as_bytes(),
            misbehaviour: &misbehaviour(&self.epochs, notices)?,
        });
        // Most applications take what they are given, or the first of it: no transaction stands there twice, or in an ancestor.
        let as_given = chosen.iter().zip(txs).take_while(|(tx, (_, given))| tx[..] == given[..]).count();
        let mut added = Vec::new();
        let payload = if as_given == chosen.len() {
            txs[..as_given].to_vec()
        } else {
            let given: BTreeMap<&[u8], &(TxHash, TxBytes)> = txs.iter().map(|one| (&*one.1, one)).collect();
            let mut seen = BTreeSet::new();
            let mut payload = Vec::with_capacity(chosen.len());
            for tx in chosen {
                let (hash, tx) = match given.get(&*tx) {
                    Some((hash, tx)) => (*hash, tx.clone()),
                    None => {
                        let tx = TxBytes::from(tx);
                        added.push(tx.clone());
                        (TxHash::of(&tx), tx)
                    }
                };
                if !seen.insert(hash) || build.exclude.contains(&hash) {
                    return Ok(Err(format!(
                        "it carries transaction {hash} twice, or an ancestor carries it"
                    )));
                }
                payload.push((hash, tx));
            }
            payload
        };
        if let Err(reason) = within_limits(payload.iter().map(|(_, tx)| tx), &at.config.params) {
            return Ok(Err(reason));
        }
        let verdicts = precheck(&*self.application, &added.iter().collect::<Vec<_>>())?;
        let refused = verdicts.into_iter().find_map(Result::err);
        Ok(match refused {
            Some(refusal) => Err(format!("a transaction that it added fails its own precheck: {refusal}")),
            None => Ok(payload),
        })
    }

    fn at(&self, epoch: Epoch) -> Result<Arc<EpochContext>, Fatal> {
        self.epochs.entered(epoch)
    }
}

/// Each block is the child of the one before, all are of this epoch, the certificate commits the last one.
fn open_run(
    at: &EpochContext,
    first: Height,
    bodies: Vec<Body>,
    commit: &QuorumCertificate,
) -> Result<(Vec<Arc<Body>>, Verified<QuorumCertificate>), String> {
    let last = bodies.last().ok_or("it is empty")?;
    if !commit.is_commit() || commit.block != last.block.hash() {
        return Err("its certificate does not commit its last block".to_owned());
    }
    if bodies[0].block.header.height != first {
        return Err(format!("it begins at {}, asked for was {first}", bodies[0].block.header.height));
    }
    for pair in bodies.windows(2) {
        if pair[1].block.header.parent != pair[0].block.hash() {
            return Err(format!("block {} is not the child of the one before", pair[1].block.header.height));
        }
    }
    let epoch = at.config.epoch;
    if let Some(other) = bodies.iter().map(|body| &body.block.header).find(|header| header.epoch != epoch) {
        return Err(format!("block {} is of epoch {}, not {epoch}", other.height, other.epoch));
    }
    let certificate = at.door.verify_quorum(commit).map_err(|rejection| rejection.to_string())?;
    for body in &bodies {
        body.check(&at.config.params)?;
    }
    Ok((bodies.into_iter().map(Arc::new).collect(), certificate))
}

/// What came must be what was asked for, in that order.
fn match_transactions(wanted: Vec<TxHash>, txs: Vec<TxBytes>) -> Result<Vec<(TxHash, TxBytes)>, String> {
    if wanted.len() != txs.len() {
        return Err(format!("asked for {}, got {}", wanted.len(), txs.len()));
    }
    let other =
        |hash: &TxHash, tx: &TxBytes| TxHash::of(tx) != *hash && !mutant!("gathered_transactions_unchecked");
    match wanted.iter().zip(&txs).find(|(hash, tx)| other(hash, tx)) {
        Some((hash, _)) => Err(format!("the bytes in the place of {hash} are not that transaction")),
        None => Ok(wanted.into_iter().zip(txs).collect()),
    }
}
