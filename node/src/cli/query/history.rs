//! The history of an account over all assets. The ledger keeps one for each asset; here they are put together, all at one height.

use std::cmp::Reverse;

use althing_ledger::asset::{
    Address, BalanceView, ChangeView, HistoryView, MAX_LIMIT, Page, Question, Symbol,
};
use serde_json::{Value, json};

use super::{At, answer};
use crate::{cli::Failure, client::Client};

/// What each block left of each asset that the account ever held, newest first. The answer to each question is proved, if that is wanted.
pub(super) async fn of_all_assets(
    client: &mut Client,
    account: Address,
    limit: u16,
    at: &mut At,
) -> Result<Value, Failure> {
    let (mut changes, mut complete) = (Vec::new(), true);
    let mut after = None;
    loop {
        let question = Question::Balances { account, after, limit: MAX_LIMIT };
        let page: Page<BalanceView, Symbol> = serde_json::from_value(answer(client, &question, at).await?)?;
        for BalanceView { asset, .. } in page.items {
            let question = Question::History { asset, account, limit };
            let history: HistoryView = serde_json::from_value(answer(client, &question, at).await?)?;
            complete &= history.complete;
            changes.extend(history.changes.into_iter().map(|change| (asset, change)));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    changes.sort_by_key(|(asset, change)| (Reverse(change.height), *asset));
    complete &= changes.len() <= usize::from(limit);
    changes.truncate(limit.into());
    let changes: Vec<Value> = changes.into_iter().map(|(asset, change)| object(asset, change)).collect();
    Ok(json!({ "changes": changes, "complete": complete }))
}

fn object(asset: Symbol, change: ChangeView) -> Value {
    let mut object = json!(change);
    object["asset"] = json!(asset);
    object
}
