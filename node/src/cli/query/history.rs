//! The history of an account over all assets. The ledger keeps one for each asset; here they are put together, all at one height.

use std::cmp::Reverse;

use althing_ledger::asset::{
    Address, BalanceView, ChangeView, HistoryView, MAX_LIMIT, Page, Question, Symbol,
};
use serde_json::{Value, json};

use super::{At, answer};
use crate::{cli::Failure, client::Client};

/// Pages of balances that are asked for at most: a node that lies could give them without end.
const MAX_PAGES: usize = 1_000;

/// What each block below `before` left of each asset that the account ever held, newest first: `limit` changes, and all of the last one's
/// height, without a hole. If there are none and they are not all, `before` is further back than a history is followed. The answer to
/// each question is proved, if that is wanted.
pub(super) async fn of_all_assets(
    client: &mut Client,
    account: Address,
    before: Option<u64>,
    limit: u16,
    at: &mut At,
) -> Result<Value, Failure> {
    let mut changes = Vec::new();
    // What all assets are known down to.
    let (mut complete, mut known) = (true, 0);
    let mut after = None;
    for _ in 0..MAX_PAGES {
        let question = Question::Balances { account, after, limit: MAX_LIMIT };
        let page: Page<BalanceView, Symbol> = serde_json::from_value(answer(client, &question, at).await?)?;
        for BalanceView { asset, .. } in page.items {
            let question = Question::History { asset, account, before, limit };
            let history: HistoryView = serde_json::from_value(answer(client, &question, at).await?)?;
            if !history.complete {
                let lowest = history.changes.last().map(|change| change.height);
                (complete, known) = (false, known.max(lowest.or(before).unwrap_or(u64::MAX)));
            }
            changes.extend(history.changes.into_iter().map(|change| (asset, change)));
        }
        after = page.next;
        if after.is_none() {
            changes.retain(|(_, change)| change.height >= known);
            return Ok(newest(changes, limit.into(), complete));
        }
    }
    Err(format!("the account has more assets than {MAX_PAGES} pages hold: ask about one, with --asset")
        .into())
}

/// The newest changes, and whether there were never any others.
fn newest(mut changes: Vec<(Symbol, ChangeView)>, limit: usize, complete: bool) -> Value {
    changes.sort_by_key(|(asset, change)| (Reverse(change.height), *asset));
    // A height is given whole: the next page begins below it.
    let lowest = changes.get(limit - 1).map_or(0, |(_, change)| change.height);
    let given = changes.partition_point(|(_, change)| change.height >= lowest);
    let object = |(asset, change): &(Symbol, ChangeView)| {
        let mut object = json!(change);
        object["asset"] = json!(asset);
        object
    };
    let shown: Vec<Value> = changes[..given].iter().map(object).collect();
    json!({ "changes": shown, "complete": complete && given == changes.len() })
}

#[cfg(test)]
mod tests {
    use althing_ledger::asset::COIN;

    use super::*;

    /// Heights and assets of the newest changes out of those in COIN at heights 9, 5 and 2, and in GOLD at 7 and 5.
    fn given(limit: usize, all: bool) -> (Vec<(String, String)>, bool) {
        let change = |height| ChangeView { height, amount: 1, frozen: false };
        let coin = [9, 5, 2].map(|height| (COIN, change(height)));
        let gold = [7, 5].map(|height| (Symbol::literal("GOLD"), change(height)));
        let answer = newest(coin.into_iter().chain(gold).collect(), limit, all);
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let rows = answer["changes"].as_array().expect("a list").iter();
        let rows = rows.map(|one| (text(&one["height"]), text(&one["asset"]))).collect();
        (rows, answer["complete"].as_bool().expect("said"))
    }

    #[test]
    fn the_newest_come_first_and_no_height_is_cut() {
        let rows = |text: &str| -> Vec<(String, String)> {
            let row = |row: &str| row.split_once(' ').map(|(height, asset)| (height.into(), asset.into()));
            text.split(", ").filter_map(row).collect()
        };
        let all = rows("9 COIN, 7 GOLD, 5 COIN, 5 GOLD, 2 COIN");
        assert_eq!(given(100, true), (all.clone(), true));
        assert_eq!(given(5, true), (all.clone(), true));
        assert_eq!(given(5, false), (all.clone(), false), "of an asset older ones are not kept");
        assert_eq!(given(2, true), (all[..2].to_vec(), false));
        assert_eq!(given(3, true), (all[..4].to_vec(), false), "both of height 5");
    }
}
