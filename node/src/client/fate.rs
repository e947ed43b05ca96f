//! What becomes of a transaction, by its hash: asked once, or waited for through nodes that go and come.

use std::time::Duration;

use althing_crypto::TxHash;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Client, ClientError, Submitted, again::Again, integer};

/// The longest that a node is asked to wait at a time: it may be gone long before a minute is over, and somebody else knows.
const WAIT: Duration = Duration::from_secs(20);

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The node knows nothing of it.
    Unknown,
    /// Taken, and in no block yet.
    Pending,
    /// In a block, and it did what it says.
    Committed,
    /// In a block, or refused after it was taken: it did nothing.
    Failed,
    /// Past the last height at which it could execute.
    Expired,
    /// Taken, and dropped by this node.
    Evicted,
}

/// What a node knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Where it stands.
    pub status: Status,
    /// Whether that can never change. What a node has dropped may be with another one, and what failed in a block without using its
    /// sequence could be put into another by a faulty leader.
    pub is_final: bool,
    /// The block that holds it.
    pub height: Option<u64>,
    /// Why it did nothing; 0 if it did what it says, or may still.
    pub code: u64,
    /// Whose code it is.
    pub codespace: String,
    /// The reason in words.
    pub reason: String,
}

impl Fate {
    /// Whether it is in a block, or can never be in one: nothing more is to be waited for.
    pub fn is_end(&self) -> bool {
        self.is_final || self.height.is_some()
    }

    fn read(answer: &Value) -> Option<Self> {
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Some(Self {
            status: Status::deserialize(&answer["status"]).ok()?,
            is_final: answer["final"].as_bool()?,
            height: integer(&answer["height"]).filter(|height| *height > 0),
            code: answer["code"].as_u64().unwrap_or_default(),
            codespace: text("codespace"),
            reason: text("reason"),
        })
    }
}

/// How waiting for a transaction ended.
#[derive(Debug)]
pub enum Waited {
    /// It is in a block, or can never be in one.
    Ended(Fate),
    /// The time is over: what was heard last, which may still change.
    Open(Result<Fate, ClientError>),
}

impl Client {
    /// What the node knows of a transaction.
    pub async fn tx_status(&mut self, hash: &TxHash) -> Result<Fate, ClientError> {
        let answer = self.call("althing_tx_status", json!({ "hash": hash.to_string() })).await?;
        Fate::read(&answer).ok_or_else(|| self.answer_error("it holds no status"))
    }

    /// Asks a node once to wait for the end of a transaction, for at most so long: what it knows then.
    pub async fn tx_wait_once(&mut self, hash: &TxHash, wait: Duration) -> Result<Fate, ClientError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let params = json!({ "hash": hash.to_string(), "wait_ms": wait_ms });
        let answer = self.call_within("althing_tx_wait", params, super::REQUEST_TIMEOUT + wait).await?;
        Fate::read(&answer).ok_or_else(|| self.answer_error("it holds no status"))
    }

    /// Waits for the end of a transaction, over connections that break and nodes that restart.
    pub async fn tx_wait(&mut self, hash: &TxHash, patience: Duration) -> Waited {
        self.wait_for(hash, None, patience).await
    }

    /// Hands in a transaction and waits for its end. What the node lost sight of is handed in again: the same bytes are the same
    /// transaction. The verdict, if it was certainly never taken.
    pub async fn submit_and_wait(
        &mut self,
        tx: &[u8],
        patience: Duration,
    ) -> Result<Waited, Result<Submitted, ClientError>> {
        let submitted = match self.submit_within(tx, patience).await {
            Ok(submitted) => submitted,
            Err(error) if error.is_uncertain() => return Ok(Waited::Open(Err(error))),
            Err(error) => return Err(Err(error)),
        };
        if !submitted.is_taken() && submitted.certain {
            return Err(Ok(submitted));
        }
        Ok(self.wait_for(&submitted.hash, Some(tx), patience).await)
    }

    async fn wait_for(&mut self, hash: &TxHash, tx: Option<&[u8]>, patience: Duration) -> Waited {
        let mut again = Again::within(patience);
        loop {
            let wait = again.left().min(WAIT);
            let asked = Instant::now();
            let answer = self.tx_wait_once(hash, wait).await;
            match &answer {
                Ok(fate) if fate.is_end() => return Waited::Ended(fate.clone()),
                // It has waited as long as it was asked to.
                Ok(fate) if fate.status == Status::Pending && asked.elapsed() >= wait / 2 => {
                    match again.left().is_zero() {
                        true => return Waited::Open(answer),
                        false => continue,
                    }
                }
                // One that answers sooner goes down.
                Ok(fate) if fate.status == Status::Pending => self.nodes.turn(None),
                Ok(_) => match tx {
                    // Whatever it says now, what counts is what becomes of the transaction.
                    Some(tx) => drop(self.submit(tx).await),
                    // Another one may have it.
                    None => self.nodes.turn(None),
                },
                Err(error) if error.is_passing() => {}
                // One that goes down, or cannot read its disk, is no reason to give up: another one knows.
                Err(error) if error.is_uncertain() => self.nodes.turn(None),
                Err(_) => return Waited::Open(answer),
            }
            if !again.wait(self.nodes.absent()).await {
                return Waited::Open(answer);
            }
        }
    }
}
