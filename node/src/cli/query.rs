//! `althing query`: what the chain holds, and proofs of it.

use std::{path::PathBuf, process::ExitCode};

use althing_ledger::{
    Query, QueryResult,
    asset::{self, Question},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Output, node_arg::NodeArg, with::With};
use crate::client::Client;

mod ask;
mod history;
mod newest;
pub(in crate::cli) mod table;
mod vouched;

use althing_consensus::{Epoch, light::Committed};
pub(in crate::cli) use ask::Ask;
use ask::Limit;
use vouched::Vouched;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    // What the asset ledger answers: each question is a command.
    #[command(flatten)]
    Ledger(With<Ask, Flags>),
    /// A block
    Block {
        /// Its height; without it, the newest
        height: Option<u64>,
        #[command(flatten)]
        node: NodeArg,
    },
}

/// The flags of every question to the ledger.
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// At which height, of those that the node keeps [default: the newest]
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..))]
    height: Option<u64>,
    /// Ask for a proof, and check it against the application hash in a header
    ///
    /// The header is the node's word, unless --genesis names what to check it with. Without --height the newest state is proved: if no
    /// header vouches for it yet, that is waited for, a few seconds at most.
    #[arg(long)]
    prove: bool,
    /// With --prove: the chain's genesis document, to see that its validators have committed the header
    #[arg(long, value_name = "FILE", requires = "prove")]
    genesis: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

/// Waits until the newest state can be proved, a few seconds at most; says if it cannot.
pub(in crate::cli) async fn await_vouched(client: &mut Client, output: &Output) -> Result<(), Failure> {
    if let Some(height) = newest::await_vouched(client, newest::PATIENCE, output).await? {
        output.note(&format!("NOT the newest state: no header vouches for height {height} yet"));
    }
    Ok(())
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Ledger(With { command, flags }) => ask(command, flags, output).await?,
        Command::Block { height, node } => {
            let params = height.map_or(json!({}), |height| json!({ "height": height.to_string() }));
            let block = node.client()?.call("block", params).await?;
            let text = serde_json::to_string_pretty(&block)?;
            output.result(&block, text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The height that is asked about, and the header that vouches for it.
struct At {
    height: u64,
    vouched: Option<Vouched>,
    /// The newest height with transactions, if no header vouched for it in time.
    behind: Option<u64>,
}

async fn ask(ask: Ask, flags: Flags, output: &Output) -> Result<(), Failure> {
    let mut client = flags.node.client()?;
    let mut at = match flags.prove {
        true => {
            let behind = match flags.height {
                Some(_) => None,
                None => newest::await_vouched(&mut client, newest::PATIENCE, output).await?,
            };
            let vouched = vouched::find(&mut client, flags.height, flags.genesis.as_deref()).await?;
            At { height: vouched.height, vouched: Some(vouched), behind }
        }
        false => At { height: flags.height.unwrap_or(0), vouched: None, behind: None },
    };
    let answer = whole_answer(&mut client, ask, &mut at).await?;
    let object = json!({ "answer": answer, "height": at.height.to_string(), "proof": at.vouched.as_ref().map(|vouched| object(vouched, at.behind)) });
    let mut text = table::text(&answer);
    if let Some(vouched) = &at.vouched {
        text = format!("{text}\n{}", words(vouched));
    }
    if let Some(newest) = at.behind {
        text = format!("{text}\nNOT the newest state: no header vouches for height {newest} yet, ask again");
    }
    output.result(&object, text);
    Ok(())
}

/// The answer with what belongs to it, all at one height, also where the newest was asked for.
async fn whole_answer(client: &mut Client, ask: Ask, at: &mut At) -> Result<Value, Failure> {
    if let Ask::History { address, asset: None, before, limit: Limit { limit } } = ask {
        return history::of_all_assets(client, address, before, limit, at).await;
    }
    let balances = ask.balances();
    let mut whole = answer(client, &ask.question(), at).await?;
    if let Some(question) = balances {
        let mut page = answer(client, &question, at).await?;
        whole["balances"] = page["items"].take();
        whole["next"] = page["next"].take();
    }
    Ok(whole)
}

/// The answer, checked if it is to be proved.
async fn answer(client: &mut Client, question: &Question, at: &mut At) -> Result<Value, Failure> {
    let query = Query { height: at.height, prove: at.vouched.is_some(), ..question.query() };
    let answer: QueryResult = client.query(&query).await?;
    if let Some(vouched) = &at.vouched {
        let hash = vouched.app_hash.as_bytes().to_vec().try_into()?;
        asset::verify(&query, &answer, &hash)
            .map_err(|error| format!("the answer is NOT proved: {error}"))?;
    }
    at.height = answer.height;
    Ok(serde_json::from_slice(&answer.value)?)
}

fn object(vouched: &Vouched, behind: Option<u64>) -> Value {
    let committed = vouched.committed.as_ref().map(|Committed { epoch, power, total, view }| {
        json!({
            "epoch": epoch.to_string(), "power": power.to_string(), "of": total.to_string(), "view": view.to_string(),
        })
    });
    json!({
        "header": vouched.header.height.to_string(),
        "header_hash": vouched.header.hash().to_string(),
        "app_hash": vouched.app_hash.to_string(),
        "committed": committed,
        // The newest height with transactions, where another one is proved.
        "behind": behind.map(|height| height.to_string()),
    })
}

/// What was shown, and what had to be believed for it.
fn words(vouched: &Vouched) -> String {
    let Vouched { header, height, committed, .. } = vouched;
    let by = match header.vouched.height.0 == *height {
        true => "application hash",
        false => "root of what came of its heights",
    };
    let proved = format!("proved at height {height} by the {by} in header {}", header.height);
    match committed {
        Some(Committed { epoch, power, total, view }) => {
            let whose = match epoch {
                Epoch(1) => "the genesis document".to_owned(),
                epoch => format!("epoch {epoch}, who follow from the genesis document,"),
            };
            format!(
                "{proved},\nwhich validators of {whose} with {power} of {total} of the power committed in view {view}"
            )
        }
        None => format!(
            "{proved},\nwhich is this node's word: who committed it was not checked (--genesis FILE does)"
        ),
    }
}

#[cfg(test)]
mod tests;
