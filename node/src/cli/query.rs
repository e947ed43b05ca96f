//! `althing query account` and `althing query block`

use std::process::ExitCode;

use althing_ledger::asset::Address;
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
            let account = node.client().account(&address).await?;
            let text = format!(
                "address   {}\nbalance   {}\nsequence  {}",
                account.address, account.balance, account.sequence
            );
            output.result(&serde_json::to_value(&account)?, text);
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
