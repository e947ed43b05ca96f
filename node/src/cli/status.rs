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
    let status = args.node.client()?.call("status", json!({})).await?;
    output.result(&status, text(&status));
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Value) -> String {
    let field = |group: &str, name: &str| match &status[group][name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // The genesis document names the first validators only.
    let name = Some(field("node_info", "moniker")).filter(|name| !name.is_empty());
    let unnamed = if field("validator_info", "voting_power") == "0" { "follower" } else { "validator" };
    let height = field("sync_info", "latest_block_height");
    let newest = match height.as_str() {
        "0" => "no block yet".to_owned(),
        height => format!("{height} at {}", field("sync_info", "latest_block_time")),
    };
    let mut lines = vec![
        format!("chain        {}", field("node_info", "network")),
        format!("node         {} ({})", name.as_deref().unwrap_or(unnamed), field("node_info", "id")),
        format!("height       {newest}"),
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
    if let Some(reason) = status["althing"]["application"].as_str() {
        lines.push(format!("WAITING      {reason}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_and_a_chain_without_blocks_are_called_so() {
        let status = |moniker: &str, height: &str| {
            text(&json!({
                "node_info": { "moniker": moniker, "id": "ab12" },
                "sync_info": { "latest_block_height": height, "latest_block_time": "a time" },
                "validator_info": { "voting_power": "0" },
            }))
        };
        let (new, running) = (status("", "0"), status("alice", "7"));
        assert!(new.contains("node         follower (ab12)\nheight       no block yet\n"), "{new}");
        assert!(running.contains("node         alice (ab12)\nheight       7 at a time\n"), "{running}");
    }
}
