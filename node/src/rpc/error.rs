//! Error objects: for requests that cannot be answered. A refused transaction is no error but a result.

use serde::Serialize;

use crate::{handle::AskError, storage::StoreError};

/// A JSON-RPC error object. The messages are those that clients of this dialect know; `data` says what is the matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RpcError {
    /// One of the numbers of JSON-RPC 2.0.
    pub code: i32,
    /// The number in words.
    pub message: &'static str,
    /// What is wrong, with what value, and what to do.
    pub data: String,
}

impl RpcError {
    const fn new(code: i32, message: &'static str, data: String) -> Self {
        Self { code, message, data }
    }

    /// The body is not JSON.
    pub(crate) fn parse(data: impl ToString) -> Self {
        Self::new(-32700, "Parse error. Invalid JSON", data.to_string())
    }

    /// JSON, but no request.
    pub(crate) fn invalid_request(data: impl ToString) -> Self {
        Self::new(-32600, "Invalid Request", data.to_string())
    }

    /// No such method.
    pub(crate) fn no_method(method: &str) -> Self {
        let shown: String = method.chars().take(64).collect();
        let data = format!("no method {shown:?}; GET / lists the methods");
        Self::new(-32601, "Method not found", data)
    }

    /// A parameter is missing or wrong.
    pub(crate) fn params(data: impl ToString) -> Self {
        Self::new(-32602, "Invalid params", data.to_string())
    }

    /// The request is fine and yet has no answer.
    pub(crate) fn internal(data: impl ToString) -> Self {
        Self::new(-32603, "Internal error", data.to_string())
    }
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not be answered from the chain data");
        Self::internal("the node cannot read its chain data; its log says why")
    }
}

impl From<AskError> for RpcError {
    fn from(error: AskError) -> Self {
        Self::internal(error)
    }
}
