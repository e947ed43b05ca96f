//! Error objects: for requests that cannot be answered. A refused transaction is no error but a result.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::Role;
use crate::{handle::AskError, storage::StoreError, workers::Fatal};

/// A full queue or journal has room again after about so long.
const FULL: Duration = Duration::from_secs(1);

/// A JSON-RPC error object. The messages are those that clients of this dialect know; `data` says what is the matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// One of the numbers of JSON-RPC 2.0, or of [`RpcError::BUSY`] and [`RpcError::UNAUTHORIZED`].
    pub code: i32,
    /// The number in words.
    pub message: &'static str,
    /// What is wrong, with what value, and what to do.
    pub data: String,
    /// Only when it passes by itself: after how long to ask again. `retry_after_ms` in JSON, beside the three fields that all errors have.
    pub retry_after: Option<Duration>,
}

impl Serialize for RpcError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("RpcError", 4)?;
        error.serialize_field("code", &self.code)?;
        error.serialize_field("message", self.message)?;
        // Text in any case: clients of this dialect take nothing else for an answer, and would wait for one for ever.
        error.serialize_field("data", &self.data)?;
        if let Some(after) = self.retry_after {
            error.serialize_field("retry_after_ms", &u64::try_from(after.as_millis()).unwrap_or(u64::MAX))?;
        }
        error.end()
    }
}

impl RpcError {
    /// The code of a notice to a subscriber that events were left out.
    pub const GAP: i32 = -32005;
    /// The code of what passes by itself.
    pub const BUSY: i32 = -32004;
    /// The code of what this client may not do.
    pub const UNAUTHORIZED: i32 = -32001;

    const fn new(code: i32, message: &'static str, data: String) -> Self {
        Self { code, message, data, retry_after: None }
    }

    /// Too much at once; it may be asked again after this time.
    pub(crate) fn busy(retry_after: Duration, reason: impl ToString) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Self::BUSY, "Busy", reason.to_string()) }
    }

    /// The client does not have the role that this takes.
    pub(crate) fn unauthorized(role: Role, own: Option<Role>) -> Self {
        let own = own.map_or_else(|| "no role".to_owned(), |own| format!("the role {own}"));
        let data =
            format!("this takes the role {role}, and this client has {own}; see rpc.keys and rpc.anonymous");
        Self::new(Self::UNAUTHORIZED, "Unauthorized", data)
    }

    /// The key that was shown is none of this node's.
    pub(crate) fn unknown_key() -> Self {
        Self::forbidden("the Authorization header shows no bearer key that rpc.keys lists")
    }

    /// Not for whoever asks so.
    pub(crate) fn forbidden(reason: impl ToString) -> Self {
        Self::new(Self::UNAUTHORIZED, "Unauthorized", reason.to_string())
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

    /// A method that is not to be had in this way.
    pub(crate) fn no_method_here(data: impl ToString) -> Self {
        Self::new(-32601, "Method not found", data.to_string())
    }

    /// Something was handed in, and there is no answer for this reason.
    pub(crate) fn unanswered(reason: &Self) -> Self {
        let data = format!(
            "the request was carried out, but its answer cannot be sent ({}): what it handed in may be taken; althing_tx_status tells",
            reason.data
        );
        Self::internal(data)
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

impl From<Fatal> for RpcError {
    fn from(error: Fatal) -> Self {
        match error {
            Fatal::Store(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<AskError> for RpcError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Overloaded | AskError::Full(_) => Self::busy(FULL, error),
            AskError::Stopping | AskError::Broken(_) => Self::internal(error),
        }
    }
}
