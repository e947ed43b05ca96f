//! Handing in a transaction. The same bytes are one transaction, however often they come: so trying again is safe.

use std::time::Duration;

use althing_crypto::TxHash;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

use super::{Client, ClientError, again::Again};
use crate::{passing, rpc};

/// What a node said of a transaction that was handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Names it.
    pub hash: TxHash,
    /// 0 if it was taken, or was there before.
    pub code: u64,
    /// Whose code it is.
    pub codespace: String,
    /// Why it was refused; of one that was taken, whether it was there before.
    pub log: String,
    /// False if an attempt before got no answer: in spite of a refusal some node may have taken it then.
    pub certain: bool,
}

impl Submitted {
    /// Whether the node has it.
    pub fn is_taken(&self) -> bool {
        self.code == 0
    }
}

impl Client {
    /// Hands in a transaction, once.
    pub async fn submit(&mut self, tx: &[u8]) -> Result<Submitted, ClientError> {
        let answer = self.call("broadcast_tx_sync", json!({ "tx": BASE64.encode(tx) })).await?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok(Submitted {
            hash: TxHash::of(tx),
            code: answer["code"].as_u64().ok_or_else(|| self.answer_error("it holds no code"))?,
            codespace: text("codespace"),
            log: text("log"),
            certain: true,
        })
    }

    /// Hands in a transaction, again for what passes by itself, until there is a verdict or the time is over.
    pub async fn submit_within(&mut self, tx: &[u8], patience: Duration) -> Result<Submitted, ClientError> {
        let mut again = Again::within(patience);
        let mut certain = true;
        loop {
            let answer = match self.submit(tx).await {
                Ok(answer) if !passing::refusal_passes(&answer.codespace, answer.code) => {
                    return Ok(Submitted { certain, ..answer });
                }
                Ok(answer) => {
                    // A node that goes down does not say whether it took it.
                    let stopping = rpc::Code::Stopping as u64;
                    certain &= answer.codespace != rpc::CODESPACE || answer.code != stopping;
                    // Another's pool may have room.
                    self.nodes.turn(None);
                    Ok(Submitted { certain, ..answer })
                }
                Err(error) => {
                    certain &= !error.is_uncertain();
                    if !error.is_passing() {
                        return Err(error);
                    }
                    Err(error)
                }
            };
            if !again.wait(self.nodes.absent()).await {
                return answer;
            }
        }
    }
}
