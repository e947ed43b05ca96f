//! `althing tx`: transactions made, signed, submitted and shown.

use std::{path::PathBuf, process::ExitCode};

use althing_crypto::{Encoding, TxHash};
use althing_ledger::asset::{Address, Transaction};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, Output, node_arg::NodeArg, passphrase::Passphrase, with::With};
use crate::client::Client;

mod approvals;
mod ask;
mod build;
mod envelope;
mod sign;
mod source;
mod submit;

use ask::Ask;
use envelope::Envelope;
use source::{Shown, Source};
use submit::{Wait, submit, upper};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    // A transaction of one instruction: each is a command.
    #[command(flatten)]
    One(With<Ask, Flags>),
    /// Write a transaction of several instructions, for others to sign
    Build(build::Build),
    /// Sign a transaction in a file; several sign one after the other
    Sign(sign::Sign),
    /// Submit a transaction that was signed before
    Broadcast {
        /// The file, or the transaction in base64
        #[arg(value_name = "FILE|BASE64")]
        tx: Source,
        #[command(flatten)]
        node: NodeArg,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show a transaction: a committed one by its hash, or any by its file or bytes
    Show {
        /// 64 hexadecimal digits, or a file, or the transaction in base64
        #[arg(value_name = "HASH|FILE|BASE64")]
        tx: Shown,
        #[command(flatten)]
        node: NodeArg,
    },
}

/// The flags of every transaction of one instruction.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    signer: Signer,
    #[command(flatten)]
    passphrase: Passphrase,
    #[command(flatten)]
    envelope: Envelope,
    /// Print the signed transaction in base64 and submit nothing
    #[arg(long, conflicts_with_all = ["wait", "sender"])]
    sign_only: bool,
    /// With --sender: where to write it; it must not exist [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    out: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Signer {
    /// The sender's key file
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The sender, who signs elsewhere: the transaction is written, not submitted
    #[arg(long, value_name = "ADDRESS", conflicts_with = "wait")]
    sender: Option<Address>,
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::One(With { command, flags }) => one(command, flags, output).await,
        Command::Build(build) => build::run(build, output).await,
        Command::Sign(sign) => sign::run(&sign, output),
        Command::Broadcast { tx, node, wait } => {
            let tx = match tx {
                Source::Bytes(bytes) => bytes,
                Source::File(tx) => {
                    approvals::expect_complete(&tx)?;
                    approvals::expect_good(&tx)?;
                    tx.encode()
                }
            };
            submit(&mut node.client(), &tx, &wait, output).await
        }
        Command::Show { tx, node } => show(tx, &mut node.client(), output).await,
    }
}

/// A transaction of one instruction.
async fn one(ask: Ask, flags: Flags, output: &Output) -> Result<ExitCode, Failure> {
    let Flags { signer, passphrase, envelope, sign_only, out, node, wait } = flags;
    let mut client = node.client();
    let key = signer.from.map(|file| passphrase.read_account(&file)).transpose()?;
    let own = key.as_ref().map(|key| Address::of(&key.public_key()));
    let sender = own.or(signer.sender).ok_or("a transaction needs --from or --sender")?;
    let tx = envelope.fill(sender, vec![ask.instruction(sender)?], &mut client).await?;
    let Some(key) = key else { return build::finish(&tx, out, output) };
    let tx = tx.approved_by(&key);
    approvals::expect_complete(&tx)?;
    let tx = tx.encode();
    if sign_only {
        let text = BASE64.encode(&tx);
        output.result(&json!({ "hash": upper(&TxHash::of(&tx)), "tx": text }), &text);
        return Ok(ExitCode::SUCCESS);
    }
    submit(&mut client, &tx, &wait, output).await
}

async fn show(shown: Shown, client: &mut Client, output: &Output) -> Result<ExitCode, Failure> {
    let object = match shown {
        Shown::Committed(hash) => client.call("tx", json!({ "hash": upper(&hash) })).await?,
        Shown::Made(tx) => made(&tx)?,
    };
    let text = serde_json::to_string_pretty(&object)?;
    output.result(&object, text);
    Ok(ExitCode::SUCCESS)
}

/// A transaction with its hash, which it has only when all have signed.
fn made(tx: &Transaction) -> Result<serde_json::Value, Failure> {
    let mut object = serde_json::to_value(tx)?;
    if approvals::expect_complete(tx).is_ok() {
        object["hash"] = upper(&TxHash::of(&tx.encode())).into();
    }
    Ok(object)
}

#[cfg(test)]
mod tests;
