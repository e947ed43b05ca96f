//! What a start makes of the journal's files. A torn end is what a crash leaves; what has rotted is stepped over, copied beside the
//! journal and told of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::JournalError;
use super::book::Book;
use super::record::Record;
use super::segment::{Contents, Salt};
use super::writer::{Found, VERSION};
use crate::storage::sync_directory;

/// So many rotten segments are kept beside the journal.
const MAX_DAMAGED: usize = 16;

/// Reads all segments into the book, in their order.
pub(super) fn load(directory: &Path, damaged: &Path, book: &mut Book) -> Result<Found, JournalError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.and_then(|()| sync_directory(directory.parent().unwrap_or(directory)))
        .map_err(failed("make", directory))?;
    let segments = list(directory)?;
    let mut read: Vec<(u64, Contents, u64)> = Vec::new();
    let mut missing = Vec::new();
    for (number, (salt, path)) in &segments {
        let file = fs::read(path).map_err(failed("read", path))?;
        let mut before = None;
        let contents = salt.read(&file, |record| match record {
            Record::Opened { before: named } => before = named,
            other => book.load(other, *number),
        });
        book.loaded(*number, file.len() as u64);
        // The one before was longer when this one was begun.
        if let (Some((last, contents, _)), Some((named, bytes))) = (read.last_mut(), before) {
            if *last != named {
                // They go from the oldest on.
                missing.push(named);
            } else if contents.good < bytes {
                contents.lost.push(contents.good..bytes);
            }
        }
        read.push((*number, contents, file.len() as u64));
    }
    for (number, contents, bytes) in &read {
        let (_, path) = &segments[number];
        match contents.lost.iter().map(|range| range.end - range.start).sum::<u64>() {
            0 if contents.good < *bytes => {
                let torn = bytes - contents.good;
                tracing::info!(torn, path = %path.display(), "the end of a journal file was not wholly written, as after a crash");
            }
            0 => {}
            lost => set_aside(path, damaged, lost, *bytes)?,
        }
    }
    let newest = read.last().map(|(number, contents, _)| (*number, contents.good));
    let paths = segments.into_iter().map(|(number, (_, path))| (number, path)).collect();
    Ok(Found { paths, newest, missing })
}

/// The segments by number.
fn list(directory: &Path) -> Result<BTreeMap<u64, (Salt, PathBuf)>, JournalError> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        let path = entry.path();
        // What file systems put there is no file of a later version.
        if entry.file_name() == "lost+found" || entry.file_name().as_bytes().starts_with(b".") {
            continue;
        }
        let (number, salt) = numbered(&path).ok_or_else(|| JournalError::Format(path.clone()))?;
        segments.insert(number, (salt, path));
    }
    Ok(segments)
}

fn numbered(path: &Path) -> Option<(u64, Salt)> {
    let name = path.file_name()?.to_str()?.strip_suffix(VERSION)?.strip_suffix('.')?;
    let (number, salt) = name.split_once('-')?;
    Some((number.parse().ok()?, Salt(u64::from_str_radix(salt, 16).ok()?)))
}

/// Copies a rotten segment to where whoever wants to look into it finds it, once.
fn set_aside(path: &Path, damaged: &Path, lost: u64, bytes: u64) -> Result<(), JournalError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(damaged);
    made.map_err(failed("make", damaged))?;
    let copy = damaged.join(path.file_name().unwrap_or_default());
    let there = fs::read_dir(damaged).map_err(failed("list", damaged))?.count();
    if copy.exists() {
        return Ok(());
    }
    if there < MAX_DAMAGED {
        fs::copy(path, &copy).map_err(failed("copy", path))?;
    }
    tracing::error!(
        lost,
        bytes,
        path = %path.display(),
        copy = %copy.display(),
        "part of a journal file has rotted: transactions that this node acknowledged are unknown to it if no block has them; the others \
         are kept"
    );
    Ok(())
}

fn failed<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> JournalError + 'a {
    move |source| JournalError::Disk { what, path: path.to_owned(), source }
}
