//! `althing tx transfer`, `althing tx show` and `althing tx broadcast`

use std::{path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use althing_crypto::{Encoding, TxHash, ed25519};
use althing_ledger::asset::{Address, Transaction};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{Failure, Output, node_arg::NodeArg, passphrase::Passphrase};
use crate::{
    client::{Client, ClientError, integer},
    rpc,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Move units of COIN, the asset of a plain genesis, to another account
    Transfer(Transfer),
    /// Show a transaction: a committed one by its hash, or any by its bytes
    Show {
        /// 64 hexadecimal digits, or the transaction in base64
        tx: Shown,
        #[command(flatten)]
        node: NodeArg,
    },
    /// Submit a transaction that was signed before
    Broadcast {
        /// The transaction in base64
        #[arg(value_parser = from_base64)]
        tx: SignedTx,
        #[command(flatten)]
        node: NodeArg,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(Debug, Args)]
pub(super) struct Transfer {
    /// The sender's key file
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    passphrase: Passphrase,
    /// The recipient
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// How many of the smallest units
    #[arg(long)]
    amount: u128,
    /// A note for people
    #[arg(long, default_value = "")]
    memo: String,
    /// The last height at which it may execute; 0 if it never expires
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    expiry: u64,
    /// The sender's sequence [default: the one after all that the node knows of, committed or pending]
    #[arg(long)]
    sequence: Option<u64>,
    /// The chain; the node is asked if it is not given
    #[arg(long)]
    chain_id: Option<String>,
    /// Print the signed transaction in base64 and submit nothing
    #[arg(long, conflicts_with = "wait")]
    sign_only: bool,
    #[command(flatten)]
    node: NodeArg,
    #[command(flatten)]
    wait: Wait,
}

#[derive(Debug, Args)]
pub(super) struct Wait {
    /// Wait until it is committed
    #[arg(long)]
    wait: bool,
    /// How long to wait, at most a day
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// The bytes of a transaction.
#[derive(Debug, Clone)]
pub(super) struct SignedTx(Vec<u8>);

fn from_base64(text: &str) -> Result<SignedTx, String> {
    BASE64.decode(text.trim()).map(SignedTx).map_err(|error| format!("not base64: {error}"))
}

/// What `tx show` is given.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    Committed(TxHash),
    Signed(TxHash, Box<Transaction>),
}

impl FromStr for Shown {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(hash) = text.trim_start_matches("0x").parse() {
            return Ok(Self::Committed(hash));
        }
        let bytes =
            from_base64(text).map_err(|error| format!("no hash of 64 hexadecimal digits and {error}"))?.0;
        let tx = Transaction::decode(&bytes).map_err(|error| format!("no transaction: {error}"))?;
        Ok(Self::Signed(TxHash::of(&bytes), Box::new(tx)))
    }
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::Transfer(transfer) => {
            let mut client = transfer.node.client();
            let tx = sign(&transfer, &mut client).await?.encode();
            if transfer.sign_only {
                let text = BASE64.encode(&tx);
                output.result(&json!({ "hash": upper(&TxHash::of(&tx)), "tx": text }), &text);
                return Ok(ExitCode::SUCCESS);
            }
            submit(&mut client, &tx, &transfer.wait, output).await
        }
        Command::Broadcast { tx, node, wait } => submit(&mut node.client(), &tx.0, &wait, output).await,
        Command::Show { tx, node } => show(tx, &mut node.client(), output).await,
    }
}

async fn sign(transfer: &Transfer, client: &mut Client) -> Result<Transaction, Failure> {
    let key = transfer.passphrase.read_account(&transfer.from)?;
    let chain_id = match &transfer.chain_id {
        Some(chain_id) => chain_id.clone(),
        None => {
            let status = client.call("status", json!({})).await?;
            status["node_info"]["network"].as_str().ok_or("the node's status names no chain")?.to_owned()
        }
    };
    let sequence = match transfer.sequence {
        Some(sequence) => sequence,
        None => next_sequence(client, &key.public_key()).await?,
    };
    let Transfer { to, amount, expiry, memo, .. } = transfer;
    Ok(Transaction::transfer(&chain_id, &key, sequence, *expiry, *to, *amount, memo))
}

/// The sequence after the sender's committed and pending ones: signing is deterministic, so with that of a pending one the same
/// payment made again would be that very transaction, and paid once.
async fn next_sequence(client: &mut Client, sender: &ed25519::PublicKey) -> Result<u64, Failure> {
    let sender = Address::of(sender);
    // Asked before the account, so that what is executed in between is counted. A node lists 100 at most; with more it may
    // answer that the sequence is taken, or the transaction already pending.
    let pending = client.call("unconfirmed_txs", json!({ "limit": "100" })).await?;
    let committed = client.account(&sender).await?.sequence;
    Ok(committed.max(after_pending(&pending, &sender)))
}

