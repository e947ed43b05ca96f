//! From what is on disk to a node that can go on: the handshake of store and application, and what engine and driver start from.
//!
//! What a crash between any two writes leaves, and what happens at the next start:
//!
//! | the store holds | the application stands | |
//! |---|---|---|
//! | nothing | nothing, or genesis | `init_chain` (again), then block 0 |
//! | committed ≥ executed = h | h | goes on |
//! | the results of h | h − 1 | executes h again, compares, commits |
//! | the results of h | below h − 1 (its state was lost) | executes all that it lacks again, compares |
//! | | below the oldest block kept | refuses to start: what it lacks cannot be had here |
//! | the results of h | above h (the store lost its tail) | refuses to start: results cannot be had again |
//!
//! Blocks that are committed and not executed are executed by the driver as usual. A store that lost committed blocks fetches them
//! from peers; the safety record keeps it from signing in old views.
//!
//! Of the epochs: the record may be behind the chain data, as an epoch's end is stored before the next is entered, or because the safety
//! file was restored: then it enters each in turn, before anything else (`Signer::open`). Or it is ahead, as the store lost its tail: then nothing
//! is signed in the epochs that are fetched again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use althing_consensus::engine::{EngineConfig, Recovered};
use althing_consensus::{Block, Door, Epoch, Executed, Height, Position, Rejection, Validator};
use althing_crypto::{BlockHash, Hash, TxHash, bls::ProofOfPossession, mutant};
use althing_genesis::{Genesis, ValidatorEntry};
use althing_ledger::{AppError, Application, Info, InitChain, ValidatorUpdate, VoteKey};

use crate::body::Body;
use crate::driver::{MAX_BODIES, MAX_EVIDENCE, Start};
use crate::epochs::{Epochs, Seat};
use crate::membership;
use crate::storage::{ChainStore, StoreError};
use crate::workers::{Executor, Fatal, consensus_app_hash};

/// Transactions of so many committed blocks are known to the mempool as committed.
const RECENT_BLOCKS: u64 = 50;

/// So often is it said that the application is waited for.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// Why a node cannot go on from what it has.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Disk or application.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// The data is of another chain.
    #[error(
        "the chain data began with genesis document {found}, the home's genesis.json is {expected}: use the genesis document \
         of this chain, or a fresh home for another one"
    )]
    OtherGenesis {
        /// In the data.
        found: Hash,
        /// In the home.
        expected: Hash,
    },
    /// The application makes another state of the genesis document.
    #[error(
        "the application's state after genesis is {found}, this chain began with {expected}: it is another application, or \
         another version of it"
    )]
    OtherState {
        /// Of the application.
        found: String,
        /// In block 0.
        expected: String,
    },
    /// The application has executed blocks whose results are not in the store.
    #[error(
        "the application stands at height {application}, the chain data at {executed}: the chain data lost its end, or the \
         application belongs to another node. Move the data directory away (but leave the safety file where it is), and the \
         state of an application in a process of its own, too, and start again: the node fetches the chain anew"
    )]
    ApplicationAhead {
        /// The application's height.
        application: Height,
        /// The height executed according to the store.
        executed: Height,
    },
    /// The application must execute blocks again that are no longer here.
    #[error(
        "the application stands at height {application}, and blocks below {oldest} were removed once it had let them go: it lost \
         state that it had said was safe. Give it back a copy of its state from height {oldest} or above, or move its state and this \
         node's data directory away (but leave the safety file where it is) and start again: the node fetches the chain from a member \
         that kept all"
    )]
    Pruned {
        /// The application's height.
        application: Height,
        /// The oldest height whose block is kept.
        oldest: Height,
    },
    /// The application says that a height ended in another state than it gave when it executed it.
    #[error(
        "the application stands at height {height} with hash {found:?}; when it executed that block it gave {expected:?}: it has \
         changed its past, or is the application of another chain"
    )]
    OtherPast {
        /// The height.
        height: Height,
        /// What it says now.
        found: String,
        /// What is stored.
        expected: String,
    },
    /// The newest certificate does not verify.
    #[error(
        "the newest stored commit certificate does not verify ({0}): restore the data directory or sync it anew"
    )]
    Certificate(Rejection),
}

impl From<StoreError> for RecoveryError {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.into())
    }
}

