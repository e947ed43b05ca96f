//! Events of a chain, one after the other, from a cursor on: after a cut the stream goes on behind the last one that was handed out.

use std::{collections::VecDeque, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::{Client, ClientError, again::Again, dialect::decimal};

/// How long a node is asked to wait for an event.
const WAIT: Duration = Duration::from_secs(20);
/// Events in one answer.
const PAGE: u64 = 100;
/// How often a node is asked again that is not where the cursor is, as one may be that takes the place of another.
const LOOKS_IF_BEHIND: u32 = 120;
const PAUSE_IF_BEHIND: Duration = Duration::from_millis(500);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChainEvent {
    /// Where to go on behind this event: to be kept with what the event led to.
    pub cursor: String,
    /// The block's height.
    #[serde(deserialize_with = "decimal")]
    pub height: u64,
    /// Which transaction of the block it is of; none if it is of the block itself.
    #[serde(default)]
    pub tx_index: Option<u32>,
    /// The hash of that transaction.
    #[serde(default)]
    pub hash: Option<String>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// The details, in order.
    pub attributes: Vec<Attribute>,
}

/// A detail of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attribute {
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

#[derive(Deserialize)]
struct Page {
    cursor: String,
    events: Vec<ChainEvent>,
}

/// A stream of events that survives its connection.
#[derive(Debug)]
pub struct Events {
    client: Client,
    query: Option<String>,
    cursor: Option<String>,
    ready: VecDeque<ChainEvent>,
}

impl Events {
    /// The events behind a cursor, or without one those to come; only such as match the query, if there is one.
    pub fn new(client: Client, cursor: Option<String>, query: Option<String>) -> Self {
        Self { client, query, cursor, ready: VecDeque::new() }
    }

    /// The next event: waits for it as long as it takes, through nodes that go and come. An error is one that does not pass: the
    /// query is wrong, or the node keeps the events behind the cursor no more. Can be dropped and called again.
    pub async fn next(&mut self) -> Result<ChainEvent, ClientError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            self.fetch(WAIT).await?;
        }
    }

    /// The next event if the node has one now.
    pub async fn next_ready(&mut self) -> Result<Option<ChainEvent>, ClientError> {
        if self.ready.is_empty() {
            self.fetch(Duration::ZERO).await?;
        }
        Ok(self.ready.pop_front())
    }

    async fn fetch(&mut self, wait: Duration) -> Result<(), ClientError> {
        // Where the stream begins has to be known before anything cuts it off: another answer may begin later.
        let wait = if self.cursor.is_some() { wait } else { Duration::ZERO };
        let mut params =
            json!({ "limit": PAGE, "wait_ms": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) });
        for (name, value) in [("cursor", &self.cursor), ("query", &self.query)] {
            if let Some(value) = value {
                params[name] = value.as_str().into();
            }
        }
        // Who follows a chain waits for it.
        let (mut again, mut behind) = (Again::endless(), 0);
        let answer = loop {
            let patience = super::REQUEST_TIMEOUT + wait;
            match self.client.call_within("althing_events", params.clone(), patience).await {
                Err(error) if is_behind(&error) && behind < LOOKS_IF_BEHIND => {
                    behind += 1;
                    self.client.nodes.turn(None);
                    sleep(PAUSE_IF_BEHIND).await;
                }
                Err(error) if error.is_passing() => _ = again.wait(self.client.nodes.absent()).await,
                other => break other?,
            }
        };
        let page: Page = serde_json::from_value(answer).map_err(|error| self.client.answer_error(error))?;
        self.cursor = Some(page.cursor);
        self.ready = page.events.into();
        Ok(())
    }
}

fn is_behind(error: &ClientError) -> bool {
    matches!(error, ClientError::Rpc { code: -32603, data, .. } if data.contains("must be less than or equal to"))
}
