//! `/live` and `/ready`: whether to start the node anew, and whether to send clients to it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use althing_consensus::Power;
use serde_json::{Map, Value, json};
use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::Context;
use crate::handle::{NodeHandle, NodeStatus};

/// For so long it is believed what the application said.
const FRESH: Duration = Duration::from_secs(1);
/// How long the application may take to say where it stands.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the node runs at all: it answers, and its driver has not ended.
pub(super) fn live(context: &Context) -> (bool, Value) {
    let live = context.node.status_changes().has_changed().is_ok();
    (live, json!({ "live": live }))
}

/// Whether what it answers is up to date, and what is handed in can be committed; with what is not, and why.
pub(super) async fn ready(context: &Arc<Context>) -> (bool, Value) {
    let status = context.node.status();
    let mut not = Map::new();
    if let Some(reason) = &status.halted {
        not.insert("running".to_owned(), reason.as_str().into());
    }
    if status.catching_up {
        let behind =
            format!("peers show blocks above height {} that are still to be fetched", status.committed);
        not.insert("synced".to_owned(), behind.into());
    }
    if let Some(reason) = quorum(context, &status) {
        not.insert("quorum".to_owned(), reason.into());
    }
    if context.node.journal().is_broken() {
        not.insert("journal".to_owned(), "it cannot be written: no submission is acknowledged".into());
    }
    if let Some(reason) = application(context).await {
        not.insert("application".to_owned(), reason.into());
    }
    (not.is_empty(), json!({ "ready": not.is_empty(), "not": not }))
}

/// The power of the validators that are connected, with this node's own.
pub(super) fn connected_power(context: &Context, status: &NodeStatus) -> Power {
    let me = context.node.identity();
    let members = status.validators.members().iter();
    let here = members.filter(|member| {
        member.identity == me || status.peers.iter().any(|peer| peer.identity == member.identity)
    });
    Power(here.map(|member| member.power.0).sum())
}

/// Why no quorum is seen. A node that only follows may know a quorum by what its peers pass on.
fn quorum(context: &Context, status: &NodeStatus) -> Option<String> {
    let here = connected_power(context, status);
    if status.validators.is_quorum(here) || status.position.is_none() && !status.peers.is_empty() {
        return None;
    }
    let total = status.validators.total();
    Some(format!("validators with {here} of {total} power are connected, that is no quorum"))
}

async fn application(context: &Arc<Context>) -> Option<String> {
    if let Some(trouble) = context.node.application().link().and_then(|link| link.trouble()) {
        return Some(trouble);
    }
    context.probe.trouble(&context.node).await
}

/// Whether the application answers. However many want to know, it is asked once in a while, and one thread waits for it.
#[derive(Default)]
pub(super) struct Probe(Mutex<Told>);

#[derive(Default)]
struct Told {
    at: Option<Instant>,
    trouble: Option<String>,
    /// Goes on where nobody waits any longer.
    asking: Option<JoinHandle<Option<String>>>,
}

impl Probe {
    async fn trouble(&self, node: &NodeHandle) -> Option<String> {
        let mut told = self.0.lock().await;
        if told.at.is_some_and(|at| at.elapsed() < FRESH) {
            return told.trouble.clone();
        }
        let asked = || {
            let node = node.clone();
            spawn_blocking(move || node.application().info().err().map(|error| error.to_string()))
        };
        let trouble = match timeout(PATIENCE, told.asking.get_or_insert_with(asked)).await {
            Ok(answer) => {
                told.asking = None;
                answer.unwrap_or_else(|error| Some(error.to_string()))
            }
            Err(_) => Some(format!("it does not answer within {} s", PATIENCE.as_secs())),
        };
        told.at = Some(Instant::now());
        told.trouble.clone_from(&trouble);
        trouble
    }
}
