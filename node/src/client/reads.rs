//! What is read most, typed. A read does no harm: where one node is down or busy, the next one is asked at once.

use althing_consensus::light::{Claim, Run};
use althing_crypto::{Encoding, TxHash};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{BlockResults, Client, ClientError, FoundTx, FoundTxs, NamedBlock, NodeStatus, Validators};

/// Which part of a long answer: pages count from 1, and hold at most 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its number.
    pub page: u64,
    /// How much is on one.
    pub per_page: u64,
}

impl Default for Page {
    /// As long as there can be.
    fn default() -> Self {
        Self { page: 1, per_page: 100 }
    }
}

/// What `althing_proof` is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The header of a height.
    Header(u64),
    /// That a transaction is in its block.
    Transaction(TxHash),
    /// What came of it.
    Result(TxHash),
    /// The application hash of a height.
    State(u64),
}

impl Client {
    /// Where the node stands.
    pub async fn status(&mut self) -> Result<NodeStatus, ClientError> {
        self.read("status", json!({})).await
    }

    /// The block of a height, by default of the newest.
    pub async fn block(&mut self, height: Option<u64>) -> Result<NamedBlock, ClientError> {
        self.read("block", at(height)).await
    }

    /// What executing the block of a height gave, by default the newest.
    pub async fn block_results(&mut self, height: Option<u64>) -> Result<BlockResults, ClientError> {
        self.read("block_results", at(height)).await
    }

    /// Who votes at a height, by default the newest.
    pub async fn validators(&mut self, height: Option<u64>, page: Page) -> Result<Validators, ClientError> {
        self.read("validators", paged(at(height), page)).await
    }

    /// A transaction that is in a block, with the proof of that if wanted.
    pub async fn tx(&mut self, hash: &TxHash, prove: bool) -> Result<FoundTx, ClientError> {
        self.read("tx", json!({ "hash": hash.to_string(), "prove": prove })).await
    }

    /// Transactions that meet a query, such as `transfer.sender = 'al1…'`: the lowest heights first, or the highest.
    pub async fn tx_search(
        &mut self,
        query: &str,
        page: Page,
        descending: bool,
    ) -> Result<FoundTxs, ClientError> {
        let order_by = if descending { "desc" } else { "asc" };
        self.read("tx_search", paged(json!({ "query": query, "order_by": order_by }), page)).await
    }

    /// What shows this to whoever trusts the members of its epoch: headers with the certificates that commit them, and the claim. Nothing
    /// of it is checked here but its form.
    pub async fn proof(&mut self, shown: Shown) -> Result<(Vec<Run>, Claim), ClientError> {
        let params = match shown {
            Shown::Header(height) => json!({ "height": height.to_string() }),
            Shown::Transaction(tx) => json!({ "tx": tx.to_string() }),
            Shown::Result(tx) => json!({ "result": tx.to_string() }),
            Shown::State(height) => json!({ "state": height.to_string() }),
        };
        let answer: Value = self.read("althing_proof", params).await?;
        let runs = answer["runs"].as_array().ok_or_else(|| self.answer_error("it holds no runs"))?;
        let runs = runs.iter().map(|run| self.decoded(run)).collect::<Result<_, _>>()?;
        Ok((runs, self.decoded(&answer["claim"])?))
    }

    /// The result of a method that changes nothing: of each node that is down or busy the next one is asked.
    pub(super) async fn read<T: DeserializeOwned>(
        &mut self,
        method: &str,
        params: Value,
    ) -> Result<T, ClientError> {
        let mut others = self.nodes.count() - 1;
        let answer = loop {
            match self.call(method, params.clone()).await {
                Err(error) if error.is_passing() && others > 0 => others -= 1,
                answer => break answer?,
            }
        };
        serde_json::from_value(answer).map_err(|error| self.answer_error(error))
    }

    fn decoded<T: Encoding>(&self, value: &Value) -> Result<T, ClientError> {
        let text = value.as_str().ok_or_else(|| self.answer_error(format!("it holds no {}", T::NAME)))?;
        let bytes = BASE64.decode(text).map_err(|error| self.answer_error(error))?;
        T::decode(&bytes).map_err(|error| self.answer_error(error))
    }
}

fn at(height: Option<u64>) -> Value {
    height.map_or_else(|| json!({}), |height| json!({ "height": height.to_string() }))
}

fn paged(mut params: Value, Page { page, per_page }: Page) -> Value {
    (params["page"], params["per_page"]) = (page.to_string().into(), per_page.to_string().into());
    params
}
