//! `althing status`

use std::process::ExitCode;

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::{Failure, Output, node_arg::NodeArg};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    node: NodeArg,
}

pub(super) async fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let status = args.node.client().call("status", json!({})).await?;
    output.result(&status, text(&status));
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Value) -> String {
    let field = |group: &str, name: &str| match &status[group][name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut lines = vec![
        format!("chain        {}", field("node_info", "network")),
        format!("node         {} ({})", field("node_info", "moniker"), field("node_info", "id")),
        format!(
            "height       {} at {}",
            field("sync_info", "latest_block_height"),
            field("sync_info", "latest_block_time")
        ),
        format!("block        {}", field("sync_info", "latest_block_hash")),
        format!("app hash     {}", field("sync_info", "latest_app_hash")),
        format!("catching up  {}", field("sync_info", "catching_up")),
        format!("view         {} of epoch {}", field("althing", "view"), field("althing", "epoch")),
        format!("power        {}", field("validator_info", "voting_power")),
        format!("pending      {}", field("althing", "pending_txs")),
    ];
    if let Some(reason) = status["althing"]["halted"].as_str() {
        lines.push(format!("HALTED       {reason}"));
    }
    lines.join("\n")
}
