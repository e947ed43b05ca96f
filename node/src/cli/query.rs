//! `althing query account` and `althing query block`

use std::process::ExitCode;

use althing_ledger::asset::{Address, BalanceView, MAX_LIMIT, Page, Question, Symbol};
use clap::Subcommand;
use serde_json::json;

use super::{Failure, Output, node_arg::NodeArg};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What an account holds
    Account {
        /// Its address
        address: Address,
        #[command(flatten)]
        node: NodeArg,
    },
    /// A block
    Block {
        /// Its height; without it, the newest
        height: Option<u64>,
        #[command(flatten)]
        node: NodeArg,
    },
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Account { address, node } => {
            let mut client = node.client();
            let account = client.account(&address).await?;
            let question = Question::Balances { account: address, after: None, limit: MAX_LIMIT };
            let balances: Page<BalanceView, Symbol> = client.ask(&question).await?;
            let mut text = format!("address   {}\nsequence  {}", account.address, account.sequence);
            for BalanceView { asset, amount, frozen, .. } in &balances.items {
                text += &format!("\nbalance   {amount} {asset}{}", if *frozen { " (frozen)" } else { "" });
            }
            for role in &account.roles {
                text += &format!("\nrole      {role}");
            }
            let mut object = serde_json::to_value(&account)?;
            object["balances"] = serde_json::to_value(&balances.items)?;
            output.result(&object, text);
        }
        Command::Block { height, node } => {
            let params = height.map_or(json!({}), |height| json!({ "height": height.to_string() }));
            let block = node.client().call("block", params).await?;
            let text = serde_json::to_string_pretty(&block)?;
            output.result(&block, text);
        }
    }
    Ok(ExitCode::SUCCESS)
}
