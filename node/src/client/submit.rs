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

    /// A node that goes down does not say whether it took it.
    fn is_stopping(&self) -> bool {
        self.codespace == rpc::CODESPACE && self.code == rpc::Code::Stopping as u64
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

    /// Hands in a transaction, again for what passes by itself, until there is a verdict or the time is over. Where there is none and an
    /// attempt may have been heard, what is returned says so, and not what a later attempt was told: [`ClientError::is_uncertain`].
    pub async fn submit_within(&mut self, tx: &[u8], patience: Duration) -> Result<Submitted, ClientError> {
        let mut again = Again::within(patience);
        // The first attempt that may have been heard.
        let mut unsure: Option<Result<Submitted, ClientError>> = None;
        loop {
            let mut answer = self.submit(tx).await;
            let (passes, may_be_taken) = match &answer {
                Ok(said) => (passing::refusal_passes(&said.codespace, said.code), said.is_stopping()),
                Err(error) => (error.is_passing(), error.is_uncertain()),
            };
            if let Ok(said) = &mut answer {
                said.certain = unsure.is_none() && !may_be_taken;
                if passes {
                    // Another's pool may have room.
                    self.nodes.turn(None);
                }
            }
            if !passes || !again.wait(self.nodes.absent()).await {
                return match (answer, unsure) {
                    (Err(_), Some(first)) => first,
                    (answer, _) => answer,
                };
            }
            if may_be_taken {
                unsure.get_or_insert(answer);
            }
        }
    }
}
