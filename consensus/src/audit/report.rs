//! Two dossiers compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_crypto::BlockHash;

use super::contradiction::Pool;
use super::{Contradiction, Dossier, missing};
use crate::light::{Flaw, Trail};
use crate::{Epoch, Header, Height, Position, Power, QuorumCertificate, ValidatorSet};

/// One of two chains, where they part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The block that the other chain does not have: the first, or, if that is not known, the one that ends the epoch.
    pub height: Height,
    /// Its hash.
    pub block: BlockHash,
    /// What commits it, or a descendant.
    pub certificate: QuorumCertificate,
}

/// Two committed blocks of which neither is the other's ancestor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// On the first chain,
    pub first: Side,
    /// and on the second.
    pub second: Side,
    /// Whether these are the first blocks that differ: they have the same parent.
    pub from_here: bool,
}

/// What an audit has found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The epoch up to whose beginning both chains are the same.
    pub epoch: Epoch,
    /// Its validators, whose positions are named.
    pub set: Arc<ValidatorSet>,
    /// Where the chains part; none if nothing in the dossiers shows that they do.
    pub conflict: Option<Conflict>,
    /// The highest block that both have.
    pub agreed: Height,
    /// What convicts.
    pub proofs: Vec<Contradiction>,
    /// Whom it convicts.
    pub culprits: BTreeSet<Position>,
    /// Their power.
    pub power: Power,
    /// What the dossiers lack, and who may have it, where the culprits are not more than a third of the power.
    pub missing: Vec<String>,
}

impl Report {
    /// Whether the culprits are more than a third of the power: as many as a fork needs.
    pub fn is_complete(&self) -> bool {
        self.set.is_one_honest(self.power)
    }
}

/// One chain within the epoch in which they may part.
pub(super) struct Branch {
    pub(super) name: &'static str,
    pub(super) headers: BTreeMap<Height, Header>,
    pub(super) commits: BTreeMap<Height, QuorumCertificate>,
}

impl Branch {
    fn of(name: &'static str, dossier: &Dossier, trail: &Trail, at: usize) -> Result<Self, Flaw> {
        let (mut headers, mut commits) = (BTreeMap::new(), BTreeMap::new());
        for link in dossier.links.iter().filter(|link| link.header.epoch == trail.epoch()) {
            headers.insert(link.header.height, link.header.clone());
            let own = link.commit.iter().filter(|qc| qc.is_commit() && qc.block == link.header.hash());
            commits.extend(own.map(|qc| (link.header.height, qc.clone())));
        }
        if let Some(end) = dossier.ends.get(at) {
            trail.clone().pass(end).map_err(|flaw| Flaw::new(name, flaw.to_string()))?;
            let height = end.header.height;
            let held = headers.insert(height, end.header.clone());
            let above = headers.range(height.next()..).next().is_some();
            if above || held.is_some_and(|held| held != end.header) {
                return Err(Flaw::new(
                    name,
                    format!("its block {height} ends epoch {}, and its headers differ", trail.epoch()),
                ));
            }
            commits.insert(height, end.seal.certificate(trail.epoch(), end.header.hash()));
        }
        Ok(Self { name, headers, commits })
    }

    /// The block of this height, if a certificate at hand commits it or a descendant.
    pub(super) fn side(&self, height: Height, trail: &Trail) -> Option<Side> {
        let door = trail.door();
        let block = self.headers.get(&height)?.hash();
        let mut below: Option<BlockHash> = None;
        for (at, header) in self.headers.range(height..) {
            // All up to it must be at hand, or it may commit something else.
            if below.is_some_and(|below| below != header.parent) {
                return None;
            }
            let hash = header.hash();
            if let Some(qc) = self.commits.get(at).filter(|qc| qc.block == hash)
                && door.verify_quorum(qc).is_ok()
            {
                return Some(Side { height, block, certificate: qc.clone() });
            }
            below = Some(hash);
        }
        None
    }
}

