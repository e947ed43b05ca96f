//! Submitting a transaction, and waiting for what becomes of it.

use std::{process::ExitCode, time::Duration};

use althing_crypto::{Encoding, TxHash};
use althing_ledger::asset::{CODESPACE, Code, Instruction, LockId, Transaction};
use althing_mempool::{CODESPACE as POOL_CODESPACE, Code as PoolCode};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::Args;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::{
    cli::{Failure, Output},
    client::{Client, ClientError, Fate, Status, integer},
    rpc,
};

/// The longest that the node is asked to wait at a time.
const AT_A_TIME: Duration = Duration::from_secs(20);
/// A transaction whose sequence went to another after it was accepted is looked for so often: that is known of blocks that are there.
const LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(in crate::cli) struct Wait {
    /// Wait until it is committed
    #[arg(long)]
    wait: bool,
    /// How long to wait, at most a day
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// What became of a submitted transaction.
#[derive(Debug)]
pub(super) struct Outcome {
    hash: TxHash,
    height: u64,
    code: u64,
    codespace: String,
    log: String,
    /// The node had it before, pending or in a block.
    already: bool,
}

impl Outcome {
    pub(super) fn new(hash: TxHash, height: u64, result: &Value) -> Result<Self, Failure> {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let code = result["code"].as_u64().ok_or("the node's answer holds no code")?;
        Ok(Self { hash, height, code, codespace: text("codespace"), log: text("log"), already: false })
    }

    /// What this program says, in the node's words, of what was accepted and is not on the chain yet.
    fn pending(hash: TxHash, why: &str) -> Self {
        let log = format!(
            "accepted, {why}; it may still be executed: ask again with `althing tx show {}`, and pay no second time before that",
            upper(&hash)
        );
        let code = rpc::Code::CommitTimeout as u64;
        Self { hash, height: 0, code, codespace: rpc::CODESPACE.to_owned(), log, already: false }
    }

    /// It may still be executed: it was taken, or nobody knows whether it was.
    pub(super) fn is_pending(&self) -> bool {
        self.is_rpc(rpc::Code::CommitTimeout) || self.is_rpc(rpc::Code::Stopping)
    }

    fn is_rpc(&self, code: rpc::Code) -> bool {
        self.codespace == rpc::CODESPACE && self.code == code as u64
    }

    /// Refused before anyone took it, or failed in a block, or past its time: it has not done what it says, and correct nodes will not
    /// execute it.
    pub(super) fn is_failure(&self) -> bool {
        self.code != 0 && !self.is_pending()
    }

    /// Refused as its sequence is that of another transaction, pending or committed: it is in no block.
    pub(super) fn is_late(&self) -> bool {
        let pool = [PoolCode::SequenceTaken, PoolCode::SequenceUsed].map(|code| code as u64);
        let in_pool = self.codespace == POOL_CODESPACE && pool.contains(&self.code);
        self.height == 0 && (in_pool || self.is_code(Code::WrongSequence))
    }

    /// Whether the ledger says this of it.
    pub(super) fn is_code(&self, code: Code) -> bool {
        self.codespace == CODESPACE && self.code == u64::from(code as u32)
    }

    /// Told as that of a transaction that nobody else can have submitted.
    pub(super) fn told_as_first(self) -> Self {
        let log = if self.already && self.code == 0 { String::new() } else { self.log };
        Self { already: false, log, ..self }
    }

    /// Prints it. `tx` are the transaction's bytes.
    pub(super) fn report(&self, tx: &[u8], output: &Output) -> ExitCode {
        let (locks, Self { hash, height, code, codespace, log, already }) = (locks_of(tx), self);
        let object = json!({
            "hash": upper(hash), "height": height, "code": code, "codespace": codespace, "log": log,
            "already": already, "locks": locks,
        });
        let locks: String = locks.iter().map(|lock| format!("\nlock {lock}")).collect();
        output.result(&object, self.text() + if *code == 0 { &locks } else { "" });
        if *code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    pub(super) fn text(&self) -> String {
        let Self { hash, height, code, codespace, log, already } = self;
        let said = match (code, height) {
            (0, 0) if log.is_empty() => "accepted".to_owned(),
            // Such as that it was there already.
            (0, 0) => log.clone(),
            (0, height) if *already => {
                format!("was sent before, and committed at height {height}: it is done once")
            }
            (0, height) => format!("committed at height {height}"),
            _ if self.is_rpc(rpc::Code::Stopping) => {
                format!("{log}: whether it was taken is not known; ask another node with `althing tx show`")
            }
            _ if self.is_pending() => log.clone(),
            (code, 0) => format!("refused: {log} (code {code}, codespace {codespace})"),
            (code, height) => {
                let failed = if *already { "failed before" } else { "failed" };
                format!("{failed} at height {height}: {log} (code {code}, codespace {codespace})")
            }
        };
        format!("{} {said}", upper(hash))
    }
}

/// Submits a transaction, and waits for it if that is wanted.
pub(super) async fn submit(client: &mut Client, tx: &[u8], wait: &Wait) -> Result<Outcome, Failure> {
    let (hash, params) = (TxHash::of(tx), json!({ "tx": BASE64.encode(tx) }));
    if wait.wait {
        return committed(client, hash, params, wait.timeout).await;
    }
    accepted(client, hash, params).await
}

/// Hands it to the node. One that was in a block already has the outcome that it had there, good or bad.
async fn accepted(client: &mut Client, hash: TxHash, params: Value) -> Result<Outcome, Failure> {
    let answer = client.call("broadcast_tx_sync", params).await.map_err(|error| match error {
        ClientError::Connect { .. } => Failure::from(error),
        error => format!(
            "{error}; whether it has taken {} is not known: ask with `althing tx show` before you pay again",
            upper(&hash)
        )
        .into(),
    })?;
    let mut outcome = Outcome::new(hash, 0, &answer)?;
    // The node says something of a success if it had the transaction before.
    outcome.already = outcome.code == 0 && !outcome.log.is_empty();
    if outcome.already {
        match client.call("tx", json!({ "hash": upper(&hash) })).await {
            Ok(found) => {
                let height = integer(&found["height"]).ok_or("the node's answer holds no height")?;
                return Ok(Outcome { already: true, ..Outcome::new(hash, height, &found["tx_result"])? });
            }
            // Pending, or not executed yet.
            Err(ClientError::Rpc { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(outcome)
}

/// The ids of the locks that a transaction makes. Its bytes may be those of another application's.
fn locks_of(tx: &[u8]) -> Vec<LockId> {
    let Ok(tx) = Transaction::decode(tx) else { return Vec::new() };
    // At most 16 instructions are accepted, so the index fits.
    let indices = (0..=u8::MAX).zip(&tx.instructions);
    let locks = indices.filter(|(_, one)| matches!(one, Instruction::Lock { .. }));
    locks.map(|(index, _)| LockId::new(&tx.sender, tx.sequence, index)).collect()
}

/// Submits it, then waits until it is committed, refused after all, or so many seconds have passed.
pub(super) async fn committed(
    client: &mut Client,
    hash: TxHash,
    params: Value,
    seconds: u64,
) -> Result<Outcome, Failure> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let submitted = timeout_at(deadline, accepted(client, hash, params.clone())).await;
    let submitted = submitted.map_err(|_| {
        format!("the node did not say within {seconds} s whether it accepts {}", upper(&hash))
    })??;
    if submitted.code != 0 || submitted.height != 0 {
        return Ok(submitted);
    }
    let outcome = timeout_at(deadline, ended(client, hash, params))
        .await
        .unwrap_or_else(|_| Ok(Outcome::pending(hash, &format!("not committed within {seconds} s"))))?;
    Ok(Outcome { already: submitted.already, ..outcome })
}

/// Waits for the end of a transaction that the node has taken, over a restart of it. What a node has dropped may stand in a block that is
/// being made, and with other nodes: it is handed in again, as long as the caller wants to wait.
async fn ended(client: &mut Client, hash: TxHash, params: Value) -> Result<Outcome, Failure> {
    loop {
        let fate = match client.tx_wait_once(&hash, AT_A_TIME).await {
            Ok(fate) if fate.is_end() => return Ok(fate.into_outcome(hash)),
            Ok(fate) => fate,
            Err(error) if error.is_passing() => {
                tokio::time::sleep(error.retry_after().unwrap_or(BETWEEN_LOOKS)).await;
                continue;
            }
            Err(error) => return Ok(Outcome::pending(hash, &format!("and then: {error}"))),
        };
        if fate.status == Status::Pending {
            continue;
        }
        let check = fate.into_outcome(hash);
        if check.is_late() {
            return after_all(client, hash, check).await;
        }
        // Whatever it says to that: what counts is what becomes of the transaction.
        let _ = client.call("broadcast_tx_sync", params.clone()).await;
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What the chain says, as soon as the blocks under way must be there; if it says nothing, `check`: a copy may be signed for that.
async fn after_all(client: &mut Client, hash: TxHash, check: Outcome) -> Result<Outcome, Failure> {
    for _ in 0..LOOKS {
        match client.tx_status(&hash).await {
            Ok(fate) if fate.is_end() => return Ok(fate.into_outcome(hash)),
            Ok(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
            Err(error) => return Ok(Outcome::pending(hash, &format!("and then: {error}"))),
        }
    }
    Ok(check)
}

impl Fate {
    fn into_outcome(self, hash: TxHash) -> Outcome {
        let Self { height, code, codespace, reason: log, .. } = self;
        Outcome { hash, height: height.unwrap_or(0), code, codespace, log, already: false }
    }
}

/// Hashes are written in capitals over JSON-RPC; so they are here.
pub(super) fn upper(hash: &TxHash) -> String {
    hex::encode_upper(hash)
}
