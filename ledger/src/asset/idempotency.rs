//! Idempotency keys: of a sender's transactions with the same key one alone succeeds within a window of heights.

use super::{
    Address, Code,
    draft::{Block, Draft, Step},
    record::{AtHeight, Mark},
};
use crate::AppError;

/// Keys that one block forgets at most; what is beyond waits for the next. Each block's keys come to their end in one block, and no
/// chain may have so many transactions in a block: so nothing is left over that could grow.
const MAX_FORGOTTEN: usize = 32_768;

fn key(sender: &Address, idempotency_key: &[u8]) -> Vec<u8> {
    [b"i/", sender.as_bytes().as_slice(), idempotency_key].concat()
}

/// An idempotency key as people read it: in quotes where it is printable ASCII, else in hexadecimal digits.
pub fn idempotency_key_text(idempotency_key: &[u8]) -> String {
    match str::from_utf8(idempotency_key) {
        Ok(text) if text.bytes().all(|c| c == b' ' || c.is_ascii_graphic()) => format!("{text:?}"),
        _ => hex::encode(idempotency_key),
    }
}

const ENDS: &[u8] = b"x/";

fn end_key(last_height: u64, sender: &Address, idempotency_key: &[u8]) -> Vec<u8> {
    [ENDS, &last_height.to_be_bytes(), sender.as_bytes(), idempotency_key].concat()
}

/// That the sender had no success with this key within the window.
pub(super) fn expect_unused(draft: &mut Draft<'_, '_>, idempotency_key: &[u8]) -> Step {
    let key = key(&draft.sender, idempotency_key);
    match draft.read(&key)? {
        // It may be there a little longer than it holds.
        Some(AtHeight(last)) if draft.height() <= last => {
            let log = format!(
                "a transaction with idempotency key {} has succeeded; the key is free again after height {last}",
                idempotency_key_text(idempotency_key)
            );
            Err(Code::DuplicateIdempotencyKey.refusal(log).into())
        }
        _ => Ok(()),
    }
}

/// Notes the success of a transaction with this key.
pub(super) fn note(draft: &mut Draft<'_, '_>, idempotency_key: &[u8]) -> Step {
    let key = key(&draft.sender, idempotency_key);
    if let Some(AtHeight(before)) = draft.read(&key)? {
        draft.remove(end_key(before, &draft.sender, idempotency_key));
    }
    let last = draft.height().saturating_add(draft.parameters().idempotency_window);
    draft.write(key, &AtHeight(last));
    draft.write(end_key(last, &draft.sender, idempotency_key), &Mark);
    Ok(())
}

/// Removes the keys whose window is over; the first thing in a block.
pub(super) fn forget(block: &mut Block<'_>) -> Result<(), AppError> {
    let height = block.height.to_be_bytes();
    let over = block.committed_keys(ENDS, &[ENDS, &height].concat(), MAX_FORGOTTEN)?;
    for end in over {
        let named = end.get(ENDS.len() + height.len()..).unwrap_or_default();
        block.remove(&[b"i/", named].concat());
        block.remove(&end);
    }
    Ok(())
}