/// Compares the chains of two dossiers that begin at this trail, which is at genesis; `more` are dossiers of other nodes, for what they
/// have kept. An error says which dossier is not that of a chain from this genesis.
pub fn audit(genesis: &Trail, first: &Dossier, second: &Dossier, more: &[&Dossier]) -> Result<Report, Flaw> {
    first.check_links("first chain")?;
    second.check_links("second chain")?;
    let mut trail = genesis.clone();
    let mut at = 0;
    let mut agreed = Height(0);
    while let (Some(one), Some(two)) = (first.ends.get(at), second.ends.get(at)) {
        if one.header != two.header {
            break;
        }
        trail.clone().pass(two).map_err(|flaw| Flaw::new("second chain", flaw.to_string()))?;
        trail.pass(one).map_err(|flaw| Flaw::new("first chain", flaw.to_string()))?;
        (agreed, at) = (one.header.height, at + 1);
    }
    let branches =
        [Branch::of("first chain", first, &trail, at)?, Branch::of("second chain", second, &trail, at)?];
    let [one, two] = &branches;
    // Of equal headers all below them are equal.
    let shared = one.headers.iter().filter(|(height, header)| two.headers.get(height) == Some(header));
    agreed = agreed.max(shared.map(|(height, _)| *height).max().unwrap_or_default());
    let conflict = find(one, two, &trail);
    let all = || [first, second].into_iter().chain(more.iter().copied());
    let pool = gather(&trail, all(), &branches);
    let (mut proofs, mut missing) = (Vec::new(), missing::to_compare(one, two, conflict.as_ref(), &trail));
    if let Some(conflict) = &conflict {
        let lower = conflict.first.certificate.view.min(conflict.second.certificate.view);
        proofs = pool.contradictions(&trail.door(), lower);
    }
    let culprits: BTreeSet<Position> =
        proofs.iter().flat_map(|proof| proof.members.iter().copied()).collect();
    let set = trail.set().clone();
    let power = set.power_of(culprits.iter().copied());
    if set.is_one_honest(power) {
        missing.clear();
    } else if let Some(conflict) = &conflict {
        missing.extend(missing::to_convict(&branches, conflict, &pool, all()));
    }
    Ok(Report { epoch: trail.epoch(), set, conflict, agreed, proofs, culprits, power, missing })
}

/// Two committed blocks of one height; or two ends of the epoch, of which neither can be the other's ancestor.
fn find(one: &Branch, two: &Branch, trail: &Trail) -> Option<Conflict> {
    let differs =
        |(height, header): &(&Height, &Header)| two.headers.get(height).is_some_and(|other| other != *header);
    let parted = one.headers.iter().find(differs).and_then(|(height, header)| {
        let (first, second) = (one.side(*height, trail)?, two.side(*height, trail)?);
        Some(Conflict { first, second, from_here: two.headers.get(height)?.parent == header.parent })
    });
    let end = |branch: &Branch| {
        let (height, _) = branch.headers.iter().next_back().filter(|(_, header)| trail.ends(header))?;
        branch.side(*height, trail)
    };
    let ends = || {
        let (first, second) = (end(one)?, end(two)?);
        (first.block != second.block).then_some(Conflict { first, second, from_here: false })
    };
    parted.or_else(ends)
}

/// All that was signed in the epoch.
fn gather<'a>(trail: &Trail, dossiers: impl Iterator<Item = &'a Dossier>, branches: &[Branch]) -> Pool {
    let mut pool = Pool::default();
    for branch in branches {
        branch.headers.values().for_each(|header| pool.header(header));
        branch.commits.values().for_each(|qc| pool.quorum(qc));
    }
    let links = dossiers.flat_map(|dossier| &dossier.links);
    for link in links.filter(|link| link.header.epoch == trail.epoch()) {
        pool.header(&link.header);
        link.commit.iter().chain(&link.votes).for_each(|qc| pool.quorum(qc));
        for proposal in &link.proposals {
            proposal.justify.iter().for_each(|qc| pool.quorum(qc));
            proposal.tc.iter().for_each(|tc| pool.timeout(tc));
        }
    }
    pool
}
