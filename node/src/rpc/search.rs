//! Searches of the index: `tx_search`, `block_search`.
//!
//! A search takes turns with other reads, some milliseconds each. Its answer is the whole page and the true count, or an error: a search that
//! would be too much work or take too long is told how to narrow itself.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use althing_consensus::Height;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Context, RpcError, blocks, params::Params, transactions};
use crate::handle::NodeHandle;
use crate::query::Query;
use crate::search::{Direction, Search, SearchError};
use crate::storage::{ChainStore, TxLocation};

/// Searches under way at once.
pub(super) const MAX_SEARCHES: usize = 8;
/// How long a search may take, its turns and those of others together.
const MAX_TIME: Duration = Duration::from_secs(10);
/// What the answers of a page may come to, as JSON.
const MAX_PAGE_BYTES: usize = 8 << 20;
/// When to try again if too many search.
const RETRY: Duration = Duration::from_secs(1);

/// Begins a search on a chain up to this height, of this query, in this direction, for this page.
type Begin = fn(&ChainStore, &Query, Height, Direction, Range<u64>) -> Result<Search, SearchError>;

/// The transactions that meet a query.
pub(crate) async fn tx_search(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let prove = params.flag("prove")?;
    let (found, total) = search(context, params, Direction::Ascending, Search::txs).await?;
    let txs = page(context, found, move |node, at| transactions::shown(node, at, prove)).await?;
    Ok(json!({ "txs": txs, "total_count": total.to_string() }))
}

/// The blocks whose own events meet a query.
pub(crate) async fn block_search(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (found, total) = search(context, params, Direction::Descending, Search::blocks).await?;
    let blocks =
        page(context, found, |node, at| blocks::shown(node, &blocks::kept(node, at.height)?)).await?;
    Ok(json!({ "blocks": blocks, "total_count": total.to_string() }))
}

/// What is on the page that is asked for, and how many there are in all.
async fn search(
    context: &Arc<Context>,
    params: &Params,
    usual: Direction,
    begin: Begin,
) -> Result<(Vec<TxLocation>, u64), RpcError> {
    let query = Query::parse(&params.text("query")?).map_err(|error| {
        RpcError::params(format!(
            "query: {error}; {}",
            "for example: tx.height > 5 AND transfer.sender = 'x'"
        ))
    })?;
    let direction = match params.text("order_by")?.as_str() {
        "asc" => Direction::Ascending,
        "desc" => Direction::Descending,
        "" => usual,
        _ => return Err(RpcError::params("order_by: expected asc, desc or nothing")),
    };
    // Whether there is such a page shows when all are counted.
    let (first, count) = params.paging(u64::MAX)?;
    let Ok(_turn) = context.searches.try_acquire() else {
        return Err(RpcError::busy(RETRY, format!("{MAX_SEARCHES} searches are under way")));
    };
    let run = async {
        let mut search = context
            .read(move |node| {
                let newest = *node.executed().borrow();
                let page = first..first.saturating_add(count);
                Ok(begin(node.chain(), &query, newest, direction, page)?)
            })
            .await?;
        loop {
            let (after, done) = context
                .read(move |node| {
                    let done = search.step(node.chain())?;
                    Ok((search, done))
                })
                .await?;
            search = after;
            if done {
                return Ok(search);
            }
        }
    };
    let search = timeout(MAX_TIME, run).await.unwrap_or_else(|_| {
        let seconds = MAX_TIME.as_secs();
        Err(RpcError::internal(format!(
            "the search took longer than {seconds} s: narrow the query with bounds of the height (tx.height, block.height)"
        )))
    })?;
    params.paging(search.total())?;
    Ok((search.found().to_vec(), search.total()))
}

/// What was found, each as it is shown, read in its own turn.
async fn page(
    context: &Arc<Context>,
    found: Vec<TxLocation>,
    show: impl Fn(&NodeHandle, TxLocation) -> Result<Value, RpcError> + Copy + Send + 'static,
) -> Result<Vec<Value>, RpcError> {
    let (mut shown, mut bytes) = (Vec::with_capacity(found.len()), 0);
    for at in found {
        let (value, len) = context
            .read(move |node| {
                let value = show(node, at)?;
                let len = value.to_string().len();
                Ok((value, len))
            })
            .await?;
        bytes += len;
        if bytes > MAX_PAGE_BYTES && !shown.is_empty() {
            let held = shown.len();
            return Err(RpcError::internal(format!(
                "the page has more than {MAX_PAGE_BYTES} bytes: ask for at most {held} at once, with per_page"
            )));
        }
        shown.push(value);
    }
    Ok(shown)
}

impl From<SearchError> for RpcError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Store(error) => error.into(),
            other => Self::internal(other),
        }
    }
}
