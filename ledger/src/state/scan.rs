//! What the files hold: their frames in order, without what a crash cut short.

use std::collections::BTreeMap;

use super::{
    frame::{HEADER_BYTES, Header},
    log::{FrameAt, Log, damaged, failed},
};
use crate::AppError;

/// The log as it is found.
pub(super) struct Scan {
    /// All frames of all commits, in order, from the first file that is needed on.
    pub(super) frames: Vec<FrameAt>,
    /// The lengths of the files needed.
    pub(super) files: BTreeMap<u32, u64>,
}

/// Reads the headers of all frames, cuts off a commit that is not whole at the very end, and removes files that the
/// newest commit says are needed no more.
pub(super) fn scan(log: &Log) -> Result<Scan, AppError> {
    let mut files = BTreeMap::new();
    for file in log.files.list().map_err(failed)? {
        files.insert(file, log.files.len(file).map_err(failed)?);
    }
    let mut frames: Vec<FrameAt> = Vec::new();
    for (&file, &len) in &files {
        let mut at = 0;
        while let Some(frame) = log.frame(file, at, len)? {
            at = frame.end();
            frames.push(frame);
        }
        if at < len && Some(&file) != files.keys().next_back() {
            return Err(damaged(file, at, "no frame begins here, though later files follow"));
        }
    }
    cut(log, &mut frames, &mut files)?;
    if let Some(&newest) = files.keys().next_back() {
        // What a killed process wrote last may not be durable yet. The next commit may go to another file.
        log.files.sync(newest).map_err(failed)?;
    }
    if let Some(newest) = frames.last().map(|frame| frame.header.clone()) {
        let needed = files.split_off(&newest.first_file);
        for file in std::mem::replace(&mut files, needed).into_keys() {
            log.files.remove(file).map_err(failed)?;
        }
        frames.retain(|frame| frame.file >= newest.first_file);
        check_order(&frames, &newest, &files)?;
    }
    Ok(Scan { frames, files })
}

/// Cuts the last file behind the last whole commit, if what is there can be one that was never acknowledged.
fn cut(log: &Log, frames: &mut Vec<FrameAt>, files: &mut BTreeMap<u32, u64>) -> Result<(), AppError> {
    let Some((&file, &len)) = files.last_key_value() else { return Ok(()) };
    let end = |frames: &[FrameAt]| frames.last().filter(|last| last.file == file).map_or(0, FrameAt::end);
    let tail_at = end(frames);
    while frames.pop_if(|frame| !frame.header.last).is_some() {}
    if let Some(last) = frames.last().cloned()
        && (last.file, end(frames)) == (file, len)
    {
        // Nothing follows the last commit, so it may be the one that was being written.
        let first = frames.partition_point(|frame| frame.header.sequence < last.header.sequence);
        for frame in &frames[first..] {
            if log.body(frame)?.is_none() {
                frames.truncate(first);
                break;
            }
        }
    }
    let keep = end(frames);
    if keep < len {
        // One commit is written at a time: had a later one begun, what is unreadable here was durable once.
        let next = frames.last().map_or(1, |frame| frame.header.sequence + 1);
        let unread = unreadable(log, file, keep, len)?;
        if Header::any_behind(next, &log.rest(file, unread, len)?) {
            return Err(damaged(file, tail_at, "no frame can be read here, though later commits follow"));
        }
        log.files.truncate(file, keep).map_err(failed)?;
        files.insert(file, keep);
    }
    Ok(())
}

/// The first place from `at` on where a header should be and none can be read. What stands in frames before it are records,
/// which may hold anything, also what looks like a header.
fn unreadable(log: &Log, file: u32, mut at: u64, len: u64) -> Result<u64, AppError> {
    while at + HEADER_BYTES as u64 <= len
        && let Some(frame) = log.frame(file, at, u64::MAX)?
    {
        at = frame.end();
    }
    Ok(at.min(len))
}

fn check_order(frames: &[FrameAt], newest: &Header, files: &BTreeMap<u32, u64>) -> Result<(), AppError> {
    for (missing, &file) in (newest.first_file..).zip(files.keys()) {
        if file != missing {
            return Err(damaged(missing, 0, "the file is missing"));
        }
    }
    for pair in frames.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        let (a, b) = (&before.header, &after.header);
        let follows = if a.last {
            b.sequence == a.sequence + 1 && b.version > a.version
        } else {
            b.sequence == a.sequence && b.version == a.version
        };
        if !follows {
            return Err(after.damaged("the frame does not continue the one before it"));
        }
    }
    Ok(())
}
