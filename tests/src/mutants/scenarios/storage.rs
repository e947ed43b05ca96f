//! What is durable when: before a signature leaves, and after a crash between any two writes of the chain store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use althing_consensus::engine::EngineConfig;
use althing_consensus::{
    Block, Epoch, Height, Newest, Phase, Position, SafetyRecord, SignRequest, Signed, View,
};
use althing_crypto::{Encoding, Hash};
use althing_node::body::Body;
use althing_node::driver::{Done, SafetyJob};
use althing_node::epochs::Epochs;
use althing_node::recovery::{door, recover};
use althing_node::storage::{Batch, ChainStore, Entry, MemoryStore, Store, StoreError, Table};
use althing_node::workers::Signer;

use super::Verdict;
use super::forge::Forge;
use super::safety_file::Platter;

const QUORUM: &[u16] = &[0, 1, 2];

/// The engine configuration of a follower on the forge's chain.
pub(super) fn config(forge: &Forge) -> EngineConfig {
    let genesis = forge.setup.genesis();
    EngineConfig {
        chain_id: forge.setup.chain_id().to_owned(),
        epoch: Epoch(1),
        epoch_hash: genesis.header.vouched.next_epoch,
        opening: genesis.hash(),
        set: forge.setup.set().clone(),
        params: althing_consensus::ConsensusParams::default(),
        me: None,
    }
}

fn body(block: Block) -> Arc<Body> {
    Arc::new(Body { block, txs: Vec::new() })
}

/// S2: when the signer answers, a power cut loses neither the record of what it signed nor the block.
pub(super) fn durable_first() -> Verdict {
    let forge = Forge::four();
    let (chain, platter) = (ChainStore::new(Arc::new(MemoryStore::new())), Platter::formatted());
    let me = Position(1);
    let config = config(&forge);
    let epochs = Arc::new(Epochs::beginning(config, chain.clone()));
    let keys = vec![forge.setup.key(me).clone()];
    let identity = forge.setup.identity(me).clone();
    let mut signer = Signer::open(identity, keys, epochs, platter.open()?, chain.clone())
        .map_err(|error| error.to_string())?;
    signer.run(SafetyJob::Resume { floor: None }).map_err(|error| error.to_string())?;
    let block = forge.block(1, forge.setup.genesis(), View(0), &[]);
    let leader = forge.leader(1, &[]);
    let proposal = forge.verified_proposal(forge.proposal(leader, block.clone(), None, None));
    let qc = forge.verified_qc(&forge.qc(Phase::Vote, 1, block.hash(), QUORUM));
    let requests = [
        (
            SignRequest::Vote(Box::new(proposal.ok_or("a good proposal is refused")?)),
            Some(body(block.clone())),
        ),
        (SignRequest::CommitVote { qc: qc.clone() }, None),
        (SignRequest::Timeout { view: View(2), high_qc: Some(qc.clone()), entry: Some(qc.into()) }, None),
    ];
    for (request, body) in requests {
        let what = request.kind();
        let job = SafetyJob::Sign { request: Box::new(request), newest: Box::new(Newest::default()), body };
        let done = signer.run(job).map_err(|error| error.to_string())?;
        let Done::Signed(signed) = done else { return Err(format!("the {what} is refused")) };
        let bytes = platter.after_power_cut()?.ok_or_else(|| format!("no record after the {what}"))?;
        let record = SafetyRecord::decode(&bytes).map_err(|error| error.to_string())?;
        let kept = match *signed {
            Signed::Vote(vote) => record.vote == Some(vote),
            Signed::CommitVote(vote) => record.commit_vote == Some(vote),
            Signed::Timeout(timeout) => record.timeout == Some(timeout),
            Signed::Proposal(_) => false,
        };
        if !kept {
            return Err(format!("the {what} has left and the durable record does not know it"));
        }
        if chain.body(&block.hash()).map_err(|error| error.to_string())?.is_none() {
            return Err(format!("the {what} has left and its block is not stored"));
        }
    }
    Ok(())
}

/// A store whose node ends after so many writes.
struct Ending {
    store: MemoryStore,
    left: AtomicUsize,
}

impl Store for Ending {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        self.store.range(table, from, to, limit, reverse)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| StoreError::Io {
            doing: "write to",
            path: PathBuf::from("disk"),
            source: std::io::Error::other("the node has ended"),
        })?;
        self.store.write(batch)
    }
}

/// Bodies of two blocks are stored, then the first is committed, then the second; the node ends after any write.
pub(super) fn chain_store() -> Verdict {
    let forge = Forge::four();
    let genesis = forge.setup.genesis().clone();
    let first = forge.block(1, &genesis, View(0), &[]);
    let second = forge.block(2, &first, View(1), &[]);
    let commit = |block: &Block| forge.qc(Phase::Commit, block.header.view.0, block.hash(), QUORUM);
    for writes in 1..=8 {
        let ending = Ending { store: MemoryStore::new(), left: AtomicUsize::new(writes) };
        let chain = ChainStore::new(Arc::new(ending));
        // What comes after the end fails, and has no effect.
        let bodies = [body(first.clone()), body(second.clone())];
        let all = || -> Result<(), StoreError> {
            chain.begin(Hash::ZERO, &Body { block: genesis.clone(), txs: Vec::new() })?;
            bodies.iter().try_for_each(|body| chain.put_body(body))?;
            chain.commit(&bodies[..1], &commit(&first))?;
            whole(&forge, &chain, &second, 1)
                .map_err(|what| StoreError::Corrupt { path: PathBuf::new(), what })?;
            chain.commit(&bodies[1..], &commit(&second))
        };
        if let Err(StoreError::Corrupt { what, .. }) = all() {
            return Err(what);
        }
        let committed = chain.committed().map_err(|error| error.to_string())?;
        let stored = writes.saturating_sub(1).min(2);
        whole(&forge, &chain, &second, stored)
            .map_err(|what| format!("ended after {writes} writes, at height {committed}: {what}"))?;
    }
    Ok(())
}

/// The newest committed block has its certificate, also for an engine that starts on it; and a body stored uncommitted is there.
fn whole(forge: &Forge, chain: &ChainStore, second: &Block, bodies: usize) -> Verdict {
    let error = |error: StoreError| error.to_string();
    let committed = chain.committed().map_err(error)?;
    if bodies == 2 && chain.body(&second.hash()).map_err(error)?.is_none() {
        return Err("a block that was stored uncommitted is gone".into());
    }
    if committed == Height(0) {
        return Ok(());
    }
    if chain.body(&second.hash()).map_err(error)?.is_none() {
        return Err("a stored block above the committed one is gone".into());
    }
    let certificate = chain.newest_certificate().map_err(error)?;
    if certificate.map(|one| one.block) != chain.hash_at(committed).map_err(error)? {
        return Err("the newest committed block has no certificate".into());
    }
    let config = config(forge);
    let start = recover(&config, chain, &door(&config)).map_err(|error| error.to_string())?;
    match start.recovered.commit {
        Some(_) => Ok(()),
        None => Err("a restarted engine is not given the newest certificate".into()),
    }
}
