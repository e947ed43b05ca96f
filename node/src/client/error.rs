//! Why a request has no result, and whether asking again may help.

use std::{io, time::Duration};

use serde_json::Value;

use super::NodeUrl;
use crate::passing;

/// The code of a request that the node could read, and for which it has no answer.
const INTERNAL: i64 = -32603;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect to {node}: {source}; is a node running there?")]
    Connect {
        /// Where.
        node: NodeUrl,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {node} broke: {source}")]
    Connection {
        /// Where.
        node: NodeUrl,
        /// How.
        source: hyper::Error,
    },
    /// No answer in time.
    #[error("{node} did not answer within {seconds} s")]
    Timeout {
        /// Where.
        node: NodeUrl,
        /// How long was waited.
        seconds: u64,
    },
    /// An answer that is none.
    #[error("{node} answered with what is no JSON-RPC answer: {reason}")]
    Answer {
        /// Where.
        node: NodeUrl,
        /// What is wrong with it.
        reason: String,
    },
    /// The application does not answer.
    #[error("{node} cannot answer: {log} (code {code}, codespace {codespace})")]
    Query {
        /// Where.
        node: NodeUrl,
        /// The application's code.
        code: u64,
        /// Whose code it is.
        codespace: String,
        /// Why.
        log: String,
    },
    /// The node's error object.
    #[error("{node} answered: {message}: {data} (code {code})")]
    Rpc {
        /// Where.
        node: NodeUrl,
        /// JSON-RPC's number.
        code: i64,
        /// The number in words.
        message: String,
        /// What is wrong: text, or an object as JSON.
        data: String,
        /// When to ask again, if the node says so.
        retry_after: Option<Duration>,
    },
}

impl ClientError {
    /// A node's error object.
    pub(super) fn of(node: &NodeUrl, error: &Value) -> Self {
        let data = match &error["data"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Self::Rpc {
            node: node.clone(),
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            data,
            retry_after: error["retry_after_ms"].as_u64().map(Duration::from_millis),
        }
    }

    /// Whether the same may be asked again: it passes by itself, or nobody knows whether it was heard. For what does no harm when it
    /// is done twice.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Connection { .. } | Self::Timeout { .. } => true,
            Self::Answer { .. } => false,
            Self::Query { code, codespace, .. } => passing::refusal_passes(codespace, *code),
            Self::Rpc { code, .. } => passing::error_passes(*code),
        }
    }

    /// Whether the node may have acted on the request in spite of this.
    pub fn is_uncertain(&self) -> bool {
        match self {
            Self::Connect { .. } => false,
            Self::Connection { .. } | Self::Timeout { .. } | Self::Answer { .. } | Self::Query { .. } => true,
            Self::Rpc { code, .. } => *code == INTERNAL,
        }
    }

    /// When to ask again, if the node says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rpc { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
