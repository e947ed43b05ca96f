//! What light clients and audits are given: parts of proofs, made from the chain store.

use althing_consensus::audit::Link;
use althing_consensus::light::{Claim, EpochEnd, Outcome, Run, Seal, SetChange, Start, Trail};
use althing_consensus::{Epoch, Execution, Header, Height};
use althing_crypto::{Encoding, MerklePath, TxHash};

use crate::body::Body;
use crate::epochs::Epochs;
use crate::storage::{ChainStore, StoreError};
use crate::workers::Fatal;

/// A certificate covers its block and those below that had none of their own; so far above is it searched.
const MAX_COVERED: u64 = 1_000;
/// So far above a height is the header searched that vouches for it, and so many outcomes does that header bind at most.
const MAX_BEHIND: u64 = 10_000;

/// Why a part cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    /// The chain data cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They contradict themselves.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// It is not there, or not yet.
    #[error("{0}")]
    Missing(String),
}

fn missing<T>(what: String) -> Result<T, LightError> {
    Err(LightError::Missing(what))
}

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A header.
    Header(Height),
    /// That a transaction is in its block.
    Transaction(TxHash),
    /// What came of a transaction.
    Result(TxHash),
    /// What came of a height. The claim's answer is left empty.
    State(Height),
}

/// The chain, as light clients see it. All methods block on the disk.
#[derive(Debug)]
pub struct Source<'a> {
    chain: &'a ChainStore,
    epochs: &'a Epochs,
}

impl<'a> Source<'a> {
    /// Of the chain in this store.
    pub fn new(chain: &'a ChainStore, epochs: &'a Epochs) -> Self {
        Self { chain, epochs }
    }

    /// The ends of epochs from this one on, as far as they are committed and executed here; not more once they take so many bytes or are
    /// so many.
    pub fn ends(&self, from: Epoch, max: usize, max_bytes: usize) -> Result<Vec<EpochEnd>, LightError> {
        let (mut ends, mut bytes) = (Vec::new(), 0);
        let mut epoch = Epoch(from.0.max(1));
        let Some(mut before) = self.epochs.of(epoch)? else { return Ok(ends) };
        while ends.len() < max && bytes < max_bytes {
            let Some(next) = epoch.0.checked_add(1).map(Epoch) else { break };
            let (Some(opening), Some(after)) = (self.chain.opening(next)?, self.epochs.of(next)?) else {
                break;
            };
            let Some(certificate) = &opening.certificate else { break };
            let (old, new) = (&before.config, &after.config);
            let change = SetChange::between((&old.set, &old.params), (&new.set, &new.params));
            let end = EpochEnd { seal: certificate.into(), header: opening.header, change };
            bytes += end.encode().len();
            ends.push(end);
            (epoch, before) = (next, after);
        }
        Ok(ends)
    }

    /// What whoever trusts the header of this height begins with.
    pub fn start(&self, height: Height) -> Result<Start, LightError> {
        if height == Height(0) {
            return missing(
                "height 0 is the genesis block: a proof from there begins at the genesis document".into(),
            );
        }
        let header = self.header(height)?;
        let parent = self.header(Height(height.0 - 1))?;
        // What a parent names is the epoch of its children.
        let ends = header.vouched.next_epoch != parent.vouched.next_epoch;
        let epoch = Epoch(header.epoch.0 + u64::from(ends));
        let Some(context) = self.epochs.of(epoch)? else {
            return missing(format!("block {height} ends its epoch, and the next has not begun here"));
        };
        Ok(Trail::start(header, parent, &context.config.set, &context.config.params))
    }

