//! A client of a node's JSON-RPC: one kept connection, one request at a time.

use std::{fmt, io, str::FromStr, time::Duration};

use althing_ledger::{
    Query, QueryResult,
    asset::{AccountView, Address, Question},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// How long one request may take, beyond what the node itself may wait for a commit.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a node serves JSON-RPC: `http://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUrl {
    /// `host:port`, both for connecting and as the Host header.
    authority: String,
}

/// Text that is not a [`NodeUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form http://host:port, such as http://127.0.0.1:26657")]
pub struct NodeUrlError(String);

impl FromStr for NodeUrl {
    type Err = NodeUrlError;

    fn from_str(text: &str) -> Result<Self, NodeUrlError> {
        let fault = || NodeUrlError(text.to_owned());
        let rest =
            ["http://", "tcp://"].iter().find_map(|scheme| text.strip_prefix(scheme)).ok_or_else(fault)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = authority.rsplit_once(':').ok_or_else(fault)?;
        let host_char = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        if host.is_empty() || !host.chars().all(host_char) || port.parse::<u16>().is_err() {
            return Err(fault());
        }
        Ok(Self { authority: authority.to_owned() })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

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
        /// What is wrong.
        data: String,
    },
}

/// A client of one node.
#[derive(Debug)]
pub struct Client {
    node: NodeUrl,
    connection: Option<http1::SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client that connects with its first request.
    pub fn new(node: NodeUrl) -> Self {
        Self { node, connection: None }
    }

    /// The result of a method.
    pub async fn call(&mut self, method: &str, params: Value) -> Result<Value, ClientError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = Bytes::from(request.to_string());
        let answer = timeout(REQUEST_TIMEOUT, self.post(body)).await.unwrap_or_else(|_| {
            Err(ClientError::Timeout { node: self.node.clone(), seconds: REQUEST_TIMEOUT.as_secs() })
        });
        if answer.is_err() {
            // Whatever still comes over this connection belongs to no request.
            self.connection = None;
        }
        self.result(&answer?)
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
        let answer = self.call("abci_query", params).await?["response"].take();
        let code = answer["code"].as_u64().ok_or_else(|| self.answer_error("it holds no code"))?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        if code != 0 {
            let (codespace, log) = (text("codespace"), text("log"));
            return Err(ClientError::Query { node: self.node.clone(), code, codespace, log });
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

    async fn post(&mut self, body: Bytes) -> Result<Bytes, ClientError> {
        let mut connection = match self.connection.take() {
            Some(mut kept) => match kept.ready().await {
                Ok(()) => kept,
                // The node closed it while it was idle.
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let request = Request::post("/")
            .header(header::HOST, &self.node.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.answer_error(error))?;
        let response = match connection.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                // Closed in the moment of sending: nothing was sent, so it can be sent again.
                Some(request) => {
                    connection = self.connect().await?;
                    connection.send_request(request).await.map_err(|source| self.broken(source))?
                }
                None => return Err(self.broken(error.into_error())),
            },
        };
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            match error.downcast::<hyper::Error>() {
                Ok(source) => self.broken(*source),
                Err(error) if error.is::<LengthLimitError>() => {
                    self.answer_error(format!("longer than {MAX_ANSWER_BYTES} bytes"))
                }
                Err(error) => self.answer_error(error),
            }
        })?;
        self.connection = Some(connection);
        Ok(body.to_bytes())
    }

    async fn connect(&self) -> Result<http1::SendRequest<Full<Bytes>>, ClientError> {
        let failed = |source| ClientError::Connect { node: self.node.clone(), source };
        let stream = TcpStream::connect(&self.node.authority).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.broken(source))?;
        // Ends with the sender, or with the connection; the request that suffers from that says so.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn result(&self, answer: &[u8]) -> Result<Value, ClientError> {
        let mut answer: Value = serde_json::from_slice(answer).map_err(|error| self.answer_error(error))?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
            return Err(ClientError::Rpc {
                node: self.node.clone(),
                code: error["code"].as_i64().unwrap_or_default(),
                message: text("message"),
                data: text("data"),
            });
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(self.answer_error("it has neither result nor error")),
        }
    }

    fn broken(&self, source: hyper::Error) -> ClientError {
        ClientError::Connection { node: self.node.clone(), source }
    }

    fn answer_error(&self, reason: impl ToString) -> ClientError {
        ClientError::Answer { node: self.node.clone(), reason: reason.to_string() }
    }
}

/// A 64-bit integer as this dialect writes it.
pub fn integer(value: &Value) -> Option<u64> {
    value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_host_and_port() {
        for (text, expected) in [
            ("http://127.0.0.1:26657", Some("http://127.0.0.1:26657")),
            ("http://localhost:1/", Some("http://localhost:1")),
            ("tcp://[::1]:80", Some("http://[::1]:80")),
            ("https://localhost:1", None),
            ("localhost:1", None),
            ("http://localhost", None),
            ("http://:1", None),
            ("http://a b:1", None),
            ("http://a/b:1", None),
            ("http://a:70000", None),
        ] {
            assert_eq!(
                text.parse::<NodeUrl>().ok().map(|url| url.to_string()),
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }
}