/// The validators of the genesis document, with the proofs that were checked when it was read.
fn first_validators(genesis: &Genesis) -> Vec<ValidatorUpdate> {
    let members = genesis.validator_set().members().iter().zip(&genesis.document().validators);
    let update = |(one, entry): (&Validator, &ValidatorEntry)| {
        let proof = entry.proof_of_possession.parse::<ProofOfPossession>().ok();
        let key = *one.vote_key.bytes();
        ValidatorUpdate {
            identity: *one.identity.as_bytes(),
            power: one.power.0,
            vote_key: proof.map(|proof| VoteKey { key, proof: *proof.as_bytes() }),
        }
    };
    members.map(update).collect()
}

/// Brings store and application to the same height, from whatever a crash left, and returns block 0.
pub fn handshake(
    genesis: &Genesis,
    chain: &ChainStore,
    application: &Arc<dyn Application>,
) -> Result<Block, RecoveryError> {
    let info = application.info().map_err(Fatal::from)?;
    // To execute a block takes the one below it, too.
    if let Some(oldest) = chain.oldest()?.filter(|oldest| oldest.0 > 1 && *oldest > Height(info.last_height))
    {
        return Err(RecoveryError::Pruned { application: Height(info.last_height), oldest });
    }
    let initial = if info.initialised {
        (info.last_height == 0).then(|| info.app_hash.clone())
    } else {
        let init = InitChain {
            chain_id: genesis.chain_id().to_owned(),
            initial_height: 1,
            time_ms: genesis.time_ms(),
            app_state: genesis.app_state().as_bytes().to_vec(),
            validators: first_validators(genesis),
            params: membership::as_updates(genesis.params()),
            max_block_bytes: genesis.params().max_block_bytes.into(),
        };
        Some(application.init_chain(&init).map_err(Fatal::from)?.app_hash)
    };
    if let Some(found) = chain.genesis()?.filter(|found| *found != genesis.hash()) {
        return Err(RecoveryError::OtherGenesis { found, expected: genesis.hash() });
    }
    let block = match (chain.block(Height(0))?, initial) {
        (Some(stored), initial) => {
            let expected = &stored.block.header.vouched.app_hash;
            let other = initial.map(|hash| consensus_app_hash(&hash)).filter(|found| found != expected);
            if let Some(found) = other {
                return Err(RecoveryError::OtherState {
                    found: found.to_string(),
                    expected: expected.to_string(),
                });
            }
            stored.block
        }
        (None, Some(app_hash)) => {
            let block = genesis.block(consensus_app_hash(&app_hash));
            chain.begin(genesis.hash(), &Body { block: block.clone(), txs: Vec::new() })?;
            block
        }
        (None, None) => {
            let application = Height(info.last_height);
            return Err(RecoveryError::ApplicationAhead { application, executed: Height(0) });
        }
    };
    let executed = chain.executed()?;
    if info.last_height > executed.0 {
        return Err(RecoveryError::ApplicationAhead { application: Height(info.last_height), executed });
    }
    expect_same_past(chain, &info)?;
    chain.put_reported(Height(info.last_height))?;
    let epochs = Arc::new(Epochs::new(genesis, chain.clone(), Seat::default()));
    Executor::new(epochs, chain.clone(), application.clone()).replay()?;
    Ok(block)
}

/// As [`handshake`], once the application can be reached, and again until it stays: one that is a process of its own may begin later
/// than the node, or end.
pub fn bring_up(
    genesis: &Genesis,
    chain: &ChainStore,
    application: &Arc<dyn Application>,
) -> Result<Block, RecoveryError> {
    let Some(link) = application.link() else { return handshake(genesis, chain, application) };
    let mut said: Option<Instant> = None;
    loop {
        let outcome = match link.connect(SAY_AGAIN) {
            Ok(true) => handshake(genesis, chain, application),
            Ok(false) => return Err(Fatal::Closed.into()),
            Err(error) => Err(Fatal::from(error).into()),
        };
        match outcome {
            Err(RecoveryError::Fatal(Fatal::Application(AppError::Unavailable { reason }))) => {
                if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                    tracing::warn!("waiting: {reason}");
                    said = Some(Instant::now());
                }
            }
            outcome => {
                return outcome.inspect(|_| tracing::info!("the application stands where the chain does"));
            }
        }
    }
}

