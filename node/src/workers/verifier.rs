//! Signatures, hashes and the application's word on payloads: what consensus waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_consensus::engine::{BuildPayload, EngineConfig};
use althing_consensus::{
    Door, Height, Message, QuorumCertificate, Verified, aggregate_timeouts, aggregate_votes,
};
use althing_crypto::{TxHash, mutant};
use althing_ledger::{Application, NoVote, PrepareProposal, ProcessProposal};
use althing_mempool::TxBytes;

use super::Fatal;
use super::application::{precheck, proposer};
use crate::body::{Body, within_limits};
use crate::driver::{Done, VerifyJob};
use crate::storage::ChainStore;

/// Shared by as many threads as one likes.
#[derive(Clone)]
pub struct Verifier {
    door: Arc<Door>,
    engine: EngineConfig,
    chain: ChainStore,
    application: Arc<dyn Application>,
}

impl Verifier {
    /// One for this epoch; `door` is its own.
    pub fn new(
        engine: &EngineConfig,
        door: Arc<Door>,
        chain: ChainStore,
        application: Arc<dyn Application>,
    ) -> Self {
        Self { door, engine: engine.clone(), chain, application }
    }

    /// Does a job.
    pub fn run(&self, job: VerifyJob) -> Result<Done, Fatal> {
        Ok(match job {
            VerifyJob::Admit { from, position, message } => {
                let proposal = matches!(*message, Message::Proposal(_));
                Done::Admitted { from, proposal, outcome: Box::new(self.door.admit(position, *message)) }
            }
            VerifyJob::AggregateVotes(votes) => {
                let aggregated = aggregate_votes(&self.engine.set, &self.engine.chain_id, votes);
                self.door.remember(&aggregated);
                Done::Aggregated(Box::new(aggregated))
            }
            VerifyJob::AggregateTimeouts(votes) => {
                let aggregated = aggregate_timeouts(&self.engine.set, &self.engine.chain_id, votes);
                self.door.remember(&aggregated);
                Done::Aggregated(Box::new(aggregated))
            }
            VerifyJob::CheckEvidence(evidence) => {
                let verdict = self.door.verify_evidence(&evidence);
                Done::EvidenceChecked(evidence, verdict)
            }
            VerifyJob::Prepare { build, time_ms, txs } => {
                let (view, parent) = (build.view, build.parent);
                Done::Prepared { view, parent, txs: self.prepare(&build, time_ms, &txs)? }
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
                let proposer = proposer(&self.engine, header, &parent.block.header);
                let question = ProcessProposal { height, time_ms, hash: block.0, txs: &txs, proposer };
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
                let matches = if body.block.hash() == block || mutant!("fetched_block_unchecked") {
                    body.check(&self.engine.params)
                } else {
                    Err("another block than the one asked for".to_owned())
                };
                Done::BlockOpened { from, block, outcome: matches.map(|()| Arc::new(*body)) }
            }
            VerifyJob::OpenRun { from, first, bodies, commit } => {
                Done::RunOpened { from, outcome: self.open_run(first, bodies, &commit) }
            }
        })
    }

    /// Asks the application which transactions go into the block, in which order. What it answers must make a valid block.
    fn prepare(
        &self,
        build: &BuildPayload,
        time_ms: u64,
        txs: &[(TxHash, TxBytes)],
    ) -> Result<Result<Vec<(TxHash, TxBytes)>, String>, Fatal> {
        let given: BTreeMap<&[u8], &(TxHash, TxBytes)> = txs.iter().map(|one| (&*one.1, one)).collect();
        let offered: Vec<&[u8]> = txs.iter().map(|(_, tx)| &**tx).collect();
        let me = self.engine.me.and_then(|me| self.engine.set.get(me));
        let chosen = self.application.prepare_proposal(&PrepareProposal {
            height: build.height.0,
            time_ms,
            txs: &offered,
            max_bytes: self.engine.params.max_block_bytes as usize,
            proposer: *me.expect("only a validator leads").identity.as_bytes(),
        });
        let mut added = Vec::new();
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
                return Ok(Err(format!("it carries transaction {hash} twice, or an ancestor carries it")));
            }
            payload.push((hash, tx));
        }
        let bytes: Vec<TxBytes> = payload.iter().map(|(_, tx)| tx.clone()).collect();
        if let Err(reason) = within_limits(&bytes, &self.engine.params) {
            return Ok(Err(reason));
        }
        let verdicts = precheck(&*self.application, &added.iter().collect::<Vec<_>>())?;
        let refused = verdicts.into_iter().find_map(Result::err);
        Ok(match refused {
            Some(refusal) => Err(format!("a transaction that it added fails its own precheck: {refusal}")),
            None => Ok(payload),
        })
    }

    /// Each block is the child of the one before, the certificate commits the last one.
    fn open_run(
        &self,
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
                return Err(format!(
                    "block {} is not the child of the one before",
                    pair[1].block.header.height
                ));
            }
        }
        let certificate = self.door.verify_quorum(commit).map_err(|rejection| rejection.to_string())?;
        for body in &bodies {
            body.check(&self.engine.params)?;
        }
        Ok((bodies.into_iter().map(Arc::new).collect(), certificate))
    }
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
