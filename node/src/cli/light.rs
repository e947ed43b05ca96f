//! `althing light`: proofs for those who have no chain, made at a node, checked anywhere.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    process::ExitCode,
    str::FromStr,
};

use althing_consensus::light::{Anchor, Claim, LightProof, Shown, Start, Trail, Trusted};
use althing_consensus::{Epoch, Height};
use althing_crypto::{BlockHash, Encoding, TxHash, bls::BLS};
use althing_genesis::Genesis;
use althing_ledger::{Query, asset::Question};
use clap::{Args, FromArgMatches, Subcommand};
use serde_json::{Value, json};

use super::{
    Failure, Output,
    node_arg::NodeArg,
    query::{Ask, await_vouched},
};
use crate::client::Client;

pub(in crate::cli) mod fetch;
mod words;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Ask a node for a proof and write it into a file
    ///
    /// The proof leads from the genesis document through one commit certificate per epoch to a header: the newest one, or what the flags
    /// name. Nothing in it has to be believed; `althing light verify` checks it, offline.
    Export(Box<Export>),
    /// Check a proof in a file, offline, and say what it shows
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Show the header of this height; with --state, the state after it [default: the newest]
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["tx", "result"])]
    height: Option<u64>,
    /// Show that this transaction is in its block
    #[arg(long, value_name = "HASH", conflicts_with_all = ["result", "state"])]
    tx: Option<TxHash>,
    /// Show what came of this transaction
    #[arg(long, value_name = "HASH", conflicts_with = "state")]
    result: Option<TxHash>,
    /// Show what the ledger answers to a question of `althing query`: "balance al1… --asset SILVER"
    #[arg(long, value_name = "QUESTION", value_parser = question)]
    state: Option<Question>,
    /// Begin at the header of this height, for those who trust it, not at genesis
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    #[command(flatten)]
    node: NodeArg,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The proof
    file: PathBuf,
    /// The chain's genesis document
    #[arg(long, value_name = "FILE", required_unless_present = "trusted")]
    genesis: Option<PathBuf>,
    /// A header that is trusted in place of genesis: height and hash, which must come from somebody else than the proof
    #[arg(long, value_name = "HEIGHT:HASH", value_parser = trusted, conflicts_with = "genesis")]
    trusted: Option<Trusted>,
}

/// A question to the ledger, as `althing query` takes it.
fn question(text: &str) -> Result<Question, String> {
    let command = Ask::augment_subcommands(clap::Command::new("question").no_binary_name(true));
    let asked = command.subcommand_required(true).try_get_matches_from(text.split_whitespace());
    let asked = asked.and_then(|matches| Ask::from_arg_matches(&matches));
    Ok(asked.map_err(|error| error.to_string())?.question())
}

