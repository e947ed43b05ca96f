//! What dossiers lack, and who may have it.

use std::collections::{BTreeMap, BTreeSet};

use althing_crypto::BlockHash;

use super::contradiction::Pool;
use super::report::{Branch, Conflict, Side};
use super::{Dossier, Justification};
use crate::light::Trail;
use crate::{Header, Height, Phase, Position, View};

/// What it takes to say where the chains part.
pub(super) fn to_compare(
    one: &Branch,
    two: &Branch,
    conflict: Option<&Conflict>,
    trail: &Trail,
) -> Vec<String> {
    let span = |from: u64, to: u64| {
        format!(
            "the headers of heights {from} to {to} on both chains: export both again with --from {from} --to {to}"
        )
    };
    let opened = trail.opened_at().0;
    match conflict {
        Some(conflict) if conflict.from_here => Vec::new(),
        Some(Conflict { first, second, .. }) => vec![span(opened + 1, first.height.min(second.height).0)],
        None => {
            let parted = one
                .headers
                .iter()
                .find(|(height, header)| two.headers.get(height).is_some_and(|other| other != *header));
            let uncommitted = |branch: &Branch, height: &Height| match branch.side(*height, trail) {
                Some(_) => None,
                None => Some(format!(
                    "{}: a certificate that commits its block {height}: export it again up to a greater height",
                    branch.name
                )),
            };
            if let Some((height, _)) = parted {
                return [one, two].into_iter().filter_map(|branch| uncommitted(branch, height)).collect();
            }
            let shared = one.headers.keys().any(|height| two.headers.contains_key(height));
            let top = |branch: &Branch| branch.headers.keys().next_back().map_or(opened, |height| height.0);
            let (low, high) = (opened + 1, top(one).min(top(two)));
            if shared || low > high { Vec::new() } else { vec![span(low, high)] }
        }
    }
}

/// What it takes to name more than a third, where two chains are known to part at one height: see the parent module.
pub(super) fn to_convict<'a>(
    branches: &[Branch; 2],
    conflict: &Conflict,
    pool: &Pool,
    dossiers: impl Iterator<Item = &'a Dossier>,
) -> Vec<String> {
    if !conflict.from_here {
        return Vec::new();
    }
    let Conflict { first, second, .. } = conflict;
    let (low, high, branch) = match first.certificate.view <= second.certificate.view {
        true => (first, second, &branches[1]),
        false => (second, first, &branches[0]),
    };
    let view = low.certificate.view;
    let Some((block, certified)) = first_certified(branch, high, view) else { return Vec::new() };
    let proposals = proposals(dossiers);
    let mut at = certified;
    while at > view {
        let Some(found) = proposals.get(&(block.hash(), at)) else {
            return vec![format!(
                "by which certificates block {} of height {} could be proposed in view {at}: kept by those who voted for it, {}",
                block.hash(),
                block.height,
                names(&pool.signers(Phase::Vote, at, block.hash()))
            )];
        };
        match found.justify_view() {
            // An epoch-ending block that came again.
            before if before >= view && before < at => at = before,
            _ => {
                return vec![format!(
                    "the timeout certificate of view {} with which block {} of height {} was proposed in view {at}: the dossiers hold none that \
                     verifies",
                    at.0.saturating_sub(1),
                    block.hash(),
                    block.height
                )];
            }
        }
    }
    let lacks = |block: BlockHash| !pool.has(Phase::Vote, view, block);
    let wanted = |block: BlockHash, who: String| {
        lacks(block)
            .then(|| format!("the certificate of votes of view {view} for block {block}: held by {who}"))
    };
    let commit_voted = pool.signers(Phase::Commit, view, low.certificate.block);
    let low_wanted =
        wanted(low.certificate.block, format!("those who commit-voted for it, {}", names(&commit_voted)));
    let high_wanted = wanted(block.hash(), "those who voted for a child of it".to_owned());
    low_wanted.into_iter().chain(high_wanted).collect()
}

/// Of the blocks up to the committed one the first that was certified in this view or a later one, and in which.
fn first_certified<'a>(branch: &'a Branch, side: &Side, view: View) -> Option<(&'a Header, View)> {
    let mut above = branch.headers.range(side.height..).map(|(_, header)| header).peekable();
    while let Some(header) = above.next() {
        let last = header.hash() == side.certificate.block;
        let certified = match above.peek() {
            Some(child) if !last => child.justify_view,
            _ => side.certificate.view,
        };
        if certified >= view {
            return Some((header, certified));
        }
        if last {
            break;
        }
    }
    None
}

fn proposals<'a>(
    dossiers: impl Iterator<Item = &'a Dossier>,
) -> BTreeMap<(BlockHash, View), &'a Justification> {
    let links = dossiers.flat_map(|dossier| &dossier.links);
    let all = links.flat_map(|link| link.proposals.iter().map(|one| ((link.header.hash(), one.view), one)));
    all.collect()
}

fn names(members: &BTreeSet<Position>) -> String {
    if members.is_empty() {
        return "whoever these are".to_owned();
    }
    let numbers: Vec<String> = members.iter().map(ToString::to_string).collect();
    format!("validators {} of the epoch, counted from 0", numbers.join(", "))
}
