//! From the leaves that were read to the bytes of a witness.

use std::collections::BTreeSet;

use super::{CUT, EMPTY, Histories, INNER, LEAF, MAX_WITNESS_BYTES, VERSION};
use crate::{
    AppError,
    state::{
        key::bit,
        view::View,
        walk::{Nodes, Step},
    },
};

/// The view's tree with the leaves of `leaves` in it, and these histories.
pub(super) fn encode(
    view: &View<'_>,
    leaves: &BTreeSet<Vec<u8>>,
    histories: &Histories,
) -> Result<Vec<u8>, AppError> {
    let mut out = vec![VERSION];
    let reading = view.reading();
    let leaves: Vec<&[u8]> = leaves.iter().map(Vec::as_slice).collect();
    let mut ahead = Vec::new();
    match reading.root() {
        Some(root) => ahead.push((root, leaves.as_slice())),
        None => out.push(EMPTY),
    }
    while let Some((at, leaves)) = ahead.pop() {
        if leaves.is_empty() {
            out.push(CUT);
            out.extend_from_slice(reading.hash(at));
        } else {
            match reading.step(at)? {
                Step::Inner { bit: place, left, right } => {
                    out.push(INNER);
                    out.extend_from_slice(&place.to_be_bytes());
                    let (zeros, ones) = leaves.split_at(leaves.partition_point(|key| !bit(key, place)));
                    ahead.extend([(right, ones), (left, zeros)]);
                }
                Step::Leaf => {
                    let record = reading.record(at)?;
                    out.push(LEAF);
                    put_key(&mut out, record.key());
                    put_value(&mut out, record.value());
                }
            }
        }
        check_len(&out)?;
    }
    put_histories(&mut out, histories)?;
    check_len(&out)?;
    Ok(out)
}

fn put_histories(out: &mut Vec<u8>, histories: &Histories) -> Result<(), AppError> {
    out.extend_from_slice(&count(histories.len())?.to_be_bytes());
    for (key, history) in histories {
        put_key(out, key);
        out.extend_from_slice(&u32::try_from(history.limit).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(&count(history.values.len())?.to_be_bytes());
        history.values.iter().for_each(|value| put_value(out, value));
    }
    Ok(())
}

fn put_key(out: &mut Vec<u8>, key: &[u8]) {
    out.push(key.len() as u8);
    out.extend_from_slice(key);
}

fn put_value(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

fn count(n: usize) -> Result<u16, AppError> {
    u16::try_from(n).map_err(|_| too_long())
}

fn check_len(out: &[u8]) -> Result<(), AppError> {
    if out.len() <= MAX_WITNESS_BYTES { Ok(()) } else { Err(too_long()) }
}

fn too_long() -> AppError {
    AppError::Failed(
        "the answer reads more of the state than a witness can hold; ask for less at a time".to_owned(),
    )
}