/// What the application says of the height where it stands must be what it said when it executed it.
fn expect_same_past(chain: &ChainStore, info: &Info) -> Result<(), RecoveryError> {
    let height = Height(info.last_height);
    if height == Height(0) {
        return Ok(());
    }
    let (expected, found) = (results(chain, height)?.execution.app_hash, consensus_app_hash(&info.app_hash));
    match found == expected {
        true => Ok(()),
        false => {
            Err(RecoveryError::OtherPast { height, found: found.to_string(), expected: expected.to_string() })
        }
    }
}

/// What an engine is made for in the first epoch of a chain that begins with `opening`.
pub fn engine_config(genesis: &Genesis, opening: BlockHash, me: Option<Position>) -> EngineConfig {
    EngineConfig {
        chain_id: genesis.chain_id().to_owned(),
        epoch: Epoch(1),
        epoch_hash: genesis.epoch_hash(),
        opening,
        set: genesis.validator_set().clone(),
        params: genesis.params().clone(),
        me,
    }
}

/// The door of that engine's node.
pub fn door(config: &EngineConfig) -> Door {
    let EngineConfig { chain_id, epoch, set, params, me, .. } = config;
    Door::new(chain_id.clone(), *epoch, set.clone(), params, *me)
}

/// What the driver starts from, after the handshake; the safety record is still to be added.
pub fn recover(config: &EngineConfig, chain: &ChainStore, door: &Door) -> Result<Start, RecoveryError> {
    let (committed, executed) = (chain.committed()?, chain.executed()?);
    let head = block_at(chain, committed)?;
    let vouched = head.header.vouched.height;
    // That of the opening block is of the epoch before, and was checked when this epoch was entered.
    let newest = chain.newest_certificate()?.filter(|qc| qc.epoch == config.epoch);
    let commit = newest.map(|qc| door.verify_quorum(&qc)).transpose();
    let mut executions = BTreeMap::new();
    for height in vouched.0.min(executed.0.saturating_sub(1)) + 1..=executed.0 {
        let results = results(chain, Height(height))?;
        executions.insert(
            Height(height),
            Executed { execution: results.execution, next_epoch: results.next_epoch },
        );
    }
    let opened_by = chain.opening(config.epoch)?.and_then(|opening| opening.certificate);
    let lowest = vouched.0.min(executed.0) + 1;
    let unvouched =
        (lowest..committed.0).map(|height| block_at(chain, Height(height))).collect::<Result<_, _>>()?;
    let uncommitted = chain.uncommitted(MAX_BODIES)?.into_iter();
    let bodies: Vec<Arc<Body>> =
        uncommitted.filter(|body| body.block.header.epoch == config.epoch).map(Arc::new).collect();
    let recovered = Recovered {
        committed: head,
        unvouched,
        commit: commit.map_err(RecoveryError::Certificate)?.filter(|_| !mutant!("certificate_not_read_back")),
        uncommitted: bodies.iter().map(|body| body.block.clone()).collect(),
        executions,
        executed,
        counted: chain.counted(config.epoch)?,
    };
    let found = chain.kept_evidence(MAX_EVIDENCE)?;
    Ok(Start {
        recovered,
        found,
        bodies,
        recent: recent(chain, executed, committed)?,
        record: None,
        opened_by,
    })
}

/// Transactions of the newest blocks, and of all that are not executed.
fn recent(
    chain: &ChainStore,
    executed: Height,
    committed: Height,
) -> Result<Vec<(Height, Vec<TxHash>)>, RecoveryError> {
    let lowest = (executed.0 + 1).min(committed.0.saturating_sub(RECENT_BLOCKS)).max(1);
    (lowest..=committed.0).map(|height| Ok((Height(height), block_at(chain, Height(height))?.txs))).collect()
}

fn block_at(chain: &ChainStore, height: Height) -> Result<Block, RecoveryError> {
    let body = chain.block(height)?;
    Ok(body.ok_or_else(|| Fatal::Missing { what: format!("block {height}") })?.block)
}

fn results(chain: &ChainStore, height: Height) -> Result<crate::storage::StoredResults, RecoveryError> {
    let results = chain.results(height)?;
    Ok(results.ok_or_else(|| Fatal::Missing { what: format!("the result of height {height}") })?)
}

#[cfg(test)]
mod tests;