    /// What shows the subject: runs of headers in ascending order, and the claim.
    pub fn proof(&self, subject: Subject) -> Result<(Vec<Run>, Claim), LightError> {
        match subject {
            Subject::Header(height) => Ok((vec![self.run(height, height)?], Claim::Header(height))),
            Subject::Transaction(hash) => {
                let (body, index) = self.transaction(&hash)?;
                let (height, tx) = (body.block.header.height, body.txs[index].to_vec());
                let path = path(&body.block.txs, index, "transaction")?;
                Ok((vec![self.run(height, height)?], Claim::Transaction { height, tx, path }))
            }
            Subject::Result(tx) => {
                let (body, index) = self.transaction(&tx)?;
                let height = body.block.header.height;
                let (by, outcome) = self.outcome(height)?;
                let Some(results) = self.chain.results(height)? else {
                    return missing(format!("the results of height {height} are not kept by this node"));
                };
                let leaves: Vec<Vec<u8>> = results.tx_results.iter().map(|one| one.results_leaf()).collect();
                let tx_path = path(&body.block.txs, index, "transaction")?;
                let path = path(&leaves, index, "result")?;
                let result = leaves[index].clone();
                let runs = match body.block.header.epoch == by.epoch {
                    true => vec![self.run(height, by.height)?],
                    false => vec![self.run(height, height)?, self.run(by.height, by.height)?],
                };
                Ok((runs, Claim::Result { tx, tx_path, result, path, outcome }))
            }
            Subject::State(height) => {
                let (by, outcome) = self.outcome(height)?;
                let (path, data, key) = (String::new(), Vec::new(), Vec::new());
                let (value, proof) = (Vec::new(), Vec::new());
                let claim = Claim::State { outcome, path, data, key, value, proof };
                Ok((vec![self.run(by.height, by.height)?], claim))
            }
        }
    }

    /// The headers of these heights, which are of one epoch, and further ones up to one that has a certificate.
    pub fn run(&self, from: Height, to: Height) -> Result<Run, LightError> {
        if from == Height(0) {
            return missing("the genesis block has no certificate: the genesis document shows it".into());
        }
        for above in to.0..=to.0.saturating_add(MAX_COVERED) {
            if let Some(certificate) = self.chain.certificate_at(Height(above))? {
                let headers = (from.0..=above).map(|height| self.header(Height(height)));
                return Ok(Run {
                    headers: headers.collect::<Result<_, _>>()?,
                    seal: Seal::from(&certificate),
                });
            }
        }
        missing(format!("no certificate that commits block {to} is kept by this node"))
    }

    /// The block of this height as an audit wants it, if it is here.
    pub fn link(&self, height: Height) -> Result<Option<Link>, LightError> {
        let Some(body) = self.chain.block(height)?.filter(|_| height > Height(0)) else { return Ok(None) };
        let proposals = self.chain.justifications(height, &body.block.hash())?;
        let (commit, votes) = (self.chain.certificate_at(height)?, self.chain.votes_at(height)?);
        Ok(Some(Link { header: body.block.header, commit, votes, proposals }))
    }

    /// The first header that vouches for what came of a height, and how it does.
    fn outcome(&self, height: Height) -> Result<(Header, Outcome), LightError> {
        let mut below = self.header(height)?.vouched.height;
        for above in 1..=MAX_BEHIND {
            let Some(body) = self.chain.block(Height(height.0.saturating_add(above)))? else { break };
            let header = body.block.header;
            let vouched = header.vouched.height;
            if vouched < height {
                below = vouched;
                continue;
            }
            if vouched.0 - below.0 > MAX_BEHIND {
                break;
            }
            let run: Vec<Execution> = (below.0 + 1..=vouched.0)
                .map(|height| {
                    let results = self.chain.results(Height(height))?;
                    let missing = || {
                        LightError::Missing(format!(
                            "the results of height {height} are not kept by this node"
                        ))
                    };
                    Ok(results.ok_or_else(missing)?.execution)
                })
                .collect::<Result<_, LightError>>()?;
            let Some(outcome) = Outcome::of(height, &run, &header) else {
                return missing(format!(
                    "header {} does not vouch for what this node executed",
                    header.height
                ));
            };
            return Ok((header, outcome));
        }
        missing(format!("no header vouches for height {height} yet: ask again after the next block"))
    }

    fn transaction(&self, hash: &TxHash) -> Result<(Body, usize), LightError> {
        let unknown =
            || LightError::Missing(format!("transaction {hash} is not in a block that this node keeps"));
        let location = self.chain.tx_location(hash)?.ok_or_else(unknown)?;
        let body = self.chain.block(location.height)?.ok_or_else(unknown)?;
        let index = location.index as usize;
        if body.txs.get(index).is_none() || body.block.txs.get(index) != Some(hash) {
            return Err(unknown());
        }
        Ok((body, index))
    }

    fn header(&self, height: Height) -> Result<Header, LightError> {
        match self.chain.block(height)? {
            Some(body) => Ok(body.block.header),
            None => missing(format!("block {height} is not kept by this node")),
        }
    }
}

fn path<T: AsRef<[u8]>>(leaves: &[T], index: usize, what: &str) -> Result<MerklePath, LightError> {
    let path = MerklePath::of(leaves, index);
    path.ok_or_else(|| LightError::Missing(format!("there is no {what} {index} in its block")))
}
