//! An application elsewhere: ABCI 2.0 over a socket, as CometBFT 0.38 speaks it.
//!
//! | file | holds |
//! |---|---|
//! | `address` | where the application listens |
//! | `stream`, `frame` | bytes, and messages behind their lengths |
//! | `call` | which answer belongs to which request |
//! | `connection` | requests and answers on one socket |
//! | `link` | the four connections together, and their loss |
//! | `convert` | between the boundary's words and those of ABCI |
//! | `fault` | what can go wrong, in words |

mod address;
mod call;
mod connection;
mod convert;
mod fault;
mod frame;
mod link;
mod stream;
#[cfg(test)]
mod tests;

pub use address::{Address, BadAddress};

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use convert::{
    address as validator_address, app_hash, commit_info, consensus_params, events, expect_no_vote_extensions,
    misbehavior, offered, param_updates, query_result, signed, snapshot, time, tx_result, txs, unsigned,
    validator_update, validator_updates,
};
use fault::Fault;
use link::{Connections, Line, ToNode};
use tendermint_proto::v0_38::abci::{
    CheckTxType, RequestApplySnapshotChunk, RequestCheckTx, RequestCommit, RequestFinalizeBlock, RequestInfo,
    RequestInitChain, RequestListSnapshots, RequestLoadSnapshotChunk, RequestOfferSnapshot,
    RequestPrepareProposal, RequestProcessProposal, RequestQuery, response_apply_snapshot_chunk as chunk,
    response_offer_snapshot as offer, response_process_proposal as proposal,
};

use crate::{
    Admission, AppError, AppHash, Application, Bytes, CheckKind, CheckedTx, ChunkApplied, CommitResult,
    FinalizeBlock, FinalizedBlock, Info, InitChain, InitChainResult, Link, NoVote, PrepareProposal,
    ProcessProposal, Query, QueryResult, Snapshot, SnapshotOffer, TxError, application::as_given,
};

/// The codespace of what is refused because the application cannot be asked.
pub const CODESPACE: &str = "abci";
/// The code for it.
pub const UNAVAILABLE: u32 = 1;

/// How long clients and the mempool wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a proposal waits for one: longer than that a view does not last.
const PROPOSAL_PATIENCE: Duration = Duration::from_secs(2);
/// The versions that the handshake names.
const ABCI_VERSION: &str = "2.0.0";
const BLOCK_VERSION: u64 = 11;
const P2P_VERSION: u64 = 8;

/// An application in a process of its own, in any language.
///
/// It may die, hang and come back: meanwhile blocks wait, and [`Application::link`] tells. An answer that breaks the protocol, and an
/// exception, in the handshake, `FinalizeBlock` or `Commit` stop the node with the application's words. An exception in answer to a
/// query or to `CheckTx` refuses just that, since otherwise a client could stop validators; about a proposal it costs that proposal.
#[derive(Debug)]
pub struct RemoteApplication {
    connections: Arc<Connections>,
    link: ToNode,
    /// What it asked for last by parameters and was not given: said once, as applications repeat them with every block.
    ignored: Mutex<Vec<String>>,
}

impl RemoteApplication {
    /// The application at this address. Nothing is tried before [`Link::connect`].
    pub fn new(address: Address) -> Self {
        let connections = Connections::new(address);
        Self { link: ToNode(connections.clone()), connections, ignored: Mutex::default() }
    }

    /// Asks what the chain cannot go on without.
    fn consensus<C: call::Call>(&self, request: C) -> Result<C::Answer, AppError> {
        self.connections.call(Line::Consensus, request, None).map_err(|fault| self.connections.error(&fault))
    }

    /// Asks about a proposal, in the time that a view has for it.
    fn proposal<C: call::Call>(&self, request: C) -> Result<C::Answer, Fault> {
        let asked = self.connections.call_initialised(Line::Consensus, request, Some(PROPOSAL_PATIENCE));
        self.connections.complain(asked.as_ref().err());
        asked
    }

    /// Says in the log what of its parameters the application does not get.
    fn tell_ignored(&self, height: u64, ignored: Vec<String>) {
        let mut said = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        if !ignored.is_empty() && *said != ignored {
            tracing::warn!(height, "the application asks for consensus parameters: {}", ignored.join("; "));
        }
        *said = ignored;
    }

    fn impossible(&self, asked: &'static str, reason: String) -> AppError {
        self.connections.error(&Fault::Impossible { asked, reason })
    }
}

impl Application for RemoteApplication {
    fn link(&self) -> Option<&dyn Link> {
        Some(&self.link)
    }

