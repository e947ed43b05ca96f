//! `althing tx`: transactions made, signed, submitted and shown.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use althing_crypto::{Encoding, TxHash};
use althing_ledger::asset::{Address, Change, Instruction, Transaction};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Output, address, node_arg::NodeArg, passphrase::Passphrase, with::With};
use crate::client::{Client, ClientError, integer};

mod approvals;
mod ask;
pub(in crate::cli) mod build;
mod envelope;
mod sign;
mod source;
mod submit;
mod turn;
pub(in crate::cli) mod words;

use approvals::Standing;
use ask::Ask;
use envelope::Envelope;
use source::{Shown, Source};
use submit::{Outcome, Wait, submit, upper};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    // A transaction of one instruction: each is a command.
    #[command(flatten)]
    One(Box<With<Ask, Flags>>),
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

impl Flags {
    /// The node that is asked.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        self.node.client()
    }

    /// Who proposes, if that is known without a passphrase.
    pub(super) fn sender(&self) -> Result<Option<Address>, Failure> {
        let own = self.signer.from.as_ref().map(|file| self.passphrase.stated_account(file)).transpose()?;
        Ok(own.or(self.signer.sender))
    }
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
    #[arg(long, value_name = "ADDRESS", conflicts_with = "wait", value_parser = address)]
    sender: Option<Address>,
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::One(asked) => {
            let With { command, flags } = *asked;
            one(command, flags, output).await
        }
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
            let outcome = submit(&mut node.client()?, &tx, &wait).await?;
            Ok(outcome.report(&tx, output))
        }
        Command::Show { tx, node } => show(tx, &mut node.client()?, output).await,
    }
}

/// A transaction of one instruction.
async fn one(ask: Ask, flags: Flags, output: &Output) -> Result<ExitCode, Failure> {
    let secret = ask.new_secret();
    make(|sender| ask.instruction(sender), secret, flags, output).await
}

/// A transaction that proposes this change to the members.
pub(super) async fn propose(change: Change, flags: Flags, output: &Output) -> Result<ExitCode, Failure> {
    make(|_| Ok(Instruction::Propose { change }), None, flags, output).await
}

/// A transaction of the instruction that `instruction` makes for its sender; for a lock it writes the `secret` to that file.
async fn make(
    instruction: impl FnOnce(Address) -> Result<Instruction, Failure>,
    secret: Option<PathBuf>,
    flags: Flags,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let Flags { signer, passphrase, envelope, sign_only, out, node, wait } = flags;
    let mut client = node.client()?;
    let own = signer.from.as_ref().map(|file| passphrase.stated_account(file)).transpose()?;
    let sender = own.or(signer.sender).ok_or("a transaction needs --from or --sender")?;
    let fixed = envelope.fixes_sequence();
    let goes = own.is_some() && !sign_only;
    let mut tx = envelope.fill(sender, Vec::new(), &mut client, goes).await?;
    let own_key = own.is_some() && tx.idempotency_key.is_none();
    if own_key {
        tx.idempotency_key = Some(turn::fresh_key());
    }
    // The last thing before it is signed, as it may write the secret of a lock.
    tx.instructions = vec![instruction(sender)?];
    let Some(file) = signer.from else { return build::finish(&tx, out, output) };
    // Before the passphrase is asked for: that is the moment to think again.
    if !output.is_json() {
        output.note(&words::of(&tx));
    }
    let key = passphrase.read_account(&file).inspect_err(|_| not_locked(secret.as_deref(), output))?;
    tx = tx.approved_by(&key);
    approvals::expect_complete(&tx)?;
    if sign_only {
        let bytes = tx.encode();
        let text = BASE64.encode(&bytes);
        output.result(&json!({ "hash": upper(&TxHash::of(&bytes)), "tx": text }), &text);
        return Ok(ExitCode::SUCCESS);
    }
    let key_if_free = Some(&key).filter(|_| !fixed);
    let submitted = turn::submit_once(&mut tx, key_if_free, &mut client, &wait, output).await;
    // Of bytes that nobody else has, what the node has already is what was just handed in, if twice.
    let submitted = submitted.map(|outcome| if own_key { outcome.told_as_first() } else { outcome });
    match (&submitted, &secret) {
        (Ok(outcome), _) if outcome.is_failure() => not_locked(secret.as_deref(), output),
        (Ok(outcome), _) if !outcome.is_pending() => {}
        (_, Some(file)) => {
            let file = file.display();
            output.note(&format!("keep {file}: the lock may still be made, and this is its secret"));
        }
        (_, None) => {}
    }
    Ok(submitted?.report(&tx.encode(), output))
}

/// What to do with the secret of a lock that came to nothing.
fn not_locked(secret: Option<&Path>, output: &Output) {
    if let Some(file) = secret {
        let file = file.display();
        output.note(&format!("no lock was made; for another try say --secret {file}: the secret is there"));
    }
}

/// In words; with `--json` as the node or the file has it.
async fn show(shown: Shown, client: &mut Client, output: &Output) -> Result<ExitCode, Failure> {
    let (object, text) = match shown {
        Shown::Committed(hash) => committed(hash, client).await?,
        Shown::Made(tx) => made(&tx)?,
    };
    output.result(&object, text);
    Ok(ExitCode::SUCCESS)
}

/// A transaction on the chain, with what it has come to.
async fn committed(hash: TxHash, client: &mut Client) -> Result<(Value, String), Failure> {
    let asked = client.call("tx", json!({ "hash": upper(&hash) })).await;
    let mut object = asked.map_err(|error| match error {
        ClientError::Rpc { node, data, .. } => format!(
            "{node} knows of no such transaction in a block: {data}; is it still pending, or was it refused?"
        )
        .into(),
        error => Failure::from(error),
    })?;
    let bytes = source::from_base64(object["tx"].as_str().unwrap_or_default())?;
    let tx = Transaction::decode(&bytes).ok();
    let said = tx
        .as_ref()
        .map_or_else(|| format!("{} bytes that are none of the asset ledger's", bytes.len()), words::of);
    let height = integer(&object["height"]).ok_or("the node's answer holds no height")?;
    let outcome = Outcome::new(hash, height, &object["tx_result"])?.text();
    let events: String = object["tx_result"]["events"].as_array().into_iter().flatten().map(event).collect();
    object["transaction"] = serde_json::to_value(tx)?;
    Ok((object, format!("{outcome}\n{said}{events}")))
}

/// A line of an event. Its attributes come from the ledger: no free text is among them.
fn event(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().escape_debug().to_string();
    let attributes = event["attributes"].as_array().into_iter().flatten();
    let attributes: String =
        attributes.map(|one| format!(" {}={}", text(&one["key"]), text(&one["value"]))).collect();
    format!("\nevent            {}{attributes}", text(&event["type"]))
}

/// A transaction with its hash, which it has only when all have signed.
fn made(tx: &Transaction) -> Result<(Value, String), Failure> {
    let (mut object, mut text) = (serde_json::to_value(tx)?, words::of(tx));
    if approvals::expect_complete(tx).is_ok() {
        let hash = upper(&TxHash::of(&tx.encode()));
        text = format!("hash             {hash}\n{text}");
        object["hash"] = hash.into();
    }
    let standing: String = Standing::of(tx).iter().map(|one| format!("\n{one}")).collect();
    Ok((object, text + &standing))
}

#[cfg(test)]
mod tests;