fn after_pending(pending: &Value, sender: &Address) -> u64 {
    let txs = pending["txs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let txs = txs.filter_map(|tx| Transaction::decode(&from_base64(tx).ok()?.0).ok());
    let own = txs.filter(|tx| tx.sender == *sender);
    own.map(|tx| tx.sequence.saturating_add(1)).max().unwrap_or(0)
}

/// What became of a submitted transaction.
#[derive(Debug)]
struct Outcome {
    hash: TxHash,
    height: u64,
    code: u64,
    codespace: String,
    log: String,
}

impl Outcome {
    fn new(hash: TxHash, height: u64, result: &Value) -> Result<Self, Failure> {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let code = result["code"].as_u64().ok_or("the node's answer holds no code")?;
        Ok(Self { hash, height, code, codespace: text("codespace"), log: text("log") })
    }

    /// What this program says, in the node's words, when it has waited as long as it was told to.
    fn pending(hash: TxHash, seconds: u64) -> Self {
        let log = format!(
            "accepted, not committed within {seconds} s; ask again with `althing tx show {}`",
            upper(&hash)
        );
        let code = rpc::Code::CommitTimeout as u64;
        Self { hash, height: 0, code, codespace: rpc::CODESPACE.to_owned(), log }
    }

    fn is_pending(&self) -> bool {
        self.codespace == rpc::CODESPACE && self.code == rpc::Code::CommitTimeout as u64
    }

    fn report(&self, output: &Output) -> ExitCode {
        let Self { hash, height, code, codespace, log } = self;
        let object = json!({ "hash": upper(hash), "height": height, "code": code, "codespace": codespace, "log": log });
        output.result(&object, self.text());
        if *code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn text(&self) -> String {
        let Self { hash, height, code, codespace, log } = self;
        let said = match (code, height) {
            (0, 0) if log.is_empty() => "accepted".to_owned(),
            // Such as that it was there already.
            (0, 0) => log.clone(),
            (0, height) => format!("committed at height {height}"),
            _ if self.is_pending() => log.clone(),
            (code, 0) => format!("refused: {log} (code {code}, codespace {codespace})"),
            (code, height) => {
                format!("failed at height {height}: {log} (code {code}, codespace {codespace})")
            }
        };
        format!("{} {said}", upper(hash))
    }
}

async fn submit(client: &mut Client, tx: &[u8], wait: &Wait, output: &Output) -> Result<ExitCode, Failure> {
    let hash = TxHash::of(tx);
    let params = json!({ "tx": BASE64.encode(tx) });
    let outcome = if wait.wait {
        committed(client, hash, params, wait.timeout).await?
    } else {
        Outcome::new(hash, 0, &client.call("broadcast_tx_sync", params).await?)?
    };
    Ok(outcome.report(output))
}

/// Submits it, then waits until it is committed, refused after all, or so many seconds have passed.
async fn committed(
    client: &mut Client,
    hash: TxHash,
    params: Value,
    seconds: u64,
) -> Result<Outcome, Failure> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let submitted = timeout_at(deadline, client.call("broadcast_tx_sync", params.clone())).await;
    let submitted = submitted.map_err(|_| {
        format!("the node did not say within {seconds} s whether it accepts {}", upper(&hash))
    })?;
    let submitted = Outcome::new(hash, 0, &submitted?)?;
    if submitted.code != 0 {
        return Ok(submitted);
    }
    timeout_at(deadline, commit(client, hash, params))
        .await
        .unwrap_or_else(|_| Ok(Outcome::pending(hash, seconds)))
}

/// Waits for the commit of a transaction that the node has: submitted again, it is only waited for. A node waits a while; then it
/// is asked anew.
async fn commit(client: &mut Client, hash: TxHash, params: Value) -> Result<Outcome, Failure> {
    loop {
        let answer = match client.call("broadcast_tx_commit", params.clone()).await {
            Err(ClientError::Timeout { .. }) => continue,
            answer => answer?,
        };
        let check = Outcome::new(hash, 0, &answer["check_tx"])?;
        if check.code == 0 {
            let height = integer(&answer["height"]).ok_or("the node's answer holds no height")?;
            return Outcome::new(hash, height, &answer["tx_result"]);
        }
        if !check.is_pending() {
            return Ok(check);
        }
    }
}

async fn show(shown: Shown, client: &mut Client, output: &Output) -> Result<ExitCode, Failure> {
    let object = match shown {
        Shown::Committed(hash) => client.call("tx", json!({ "hash": upper(&hash) })).await?,
        Shown::Signed(hash, tx) => {
            let mut object = serde_json::to_value(&*tx)?;
            object["hash"] = upper(&hash).into();
            object
        }
    };
    let text = serde_json::to_string_pretty(&object)?;
    output.result(&object, text);
    Ok(ExitCode::SUCCESS)
}

/// Hashes are written in capitals over JSON-RPC; so they are here.
fn upper(hash: &TxHash) -> String {
    hex::encode_upper(hash)
}

#[cfg(test)]
mod tests;