    fn info(&self) -> Result<Info, AppError> {
        let request = RequestInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            block_version: BLOCK_VERSION,
            p2p_version: P2P_VERSION,
            abci_version: ABCI_VERSION.to_owned(),
        };
        let asked = self.connections.call(Line::Query, request, Some(PATIENCE));
        let info = asked.map_err(|fault| self.connections.error(&fault))?;
        let read = || {
            Ok((unsigned("last_block_height", info.last_block_height)?, app_hash(info.last_block_app_hash)?))
        };
        let (last_height, app_hash) = read().map_err(|reason| self.impossible("Info", reason))?;
        // Genesis alone leaves no trace in this answer: InitChain comes (again) before block 1.
        let initialised = last_height > 0;
        if initialised {
            self.connections.initialised();
        }
        Ok(Info { name: info.data, version: info.version, last_height, app_hash, initialised })
    }

    fn query(&self, q: &Query) -> QueryResult {
        let Query { path, data, height, prove } = q.clone();
        let request = RequestQuery { path, data: data.into(), height: signed(height), prove };
        match self.connections.call_initialised(Line::Query, request, Some(PATIENCE)) {
            Ok(answer) => query_result(answer),
            Err(fault) => QueryResult {
                code: UNAVAILABLE,
                codespace: CODESPACE.to_owned(),
                log: self.connections.words(&fault),
                ..Default::default()
            },
        }
    }

    /// ABCI has no stateless half of admission: everything passes.
    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let admission = Admission { sender: None, sequence: 0, priority: 0, expiry_height: None };
        txs.iter().map(|_| Ok(admission.clone())).collect()
    }

    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        let passed = CheckedTx { next_sequence: None };
        let r#type = match kind {
            CheckKind::New => CheckTxType::New,
            CheckKind::Recheck => CheckTxType::Recheck,
        };
        let request = RequestCheckTx { tx: tx.to_vec().into(), r#type: r#type.into() };
        match self.connections.call_initialised(Line::Mempool, request, Some(PATIENCE)) {
            Ok(answer) if answer.code == 0 => Ok(passed),
            Ok(answer) => Err(TxError { code: answer.code, codespace: answer.codespace, log: answer.log }),
            // What is pending stays so while nobody can say anything against it.
            Err(_) if kind == CheckKind::Recheck => Ok(passed),
            Err(fault) => Err(TxError {
                code: UNAVAILABLE,
                codespace: CODESPACE.to_owned(),
                log: format!("{}; submit the transaction again later", self.connections.words(&fault)),
            }),
        }
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        let answer = self.consensus(RequestInitChain {
            time: time(init.time_ms),
            chain_id: init.chain_id.clone(),
            consensus_params: Some(consensus_params(init)),
            validators: init.validators.iter().map(validator_update).collect(),
            app_state_bytes: init.app_state.clone().into(),
            initial_height: signed(init.initial_height),
        })?;
        let impossible = |reason| self.impossible("InitChain", reason);
        expect_no_vote_extensions(answer.consensus_params.as_ref()).map_err(impossible)?;
        let mut validators = validator_updates(answer.validators).map_err(impossible)?;
        let mut expected = init.validators.clone();
        for set in [&mut validators, &mut expected] {
            set.sort_by_key(|update| update.identity);
        }
        if !validators.is_empty() && validators != expected {
            return Err(impossible("it names other validators than the genesis document".to_owned()));
        }
        let app_hash = app_hash(answer.app_hash).map_err(impossible)?;
        self.connections.initialised();
        Ok(InitChainResult { app_hash })
    }

    fn prepare_proposal(&self, p: &PrepareProposal<'_>) -> Vec<Bytes> {
        let request = RequestPrepareProposal {
            max_tx_bytes: signed(p.max_bytes as u64),
            txs: txs(p.txs),
            local_last_commit: Some(Default::default()),
            misbehavior: misbehavior(p.misbehaviour),
            height: signed(p.height),
            time: time(p.time_ms),
            proposer_address: validator_address(&p.proposer),
            ..Default::default()
        };
        match self.proposal(request) {
            Ok(answer) => answer.txs.into_iter().map(Bytes::from).collect(),
            // A client chose what it trips over: that must not empty all blocks.
            Err(fault @ Fault::Exception { .. }) => {
                tracing::warn!(
                    height = p.height,
                    "the mempool's own order is proposed: {}",
                    self.connections.words(&fault)
                );
                as_given(p)
            }
            Err(fault) => {
                tracing::warn!(
                    height = p.height,
                    "an empty block is proposed: {}",
                    self.connections.words(&fault)
                );
                Vec::new()
            }
        }
    }

    fn process_proposal(&self, p: &ProcessProposal<'_>) -> Result<(), NoVote> {
        let request = RequestProcessProposal {
            txs: txs(p.txs),
            proposed_last_commit: Some(Default::default()),
            misbehavior: misbehavior(p.misbehaviour),
            hash: p.hash.as_bytes().to_vec().into(),
            height: signed(p.height),
            time: time(p.time_ms),
            proposer_address: validator_address(&p.proposer),
            ..Default::default()
        };
        let answer =
            self.proposal(request).map_err(|fault| NoVote::NotAsked(self.connections.words(&fault)))?;
        match answer.status() {
            proposal::ProposalStatus::Accept => Ok(()),
            proposal::ProposalStatus::Reject => Err(NoVote::Refused("the application rejects it".to_owned())),
            proposal::ProposalStatus::Unknown => {
                let neither = Fault::Impossible {
                    asked: "ProcessProposal",
                    reason: "neither ACCEPT nor REJECT".to_owned(),
                };
                Err(NoVote::NotAsked(self.connections.words(&neither)))
            }
        }
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let answer = self.consensus(RequestFinalizeBlock {
            txs: txs(b.txs),
            decided_last_commit: Some(commit_info(b.members)),
            misbehavior: misbehavior(b.misbehaviour),
            hash: b.hash.as_bytes().to_vec().into(),
            height: signed(b.height),
            time: time(b.time_ms),
            proposer_address: validator_address(&b.proposer),
            ..Default::default()
        })?;
        let impossible =
            |reason| self.impossible("FinalizeBlock", format!("at height {}: {reason}", b.height));
        expect_no_vote_extensions(answer.consensus_param_updates.as_ref()).map_err(impossible)?;
        let (param_updates, ignored) = param_updates(answer.consensus_param_updates);
        self.tell_ignored(b.height, ignored);
        let (asked, got) = (b.txs.len(), answer.tx_results.len());
        if asked != got {
            return Err(impossible(format!("{got} results for {asked} transactions")));
        }
        Ok(FinalizedBlock {
            tx_results: answer.tx_results.into_iter().map(tx_result).collect(),
            app_hash: app_hash(answer.app_hash).map_err(impossible)?,
            validator_updates: validator_updates(answer.validator_updates).map_err(impossible)?,
            param_updates,
            events: events(answer.events),
        })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let answer = self.consensus(RequestCommit {})?;
        let retain_height = unsigned("retain_height", answer.retain_height);
        Ok(CommitResult { retain_height: retain_height.map_err(|reason| self.impossible("Commit", reason))? })
    }

    fn list_snapshots(&self) -> Vec<Snapshot> {
        let asked =
            self.connections.call_initialised(Line::Snapshot, RequestListSnapshots {}, Some(PATIENCE));
        asked.map(|answer| answer.snapshots.into_iter().map(snapshot).collect()).unwrap_or_default()
    }

    fn offer_snapshot(&self, snapshot: &Snapshot, app_hash: &AppHash) -> Result<SnapshotOffer, AppError> {
        let app_hash = app_hash.as_bytes().to_vec().into();
        let request = RequestOfferSnapshot { snapshot: Some(offered(snapshot)), app_hash };
        let asked = self.connections.call(Line::Snapshot, request, None);
        match asked.map_err(|fault| self.connections.error(&fault))?.result() {
            offer::Result::Accept => Ok(SnapshotOffer::Accept),
            offer::Result::Reject | offer::Result::RejectSender => Ok(SnapshotOffer::Reject),
            offer::Result::RejectFormat => Ok(SnapshotOffer::RejectFormat),
            offer::Result::Abort | offer::Result::Unknown => Ok(SnapshotOffer::Abort),
        }
    }

    fn load_snapshot_chunk(&self, height: u64, format: u32, chunk: u32) -> Option<Bytes> {
        let request = RequestLoadSnapshotChunk { height, format, chunk };
        let answer = self.connections.call_initialised(Line::Snapshot, request, Some(PATIENCE)).ok()?;
        Some(Bytes::from(answer.chunk)).filter(|chunk| !chunk.is_empty())
    }

    fn apply_snapshot_chunk(&self, index: u32, chunk: &[u8]) -> Result<ChunkApplied, AppError> {
        let request =
            RequestApplySnapshotChunk { index, chunk: chunk.to_vec().into(), sender: String::new() };
        let asked = self.connections.call(Line::Snapshot, request, None);
        let answer = asked.map_err(|fault| self.connections.error(&fault))?;
        Ok(match answer.result() {
            chunk::Result::Accept => ChunkApplied::Accept,
            chunk::Result::Retry => ChunkApplied::Retry {
                chunks: answer.refetch_chunks,
                reject_sender: !answer.reject_senders.is_empty(),
            },
            chunk::Result::RetrySnapshot => ChunkApplied::RetrySnapshot,
            chunk::Result::RejectSnapshot => ChunkApplied::RejectSnapshot,
            chunk::Result::Abort | chunk::Result::Unknown => ChunkApplied::Abort,
        })
    }
}
