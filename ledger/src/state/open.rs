//! From the files to a state: the oldest height that is to be kept is built from what lies before it, the later ones are
//! replayed, and every root is compared with the one recorded.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Limits, State, Tree,
    arena::{Arena, Link},
    build::build,
    edit::{Edit, Spot},
    files::StateFiles,
    frame::entries,
    key::leaf_hash,
    log::{FrameAt, Log},
    scan::{Scan, scan},
    sweep::{Cursor, Emptied},
    tail::Tail,
    window::{Kept, Window},
};
use crate::AppError;

/// Opens the state in `files`.
pub(super) fn open(files: Arc<dyn StateFiles>, kept_heights: u64, limits: Limits) -> Result<State, AppError> {
    let log = Log::new(files);
    let Scan { frames, files } = scan(&log)?;
    let first_file = files.keys().next().copied().unwrap_or(1);
    let mut tree = Tree {
        arena: Arena::default(),
        window: Window::new(kept_heights),
        sequence: 0,
        files,
        first_file,
        live: 0,
        cursor: Cursor { file: first_file, offset: 0 },
        emptied: Emptied::default(),
        tail: Tail::default(),
        limits,
    };
    if let Some(newest) = frames.last() {
        tree.sequence = newest.header.sequence;
        tree.first_file = newest.header.first_file;
        let oldest = oldest_kept(&frames, kept_heights.max(1), newest.header.oldest);
        let before = frames.partition_point(|frame| frame.header.sequence <= oldest);
        let (base, later) = frames.split_at(before);
        tree.start_from(&log, base)?;
        for commit in later.chunk_by(|a, b| a.header.sequence == b.header.sequence) {
            tree.replay(&log, commit)?;
        }
    }
    Ok(State::new(log, tree))
}

/// The sequence number of the oldest commit to keep: of those before `oldest` the log need not have everything.
fn oldest_kept(frames: &[FrameAt], kept_heights: u64, oldest: u64) -> u64 {
    let newest = frames.last().map_or(0, |frame| frame.header.sequence);
    let whole = frames.partition_point(|frame| frame.header.version < oldest);
    let lowest = frames.get(whole).map_or(newest, |frame| frame.header.sequence);
    lowest.max((newest + 1).saturating_sub(kept_heights))
}

impl Tree {
    /// Builds the height of the last of `frames` from the newest record of each key in them.
    fn start_from(&mut self, log: &Log, frames: &[FrameAt]) -> Result<(), AppError> {
        let Some(last) = frames.last() else { return Ok(()) };
        let built = build(log, frames, &mut self.arena)?;
        if built.hash != last.header.root {
            return Err(last.damaged("the records do not have the root recorded at this height"));
        }
        self.live = built.live;
        self.window.push(Kept {
            version: last.header.version,
            root: built.root,
            hash: built.hash,
            replaced: Vec::new(),
        });
        Ok(())
    }

    /// Makes a commit of the log again.
    fn replay(&mut self, log: &Log, commit: &[FrameAt]) -> Result<(), AppError> {
        let bodies = commit
            .iter()
            .map(|frame| Ok((frame, log.sound_body(frame)?)))
            .collect::<Result<Vec<_>, AppError>>()?;
        let mut records = BTreeMap::new();
        for (frame, body) in &bodies {
            for entry in entries(body) {
                let (at, entry) = entry.ok_or_else(|| frame.damaged("a record in it cannot be read"))?;
                records.insert(entry.key, (frame.place(at, &entry), entry.value));
            }
        }
        let mut moves = Vec::new();
        let mut edit =
            Edit::new(&self.arena, log, &self.tail, self.window.newest().and_then(|kept| kept.root));
        for (key, (place, value)) in records {
            let spot = edit.locate(key)?;
            let hash = value.map(|value| leaf_hash(key, value));
            match (&spot, hash) {
                // The same value: a record that was copied forward.
                (Spot::Here { leaf, hash: same, place: former }, Some(hash)) if hash == *same => {
                    moves.push((*leaf, place));
                    debug_assert_eq!(former.len, place.len);
                }
                (_, Some(hash)) => {
                    if let Spot::Here { place: former, .. } = spot {
                        self.live -= u64::from(former.len);
                    }
                    self.live += u64::from(place.len);
                    edit.put(key, &spot, place, hash);
                }
                (Spot::Here { leaf, place: former, .. }, None) => {
                    self.live -= u64::from(former.len);
                    edit.remove(key, *leaf);
                }
                (_, None) => {}
            }
        }
        let new = edit.finish();
        let Some(last) = commit.last() else { return Ok(()) };
        if new.hash != last.header.root {
            return Err(last.damaged("the records do not have the root recorded at this height"));
        }
        for (leaf, place) in moves {
            self.arena.set_link(leaf, Link::Leaf(place));
        }
        let root = new.add_to(&mut self.arena);
        let (version, hash) = (last.header.version, new.hash);
        self.window.push(Kept { version, root, hash, replaced: new.replaced });
        self.window.retire(&mut self.arena, &BTreeMap::new());
        Ok(())
    }
}
