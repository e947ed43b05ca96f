//! `althing tx transfer`, `althing tx show` and `althing tx broadcast`

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use althing_crypto::{Encoding, TxHash, key_file::KeyFile};
use althing_ledger::asset::{Address, Transaction};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Failure, Output, node_arg::NodeArg};
use crate::{
    client::{Client, integer},
    rpc,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Move units of the native asset to another account
    Transfer(Transfer),
    /// Show a transaction: a committed one by its hash, or any by its bytes
    Show {
        /// 64 hexadecimal digits, or the transaction in base64
        tx: String,
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
    /// The sender's sequence; the node is asked if it is not given
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
    /// How long to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// The bytes of a transaction.
#[derive(Debug, Clone)]
pub(super) struct SignedTx(Vec<u8>);

fn from_base64(text: &str) -> Result<SignedTx, String> {
    BASE64.decode(text.trim()).map(SignedTx).map_err(|error| format!("not base64: {error}"))
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
        Command::Show { tx, node } => show(&tx, &mut node.client(), output).await,
    }
}

async fn sign(transfer: &Transfer, client: &mut Client) -> Result<Transaction, Failure> {
    let key = KeyFile::read_account(&transfer.from)?;
    let chain_id = match &transfer.chain_id {
        Some(chain_id) => chain_id.clone(),
        None => {
            let status = client.call("status", json!({})).await?;
            status["node_info"]["network"].as_str().ok_or("the node's status names no chain")?.to_owned()
        }
    };
    let sequence = match transfer.sequence {
        Some(sequence) => sequence,
        None => client.account(&Address::of(&key.public_key())).await?.sequence,
    };
    let Transfer { to, amount, expiry, memo, .. } = transfer;
    Ok(Transaction::transfer(&chain_id, &key, sequence, *expiry, *to, *amount, memo))
}

/// What became of a submitted transaction.
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

    fn report(&self, output: &Output) -> ExitCode {
        let Self { hash, height, code, codespace, log } = self;
        let object = json!({ "hash": upper(hash), "height": height, "code": code, "codespace": codespace, "log": log });
        let text = match (code, height) {
            (0, 0) => format!("{} accepted", upper(hash)),
            (0, height) => format!("{} committed at height {height}", upper(hash)),
            (code, 0) => format!("{} refused: {log} (code {code}, codespace {codespace})", upper(hash)),
            (code, height) => {
                format!(
                    "{} failed at height {height}: {log} (code {code}, codespace {codespace})",
                    upper(hash)
                )
            }
        };
        output.result(&object, text);
        if *code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

async fn submit(client: &mut Client, tx: &[u8], wait: &Wait, output: &Output) -> Result<ExitCode, Failure> {
    let hash = TxHash::of(tx);
    let params = json!({ "tx": BASE64.encode(tx) });
    let outcome = if wait.wait {
        committed(client, hash, params, Duration::from_secs(wait.timeout)).await?
    } else {
        Outcome::new(hash, 0, &client.call("broadcast_tx_sync", params).await?)?
    };
    Ok(outcome.report(output))
}

/// Submits until it is committed or refused: the same transaction submitted again only waits on.
async fn committed(
    client: &mut Client,
    hash: TxHash,
    params: Value,
    wait: Duration,
) -> Result<Outcome, Failure> {
    let deadline = Instant::now() + wait;
    loop {
        let answer = client.call("broadcast_tx_commit", params.clone()).await?;
        let check = Outcome::new(hash, 0, &answer["check_tx"])?;
        let waits_on = check.codespace == rpc::CODESPACE && check.code == rpc::Code::CommitTimeout as u64;
        if check.code == 0 {
            let height = integer(&answer["height"]).ok_or("the node's answer holds no height")?;
            return Outcome::new(hash, height, &answer["tx_result"]);
        }
        if !waits_on || Instant::now() >= deadline {
            return Ok(check);
        }
    }
}

async fn show(tx: &str, client: &mut Client, output: &Output) -> Result<ExitCode, Failure> {
    if let Ok(hash) = tx.trim_start_matches("0x").parse::<TxHash>() {
        let found = client.call("tx", json!({ "hash": upper(&hash) })).await?;
        let text = serde_json::to_string_pretty(&found)?;
        output.result(&found, text);
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = from_base64(tx)?.0;
    let mut object = serde_json::to_value(Transaction::decode(&bytes)?)?;
    object["hash"] = upper(&TxHash::of(&bytes)).into();
    let text = serde_json::to_string_pretty(&object)?;
    output.result(&object, text);
    Ok(ExitCode::SUCCESS)
}

/// Hashes are written in capitals over JSON-RPC; so they are here.
fn upper(hash: &TxHash) -> String {
    hex::encode_upper(hash)
}
