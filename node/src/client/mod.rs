//! A client of the JSON-RPC of one node or of several of one chain: one kept connection to each, one request at a time.
//!
//! Where a node is down or busy the next one is asked, as far as that can do no harm: reads, and the same bytes of a transaction, which have
//! one hash and execute at most once.
//!
//! | file | holds |
//! |---|---|
//! | `url` | where a node is |
//! | `access` | the bearer key to show, and the roots of certificates to trust |
//! | `connection` | HTTP, plain or over TLS |
//! | `error` | why a request has no result, and whether asking again may help |
//! | `again` | pauses between attempts |
//! | `submit` | handing in a transaction, safely again |
//! | `fate` | what becomes of it |
//! | `events` | a stream of events from a cursor on |
//! | `nodes` | which node is asked |
//! | `reads` | what is read most, typed |
//! | `dialect` | what of it is JSON |

mod access;
mod again;
mod connection;
mod dialect;
mod error;
mod events;
mod fate;
mod nodes;
mod reads;
mod submit;
mod url;

use std::time::Duration;

use althing_ledger::{
    Query, QueryResult,
    asset::{AccountView, Address, Question},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hyper::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::nodes::Nodes;
pub use self::{
    access::{Access, AccessError},
    dialect::*,
    error::ClientError,
    events::{Attribute, ChainEvent, Events},
    fate::{Fate, Status, Waited},
    reads::{Page, Shown},
    submit::Submitted,
    url::{NodeUrl, NodeUrlError},
};

/// How long one request may take, beyond what the node itself may wait for a commit.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one node, or of several of one chain.
#[derive(Debug)]
pub struct Client {
    nodes: Nodes,
}

impl Client {
    /// An anonymous client that connects with its first request.
    pub fn new(node: NodeUrl) -> Self {
        Self::with(node, Access::default())
    }

    /// The same with a key to show and roots to trust.
    pub fn with(node: NodeUrl, access: Access) -> Self {
        Self::among(node, [], access)
    }

    /// One of several nodes of a chain: the first is asked as long as it answers and is not busy, then the next.
    pub fn among(first: NodeUrl, others: impl IntoIterator<Item = NodeUrl>, access: Access) -> Self {
        Self { nodes: Nodes::new(first, others, &access) }
    }

    /// Where it asks next.
    pub fn node(&self) -> &NodeUrl {
        &self.nodes.current().node
    }

    /// The result of a method. It is sent to one node: only where there is no connection, so that none has heard of it, to the next.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.call_within(method, params, REQUEST_TIMEOUT).await
    }

    /// The same, for at most so long.
    async fn call_within(
        &mut self,
        method: &str,
        params: Value,
        patience: Duration,
    ) -> Result<Value, ClientError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = Bytes::from(request.to_string());
        for _ in 1..self.nodes.count() {
            match self.attempt(body.clone(), patience).await {
                Err(ClientError::Connect { .. }) => {}
                other => return other,
            }
        }
        self.attempt(body, patience).await
    }

    /// One attempt at one node; after one that may be worth another, the next one's turn has come.
    async fn attempt(&mut self, body: Bytes, patience: Duration) -> Result<Value, ClientError> {
        let node = self.nodes.current_mut();
        let answer = timeout(patience, node.post(body)).await.unwrap_or_else(|_| {
            Err(ClientError::Timeout { node: node.node.clone(), seconds: patience.as_secs() })
        });
        let result = answer.and_then(|answer| self.result(&answer));
        if let Some(error) = result.as_ref().err().filter(|error| error.is_passing()) {
            self.nodes.turn(error.retry_after());
        }
        result
    }

    /// The answer to a request that is written already, as it came.
    pub(crate) async fn post(&mut self, body: Bytes) -> Result<Bytes, ClientError> {
        let late = ClientError::Timeout { node: self.node().clone(), seconds: REQUEST_TIMEOUT.as_secs() };
        timeout(REQUEST_TIMEOUT, self.nodes.current_mut().post(body)).await.unwrap_or(Err(late))
    }

    /// What is served at a path, as text.
    pub(crate) async fn get(&mut self, path: &str) -> Result<String, ClientError> {
        let late = ClientError::Timeout { node: self.node().clone(), seconds: REQUEST_TIMEOUT.as_secs() };
        let body = timeout(REQUEST_TIMEOUT, self.nodes.current_mut().get(path)).await.unwrap_or(Err(late))?;
        String::from_utf8(body.to_vec()).map_err(|error| self.answer_error(error))
    }

    /// An account of the asset ledger.
    pub async fn account(&mut self, address: &Address) -> Result<AccountView, ClientError> {
        self.ask(&Question::Account { account: *address }).await
    }

    /// The answer of the asset ledger to a question.
    pub async fn ask<T: DeserializeOwned>(&mut self, question: &Question) -> Result<T, ClientError> {
        let answer = self.query(&question.query()).await?;
        serde_json::from_slice(&answer.value).map_err(|error| self.answer_error(error))
    }

    /// The application's answer to a query, with its proof if the query asks for one.
    pub async fn query(&mut self, query: &Query) -> Result<QueryResult, ClientError> {
        let Query { path, data, height, prove } = query;
        let params =
            json!({ "path": path, "data": hex::encode(data), "height": height.to_string(), "prove": prove });
        let answer = self.read::<Value>("abci_query", params).await?["response"].take();
        let code = answer["code"].as_u64().ok_or_else(|| self.answer_error("it holds no code"))?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        if code != 0 {
            let (codespace, log) = (text("codespace"), text("log"));
            return Err(ClientError::Query { node: self.node().clone(), code, codespace, log });
        }
        let bytes = |value: &Value| {
            BASE64.decode(value.as_str().unwrap_or_default()).map_err(|error| self.answer_error(error))
        };
        let proof = &answer["proofOps"]["ops"][0]["data"];
        Ok(QueryResult {
            key: bytes(&answer["key"])?,
            value: bytes(&answer["value"])?,
            height: integer(&answer["height"]).ok_or_else(|| self.answer_error("it holds no height"))?,
            proof: proof.is_string().then(|| bytes(proof)).transpose()?,
            ..QueryResult::default()
        })
    }

    fn result(&self, answer: &[u8]) -> Result<Value, ClientError> {
        let mut answer: Value = serde_json::from_slice(answer).map_err(|error| self.answer_error(error))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            return Err(ClientError::of(self.node(), error));
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(self.answer_error("it has neither result nor error")),
        }
    }

    fn answer_error(&self, reason: impl ToString) -> ClientError {
        self.nodes.current().answer_error(reason)
    }
}

/// A 64-bit integer as this dialect writes it.
pub fn integer(value: &Value) -> Option<u64> {
    value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok())
}

#[cfg(test)]
mod tests;
