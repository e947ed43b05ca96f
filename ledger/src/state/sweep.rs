//! Garbage: the oldest records that are still the newest of their key are written again at the log's end, a few with each
//! commit; a file that has been gone through so far is removed when no kept height needs it any more.

use std::collections::VecDeque;

use super::{
    Staged, Tree,
    arena::{Link, NodeId},
    frame::{Frames, HEADER_BYTES, RECORD_BYTES, entries},
    key::bit,
    log::{Log, Place, damaged},
    records::Change,
};
use crate::AppError;

/// Up to where the log has been gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    pub(super) file: u32,
    pub(super) offset: u64,
}

/// What one commit copies forward.
#[derive(Default)]
pub(super) struct Sweep {
    /// Leaves, and where their records will lie.
    pub(super) moves: Vec<(NodeId, Place)>,
    /// Up to where the log will have been gone through.
    pub(super) cursor: Option<Cursor>,
}

/// Files that were gone through, each with the height that wrote its last live record anew.
#[derive(Default)]
pub(super) struct Emptied(VecDeque<(u32, u64)>);

impl Emptied {
    /// Notes that at `version` all files before `file` have been gone through.
    pub(super) fn gone_through(&mut self, before: u32, from: u32, version: u64) {
        self.0.extend((from..before).map(|file| (file, version)));
    }

    /// The first file that is still needed now that `oldest` is the oldest kept height; `None` if that is as it was.
    pub(super) fn retire(&mut self, oldest: u64) -> Option<u32> {
        let mut needed = None;
        while let Some((file, _)) = self.0.pop_front_if(|(_, version)| *version <= oldest) {
            needed = Some(file + 1);
        }
        needed
    }
}

impl Tree {
    /// Bytes of the log that have not been gone through.
    fn unswept(&self) -> u64 {
        let files: u64 = self.files.range(self.cursor.file..).map(|(_, len)| len).sum();
        files - self.cursor.offset
    }

    /// Copies records from the oldest frames into `frames`, if the log is too long: about three times as many bytes are
    /// gone through as `changes` has, so that the log shrinks even where all that is found still lives.
    pub(super) fn sweep(
        &self,
        log: &Log,
        changes: &[Change<'_>],
        frames: &mut Frames,
    ) -> Result<Sweep, AppError> {
        let mut sweep = Sweep::default();
        let written =
            |change: &Change<'_>| RECORD_BYTES + change.key.len() + change.value.map_or(0, <[u8]>::len);
        let fresh: usize = changes.iter().map(written).sum();
        let budget = 3 * (fresh + HEADER_BYTES) as u64;
        let limit = 2 * self.live + self.limits.slack_bytes;
        let mut gone = 0;
        while gone < budget && self.unswept() - gone > limit {
            let cursor = sweep.cursor.unwrap_or(self.cursor);
            let len = self.files.get(&cursor.file).copied().unwrap_or(0);
            if cursor.offset == len {
                // The file that is written to is not gone through: what it holds is new.
                if cursor.file == self.end_file() {
                    break;
                }
                sweep.cursor = Some(Cursor { file: cursor.file + 1, offset: 0 });
                continue;
            }
            let frame = log
                .frame(cursor.file, cursor.offset, len)?
                .ok_or_else(|| damaged(cursor.file, cursor.offset, "no frame begins here any more"))?;
            let body = log.sound_body(&frame)?;
            for entry in entries(&body) {
                let (offset, entry) = entry.ok_or_else(|| frame.damaged("a record in it cannot be read"))?;
                let place = frame.place(offset, &entry);
                // A record that is set to what it is already is not written anew by the change itself.
                let change = changes.binary_search_by(|change| change.key.cmp(entry.key));
                let stays = change.is_ok_and(|at| changes[at].value == entry.value) || change.is_err();
                if let Some(leaf) = self.leaf_at(entry.key, place)
                    && stays
                {
                    sweep.moves.push((leaf, frames.push(&entry)?));
                }
            }
            gone += frame.end() - cursor.offset;
            sweep.cursor = Some(Cursor { file: cursor.file, offset: frame.end() });
        }
        Ok(sweep)
    }

    /// The newest height's leaf of `key`, if its record lies at `place`.
    fn leaf_at(&self, key: &[u8], place: Place) -> Option<NodeId> {
        let mut at = self.window.newest()?.root?;
        loop {
            match self.arena.link(at) {
                Link::Inner { bit: n, left, right } => at = if bit(key, n) { right } else { left },
                Link::Leaf(found) => return (found == place).then_some(at),
            }
        }
    }

    /// Takes in what a commit copied forward.
    pub(super) fn swept(&mut self, staged: &Staged) {
        for &(leaf, place) in &staged.sweep.moves {
            self.arena.set_link(leaf, Link::Leaf(place));
        }
        if let Some(cursor) = staged.sweep.cursor {
            self.emptied.gone_through(cursor.file, self.cursor.file, staged.version);
            self.cursor = cursor;
        }
    }
}
