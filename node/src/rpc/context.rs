//! What every method has at hand, and the limits on what all clients together may ask of it.

use std::sync::Arc;

use althing_consensus::Height;
use althing_ledger::Application;
use althing_p2p::Network;
use tokio::sync::Semaphore;

use super::{RpcError, clients::Clients, search::Searches, subscriptions::Subscriptions};
use crate::{config::RpcConfig, handle::NodeHandle, storage::StoreError};

/// Reads from the disk or the application at once; each takes a thread.
const MAX_READS: usize = 8;
/// Of these so many ask the application: one that hangs must not keep clients from the node's own answers, such as what hangs.
const MAX_QUESTIONS: usize = 4;

/// Looks at the disk on the way of submissions at once.
const MAX_LOOKS: usize = 4;

/// The node behind the methods.
pub(crate) struct Context {
    pub(crate) node: NodeHandle,
    pub(crate) config: RpcConfig,
    /// None where a node is served without a network, as in tests.
    pub(crate) network: Option<Network>,
    pub(crate) subscriptions: Subscriptions,
    /// What each client uses.
    pub(crate) clients: Arc<Clients>,
    reads: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    /// Whoever asks whether the node is ready waits behind no client.
    probe: Arc<Semaphore>,
    /// Searches of the index under way.
    pub(super) searches: Searches,
}

impl Context {
    pub(crate) fn new(node: NodeHandle, network: Option<Network>, config: RpcConfig) -> Self {
        let turns = |turns| Arc::new(Semaphore::new(turns));
        let (reads, looks, questions) = (turns(MAX_READS), turns(MAX_LOOKS), turns(MAX_QUESTIONS));
        let probe = turns(1);
        let (clients, searches) = (Clients::new(&config), Searches::default());
        let subscriptions = Subscriptions::default();
        Self { node, config, network, subscriptions, clients, reads, looks, questions, probe, searches }
    }

    /// Does something that blocks, off the event loop, in its turn.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&NodeHandle) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let turn = Arc::clone(&self.reads).acquire_owned().await.map_err(RpcError::internal)?;
        let node = self.node.clone();
        // The turn goes along and comes back with what was read: it is not over when the client has gone, and what was read does not
        // pile up where nobody takes it.
        let work = tokio::task::spawn_blocking(move || (read(&node), turn));
        let (result, _turn) = work.await.map_err(|error| {
            tracing::error!(%error, "a read for a client failed");
            RpcError::internal("the read failed; the node's log says why")
        })?;
        result
    }

    /// As [`Self::read`], for a short look on the way of a submission, or at what became of it: it never queues behind reads.
    pub(crate) async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&NodeHandle) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let turn = Arc::clone(&self.looks).acquire_owned().await.map_err(RpcError::internal)?;
        let node = self.node.clone();
        let work = tokio::task::spawn_blocking(move || (look(&node), turn));
        work.await.map_err(RpcError::internal)?.0
    }

    /// Asks the application whether it answers.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        let probe = Arc::clone(&self.probe).acquire_owned().await.map_err(|error| error.to_string())?;
        let node = self.node.clone();
        let work = tokio::task::spawn_blocking(move || (node.application().info(), probe));
        let (info, _probe) = work.await.map_err(|error| error.to_string())?;
        info.map(drop).map_err(|error| error.to_string())
    }

    /// As [`Self::read`], where it is the application that is asked: it may take its time.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        ask: impl FnOnce(&dyn Application) -> T + Send + 'static,
    ) -> Result<T, RpcError> {
        let question = Arc::clone(&self.questions).acquire_owned().await.map_err(RpcError::internal)?;
        let (answer, _question) = self.read(move |node| Ok((ask(&**node.application()), question))).await?;
        Ok(answer)
    }

    /// The height asked for, or the newest one whose results are stored.
    pub(crate) fn height(&self, asked: Option<Height>) -> Result<Height, RpcError> {
        let newest = *self.node.executed().borrow();
        match asked {
            None if newest == Height(0) => Err(RpcError::internal("the chain has no block yet")),
            None => Ok(newest),
            Some(height) if height <= newest => Ok(height),
            Some(height) => Err(RpcError::internal(format!(
                "height {height} must be less than or equal to the current blockchain height {newest}"
            ))),
        }
    }
}

/// What must be in the store at a height up to the executed one.
pub(crate) fn stored<T>(
    found: Result<Option<T>, StoreError>,
    what: &str,
    height: Height,
) -> Result<T, RpcError> {
    found?
        .ok_or_else(|| RpcError::internal(format!("the {what} of height {height} is not kept by this node")))
}
