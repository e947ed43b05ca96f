//! Searches of the index: `tx_search`, `block_search`.
//!
//! A search takes turns with other reads, some milliseconds each. Its answer is the whole page and the true count, or an error: a search that
//! would be too much work or take too long is told how to narrow itself.

use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use althing_consensus::Height;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Context, RpcError, blocks, caller::Caller, params::Params, transactions, who::Who};
use crate::handle::NodeHandle;
use crate::query::Query;
use crate::search::{Direction, Search, SearchError};
use crate::storage::{ChainStore, TxLocation};

/// Searches under way at once, and of one client. Each may take seconds.
const MAX_SEARCHES: (usize, usize) = (8, 2);
/// How long a search may take, its turns and those of others together.
const MAX_TIME: Duration = Duration::from_secs(10);
/// What the answers of a page may come to, as JSON.
const MAX_PAGE_BYTES: usize = 8 << 20;
/// Pages that there can be.
const PAGES: RangeInclusive<u64> = 1..=1_000_000_000;
/// When to try again if too many search.
const RETRY: Duration = Duration::from_secs(1);

/// Begins a search on a chain up to this height, of this query, in this direction, for this page.
type Begin = fn(&ChainStore, &Query, Height, Direction, Range<u64>) -> Result<Search, SearchError>;

/// Who searches, each client as often as it does.
#[derive(Debug, Default)]
pub(super) struct Searches(Mutex<Vec<Who>>);

/// A search under way.
struct Searching<'a>(&'a Searches, &'a Who);

impl Searches {
    fn begin<'a>(searches: &'a Self, who: &'a Who) -> Result<Searching<'a>, RpcError> {
        let mut under_way = searches.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (under_way.len(), under_way.iter().filter(|one| *one == who).count());
        // As of all that is shared: never more than is still free.
        if own >= MAX_SEARCHES.1 || all + own + 1 > MAX_SEARCHES.0 {
            let reason = format!("{all} searches are under way, {own} of them yours");
            return Err(RpcError::busy(RETRY, reason));
        }
        under_way.push(who.clone());
        Ok(Searching(searches, who))
    }
}

#[cfg(test)]
impl Searches {
    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Searching<'_> {
    fn drop(&mut self) {
        let mut under_way = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = under_way.iter().position(|one| one == self.1) {
            under_way.swap_remove(own);
        }
    }
}

/// The transactions that meet a query.
pub(crate) async fn tx_search(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let prove = params.flag("prove")?;
    let show =
        move |node: &NodeHandle, height, places: &[u32]| transactions::shown(node, height, places, prove);
    let (txs, total) = search(context, params, Direction::Ascending, Search::txs, show).await?;
    Ok(json!({ "txs": txs, "total_count": total.to_string() }))
}

/// The blocks whose own events meet a query.
pub(crate) async fn block_search(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let show =
        |node: &NodeHandle, height, _: &[u32]| Ok(vec![blocks::shown(node, &blocks::kept(node, height)?)?]);
    let (blocks, total) = search(context, params, Direction::Descending, Search::blocks, show).await?;
    Ok(json!({ "blocks": blocks, "total_count": total.to_string() }))
}

/// What is on the page that is asked for, as it is shown, and how many there are in all.
pub(super) async fn search<S>(
    context: &Arc<Context>,
    params: &Params,
    usual: Direction,
    begin: Begin,
    show: S,
) -> Result<(Vec<Value>, u64), RpcError>
where
    S: Fn(&NodeHandle, Height, &[u32]) -> Result<Vec<Value>, RpcError> + Copy + Send + 'static,
{
    let query = Query::parse(&params.text("query")?).map_err(|error| {
        RpcError::params(format!("query: {error}; such as tx.height > 5 AND transfer.sender = 'x'"))
    })?;
    let direction = match params.text("order_by")?.as_str() {
        "asc" => Direction::Ascending,
        "desc" => Direction::Descending,
        "" => usual,
        _ => return Err(RpcError::params("order_by: expected asc, desc or nothing")),
    };
    // Whether there is such a page shows when all are counted; some there never is.
    if let Some(page) = params.number("page")?.filter(|page| !PAGES.contains(page)) {
        let reason = format!("page: there is no page {page} of a search, the first is 1");
        return Err(RpcError::params(reason));
    }
    let (first, count) = params.paging(u64::MAX)?;
    let caller = params.asked_by();
    // Until the page is read: that may be more work than finding out what is on it.
    let _place = Searches::begin(&context.searches, caller.who())?;
    let run = async {
        let mut search = context
            .read(caller, move |node| {
                let newest = *node.executed().borrow();
                let page = first..first.saturating_add(count);
                Ok(begin(node.chain(), &query, newest, direction, page)?)
            })
            .await?;
        loop {
            solvent(caller).await;
            let (after, done) = context
                .read(caller, move |node| {
                    let done = search.step(node.chain())?;
                    Ok((search, done))
                })
                .await?;
            search = after;
            if done {
                break;
            }
        }
        params.paging(search.total())?;
        Ok((page(context, caller, search.found(), show).await?, search.total()))
    };
    timeout(MAX_TIME, run).await.unwrap_or_else(|_| {
        let seconds = MAX_TIME.as_secs();
        Err(RpcError::internal(format!(
            "the search took longer than {seconds} s: narrow the query with bounds of the height (tx.height, block.height)"
        )))
    })
}

/// A search goes on as fast as its client can pay for it.
async fn solvent(caller: &Caller) {
    while let Some(wait) = caller.owes() {
        caller.rest();
        sleep(wait).await;
    }
}

/// What was found, as it is shown, each block read in its own turn.
async fn page(
    context: &Arc<Context>,
    caller: &Caller,
    found: &[TxLocation],
    show: impl Fn(&NodeHandle, Height, &[u32]) -> Result<Vec<Value>, RpcError> + Copy + Send + 'static,
) -> Result<Vec<Value>, RpcError> {
    let (mut shown, mut bytes) = (Vec::with_capacity(found.len()), 0);
    for of_block in found.chunk_by(|one, next| one.height == next.height) {
        let height = of_block[0].height;
        solvent(caller).await;
        let places: Vec<_> = of_block.iter().map(|at| at.index).collect();
        let values = context
            .show(caller, move |node| {
                let values = show(node, height, &places)?;
                Ok(values.into_iter().map(|value| (value.to_string().len(), value)).collect::<Vec<_>>())
            })
            .await?;
        for (len, value) in values {
            bytes += len;
            if bytes > MAX_PAGE_BYTES && !shown.is_empty() {
                let held = shown.len();
                return Err(RpcError::internal(format!(
                    "the page has more than {MAX_PAGE_BYTES} bytes: ask for at most {held} at once, with per_page"
                )));
            }
            shown.push(value);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_room_for_others() {
        let searches = Searches::default();
        let who: Vec<_> = (0..5u8).map(|n| Who::at([10, 0, 0, n].into())).collect();
        let refused = |who: &Who| Searches::begin(&searches, who).err().map(|busy| busy.code);
        let mut held = Vec::new();
        for (one, finds_room_for) in who.iter().zip([2, 2, 2, 1, 1]) {
            held.extend((0..finds_room_for).map(|_| Searches::begin(&searches, one).unwrap()));
            assert_eq!(refused(one), Some(-32004), "it has two, or its share");
        }
        held.pop();
        assert_eq!(refused(&who[4]), None);
    }
}
