//! `althing_events`: all events of the chain, one after the other, from a cursor on. They are read from the stored blocks and results:
//! whoever keeps the cursor misses none and sees none twice, whatever happens to the connection or the node.
//!
//! A cursor is a place between events, `height.part.event`: the parts of a block are its transactions in their order, and last the block
//! as a whole.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use althing_consensus::Height;
use althing_ledger::Event;
use serde_json::{Value, json};
use tokio::time::timeout_at;

use super::{
    Context, RpcError, blocks,
    context::stored,
    json::{self, hex},
    params::Params,
    waits,
};
use crate::handle::NodeHandle;
use crate::query::{BLOCK_HEIGHT, Query, TM_EVENT, TX_HASH, TX_HEIGHT, TX_SENDER, attributes};

/// Events in one answer: by default, and at most.
const LIMIT: (u64, u64) = (100, 1_000);
/// Bytes of the events in one answer, beyond one event.
const MAX_BYTES: usize = 2 << 20;
/// A read is interrupted after so long: others want the disk, too.
const SLICE: Duration = Duration::from_millis(20);
/// So long is looked for events that meet a query before the client is told how far that came.
const SEARCH: Duration = Duration::from_secs(2);
/// What a further read costs the client.
const SLICE_COST: u32 = 10;

/// A place in the stream: before this event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    height: Height,
    part: u32,
    event: u32,
}

impl Cursor {
    /// Before all of a block.
    fn of(height: Height) -> Self {
        Self { height, part: 0, event: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.height, self.part, self.event)
    }
}

impl FromStr for Cursor {
    type Err = RpcError;

    fn from_str(text: &str) -> Result<Self, RpcError> {
        let read = || {
            let mut parts = text.splitn(3, '.');
            let height = Height(parts.next()?.parse().ok()?);
            let part = parts.next()?.parse().ok()?;
            let event = parts.next()?.parse().ok()?;
            Some(Self { height: height.max(Height(1)), part, event })
        };
        read().ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            RpcError::params(format!(
                "cursor: {shown:?} is none; take it from an answer, or begin with \"1.0.0\""
            ))
        })
    }
}

/// Some events, and where to go on.
struct Page {
    events: Vec<Value>,
    next: Cursor,
    /// Whether there are stored blocks that were not looked through.
    more: bool,
}

/// Events from a cursor on; waits for one if there is none.
pub(crate) async fn events(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (caller, text) = (params.asked_by(), params.text("query")?);
    let query = match text.as_str() {
        "" => None,
        text => {
            Some(Arc::new(Query::parse(text).map_err(|error| RpcError::params(format!("query: {error}")))?))
        }
    };
    let limit = params.number("limit")?.unwrap_or(LIMIT.0).clamp(1, LIMIT.1) as usize;
    let wait = waits::wait(params, 0)?;
    let (mut executed, newest) = (context.node.executed(), *context.node.executed().borrow());
    let mut cursor = match params.text("cursor")?.as_str() {
        "" => Cursor::of(newest.next()),
        text => text.parse()?,
    };
    if cursor.height > newest.next() {
        return Err(RpcError::internal(format!(
            "cursor {cursor} must be less than or equal to the one behind the current blockchain height {newest}"
        )));
    }
    let _place = if wait.is_zero() { None } else { Some(caller.wait()?) };
    let until = tokio::time::Instant::now() + wait;
    let patience = Instant::now() + wait.max(SEARCH);
    let found = loop {
        executed.borrow_and_update();
        let asked = query.clone();
        let page = context.show(caller, move |node| read(node, cursor, asked.as_deref(), limit)).await?;
        cursor = page.next;
        if !page.events.is_empty() {
            break page.events;
        }
        let over = if page.more {
            // Who cannot pay for more is told how far it came.
            Instant::now() >= patience || caller.spend(SLICE_COST).is_err()
        } else {
            caller.rest();
            tokio::select! {
                changed = timeout_at(until, executed.changed()) => !matches!(changed, Ok(Ok(()))),
                () = caller.gone() => true,
            }
        };
        if over {
            break page.events;
        }
    };
    let newest = *context.node.executed().borrow();
    Ok(json!({ "events": found, "cursor": cursor.to_string(), "latest_height": newest.to_string() }))
}

/// What a slice of the stream holds.
fn read(node: &NodeHandle, from: Cursor, query: Option<&Query>, limit: usize) -> Result<Page, RpcError> {
    let (newest, began) = (*node.executed().borrow(), Instant::now());
    let mut page = Page { events: Vec::new(), next: from, more: false };
    let mut bytes = 0;
    while page.next.height <= newest {
        let (height, first) = (page.next.height, page.next);
        if page.next > from && began.elapsed() > SLICE {
            page.more = true;
            return Ok(page);
        }
        let body = blocks::kept(node, height)?;
        let results = stored(node.chain().results(height), "result", height)?;
        let txs = body.block.txs.iter().zip(&body.txs).map(Some);
        let txs = txs.zip(results.tx_results.iter().map(|result| &result.events));
        let parts = (0u32..).zip(txs.chain([(None, &results.events)]));
        for (part, (tx, events)) in parts.skip(first.part as usize) {
            let hash = tx.map(|(hash, _)| hex(hash));
            let sender = || tx.and_then(|(_, bytes)| node.application().sender(bytes));
            if query.is_some_and(|query| !meets(query, height, hash.as_deref(), sender(), events)) {
                continue;
            }
            let skipped = if part == first.part { first.event as usize } else { 0 };
            for (number, event) in (0u32..).zip(events).skip(skipped) {
                if page.events.len() >= limit || bytes > MAX_BYTES {
                    page.next = Cursor { height, part, event: number };
                    page.more = true;
                    return Ok(page);
                }
                let behind = Cursor { height, part, event: number + 1 };
                page.events.push(shown(event, behind, hash.as_deref()));
                bytes += size(event);
            }
        }
        page.next = Cursor::of(height.next());
    }
    Ok(page)
}

/// Whether the events of a part meet a query, with what is known of the part besides.
fn meets(
    query: &Query,
    height: Height,
    hash: Option<&str>,
    sender: Option<String>,
    events: &[Event],
) -> bool {
    let height = height.to_string();
    let mut all: Vec<(String, &str)> = attributes(events).collect();
    let mut own = match hash {
        Some(hash) => vec![(TM_EVENT, "Tx"), (TX_HASH, hash), (TX_HEIGHT, &height)],
        None => vec![(TM_EVENT, "NewBlockEvents"), (BLOCK_HEIGHT, &height)],
    };
    own.extend(sender.as_deref().map(|sender| (TX_SENDER, sender)));
    all.extend(own.into_iter().map(|(key, value)| (key.to_owned(), value)));
    query.matches(&all)
}

fn shown(event: &Event, behind: Cursor, hash: Option<&str>) -> Value {
    let mut shown = json::event(event);
    shown["cursor"] = behind.to_string().into();
    shown["height"] = behind.height.to_string().into();
    shown["tx_index"] = hash.map(|_| behind.part).into();
    shown["hash"] = hash.into();
    shown
}

fn size(event: &Event) -> usize {
    let attributes = event.attributes.iter().map(|one| one.key.len() + one.value.len() + 64);
    event.kind.len() + 256 + attributes.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor = Cursor { height: Height(12), part: 3, event: 4 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!("0.0.0".parse(), Ok(Cursor::of(Height(1))));
        for text in
            ["", "12", "1.2", "1.2.3.4", "-1.0.0", "1.4294967296.0", "1. 0.0", "18446744073709551616.0.0"]
        {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