fn trusted(text: &str) -> Result<Trusted, String> {
    let parts = text.split_once(':');
    let parsed =
        parts.and_then(|(height, hash)| Some((height.parse().ok()?, BlockHash::from_str(hash).ok()?)));
    let (height, hash) =
        parsed.ok_or("a height and a hash of 64 hexadecimal digits, with a colon between")?;
    Ok(Trusted { height: Height(height), hash })
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Export(export) => self::export(*export, output).await?,
        Command::Verify(verify) => self::verify(&verify, output)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(export: Export, output: &Output) -> Result<(), Failure> {
    let proof = make(&mut export.node.client()?, &export, output).await?;
    let bytes = proof.encode();
    fs::write(&export.out, &bytes)
        .map_err(|error| format!("cannot write {}: {error}", export.out.display()))?;
    let (epochs, len, height) = (proof.ends.len(), bytes.len(), proof.claim.height());
    let object = json!({
        "file": export.out.display().to_string(), "bytes": len, "epochs": epochs, "height": height.to_string(),
    });
    let text = format!("{len} bytes over {epochs} changes of epoch to height {height}, not checked here");
    output.result(&object, text);
    Ok(())
}

async fn make(client: &mut Client, export: &Export, output: &Output) -> Result<LightProof, Failure> {
    let (start, first) = begin(client, export.from).await?;
    let (runs, claim) = subject(client, export, output).await?;
    let needed = runs.iter().flat_map(|run| &run.headers).map(|header| header.epoch).max();
    let needed = needed.ok_or("the node answered with a proof without headers")?;
    if needed < first {
        return Err(format!(
            "what is to be shown is of epoch {needed}, and the proof begins in epoch {first}"
        )
        .into());
    }
    let ends = fetch::ends(client, first, needed).await?;
    Ok(LightProof { start, ends, runs, claim })
}

/// Where the proof begins, and the epoch whose set is known there.
async fn begin(client: &mut Client, from: Option<u64>) -> Result<(Start, Epoch), Failure> {
    let Some(from) = from else { return Ok((Start::Genesis, Epoch(1))) };
    let start = fetch::start(client, from).await?;
    let Start::Trusted { header, .. } = &start else {
        return Err("the node answered with the start of another proof".into());
    };
    let trusted = Trusted { height: Height(from), hash: header.hash() };
    let epoch = Trail::trusted(&BLS, trusted, &start)?.epoch();
    Ok((start, epoch))
}

async fn subject(client: &mut Client, export: &Export, output: &Output) -> Result<fetch::Subject, Failure> {
    let Some(question) = &export.state else {
        let params = match (export.height, export.tx, export.result) {
            (_, Some(tx), _) => json!({ "tx": tx.to_string() }),
            (_, _, Some(tx)) => json!({ "result": tx.to_string() }),
            (Some(height), ..) => json!({ "height": height.to_string() }),
            _ => json!({}),
        };
        return fetch::proof(client, params).await;
    };
    let height = match export.height {
        Some(height) => height,
        None => {
            await_vouched(client, output).await?;
            fetch::newest_vouched(client).await?
        }
    };
    let (runs, claim) = fetch::proof(client, json!({ "state": height.to_string() })).await?;
    let Claim::State { outcome, .. } = claim else {
        return Err("the node answered with the proof of something else".into());
    };
    let query = Query { height, prove: true, ..question.query() };
    let answer = client.query(&query).await?;
    let proof = answer.proof.ok_or("the node answered without a proof")?;
    let Query { path, data, .. } = query;
    Ok((runs, Claim::State { outcome, path, data, key: answer.key, value: answer.value, proof }))
}

fn verify(verify: &Verify, output: &Output) -> Result<(), Failure> {
    let Verify { file, genesis, trusted } = verify;
    let anchor = anchor(genesis.as_deref(), *trusted)?;
    let checked = check(&read(file, LightProof::MAX_BYTES)?, &anchor);
    let (proof, shown, answer) = checked.map_err(|error| format!("{}: {error}", file.display()))?;
    let answer = answer.as_ref();
    output.result(&words::object(&proof, &shown, answer), words::text(&proof, &shown, answer));
    Ok(())
}

/// What the bytes of a proof show; with the answer, if it is one of the ledger.
fn check(bytes: &[u8], anchor: &Anchor) -> Result<(LightProof, Shown, Option<Value>), String> {
    let proof = LightProof::decode(bytes).map_err(|error| error.to_string())?;
    let shown = proof.verify(anchor).map_err(|flaw| flaw.to_string())?;
    let answer = words::answer(&proof.claim)?;
    Ok((proof, shown, answer))
}

/// What is trusted: a genesis document, or a header.
fn anchor(genesis: Option<&Path>, trusted: Option<Trusted>) -> Result<Anchor, Failure> {
    if let Some(trusted) = trusted {
        return Ok(Anchor::Trusted(trusted, &BLS));
    }
    let genesis = Genesis::read(genesis.ok_or("say --genesis FILE or --trusted HEIGHT:HASH")?)?;
    let (chain_id, set) = (genesis.chain_id().to_owned(), genesis.validator_set().clone());
    Ok(Anchor::Genesis { chain_id, set, params: genesis.params().clone() })
}

/// A file that is not longer than it may be.
pub(in crate::cli) fn read(file: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
