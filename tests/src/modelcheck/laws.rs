//! What must hold of everything signed, as PROTOCOL.md argues in "Why it is safe".

use althing_consensus::Epoch;

use super::blocks::Catalogue;
use super::possible::Possible;

/// A law: whether it holds.
pub(super) type Law = fn(&Catalogue, &Possible) -> bool;

pub(super) const AGREEMENT: &str = "agreement";
pub(super) const ONE_QC: &str = "one QC per view";
pub(super) const EXTENDS: &str = "certified blocks extend committed ones";
pub(super) const NAMES: &str = "TCs name committed views";
pub(super) const CHILDLESS: &str = "blocks that end an epoch have no children in it";
pub(super) const OPENED: &str = "epochs begin on committed blocks";

/// All of them, with their names.
pub(super) const ALL: [(&str, Law); 6] = [
    (AGREEMENT, agreement),
    (ONE_QC, one_qc_per_view),
    (EXTENDS, certified_extend_committed),
    (NAMES, tcs_name_committed),
    (CHILDLESS, ends_have_no_children),
    (OPENED, epochs_open_on_committed),
];

/// Of two committed blocks one extends the other.
pub(super) fn agreement(blocks: &Catalogue, possible: &Possible) -> bool {
    let extends = |at: usize, of: usize| blocks.extends(at, of);
    let committed = || blocks.of(possible.committed).map(|(at, _)| at);
    committed().all(|one| committed().all(|other| extends(one, other) || extends(other, one)))
}

/// At most one block of a view is certified.
pub(super) fn one_qc_per_view(blocks: &Catalogue, possible: &Possible) -> bool {
    let mut views: Vec<u64> = blocks.of(possible.certified).map(|(_, known)| known.view).collect();
    let certified = views.len();
    views.sort_unstable();
    views.dedup();
    views.len() == certified
}

/// A certified block of a committed view or a later one extends the committed block.
pub(super) fn certified_extend_committed(blocks: &Catalogue, possible: &Possible) -> bool {
    blocks.of(possible.committed).all(|(at, committed)| {
        blocks
            .of(possible.certified)
            .all(|(one, known)| known.view < committed.view || blocks.extends(one, at))
    })
}

/// No TC of a committed view or a later one hides it.
pub(super) fn tcs_name_committed(blocks: &Catalogue, possible: &Possible) -> bool {
    blocks.of(possible.committed).all(|(_, committed)| {
        let later = possible.lowest.iter().skip(committed.view as usize - 1);
        later.flatten().all(|lowest| *lowest >= committed.view)
    })
}

/// N1: no certified block of an epoch stands on one that ends it, but that one again.
pub(super) fn ends_have_no_children(blocks: &Catalogue, possible: &Possible) -> bool {
    blocks.of(possible.certified).all(|(at, known)| {
        let parent = known.parent.map(|parent| blocks.get(parent));
        parent.is_none_or(|parent| known.first != at || !parent.ends || parent.epoch != known.epoch)
    })
}

/// N2: whoever votes in the second epoch has seen the first one end, where it did.
pub(super) fn epochs_open_on_committed(blocks: &Catalogue, possible: &Possible) -> bool {
    blocks.of(possible.voted).filter(|(_, known)| known.epoch > Epoch(1)).all(|(at, _)| {
        blocks.of(possible.committed).any(|(end, known)| known.ends && blocks.extends(at, end))
    })
}
