//! What every method has at hand, and the limits on what all clients together may ask of it.

use std::sync::{Arc, OnceLock};

use althing_consensus::Height;
use althing_ledger::Application;
use althing_p2p::Network;

use super::{
    RpcError,
    caller::Caller,
    clients::Clients,
    health::Probe,
    search::Searches,
    subscriptions::Subscriptions,
    turns::{Sort, Turn, Turns, measured},
};
use crate::{config::RpcConfig, handle::NodeHandle, storage::StoreError};

/// The node behind the methods.
pub(crate) struct Context {
    pub(crate) node: NodeHandle,
    pub(crate) config: RpcConfig,
    /// None where a node is served without a network, as in tests.
    pub(crate) network: Option<Network>,
    pub(crate) subscriptions: Subscriptions,
    /// What each client uses.
    pub(crate) clients: Arc<Clients>,
    /// What `genesis` answers, encoded once.
    pub(super) genesis: OnceLock<Arc<str>>,
    turns: Turns,
    /// Whether the application answers, for those who ask whether the node is ready: they wait behind no client.
    pub(super) probe: Probe,
    /// Searches of the index under way.
    pub(super) searches: Searches,
}

impl Context {
    pub(crate) fn new(node: NodeHandle, network: Option<Network>, config: RpcConfig) -> Self {
        let (turns, probe) = (Turns::of_all(), Probe::default());
        let (clients, searches) = (Clients::new(&config), Searches::default());
        let subscriptions = Subscriptions::default();
        let genesis = OnceLock::new();
        Self { node, config, network, subscriptions, clients, genesis, turns, probe, searches }
    }

    /// Does something that blocks for a client, off the event loop, in a turn of its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        caller: &Caller,
        read: impl FnOnce(&NodeHandle) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        self.in_turn(caller, Sort::Read, read).await?.0
    }

    /// As [`Self::read`], of what the answer is made of: the turn lasts until that is encoded, as it may take many times the memory
    /// before. Whoever waits after it has to give the turn back with [`Caller::rest`].
    pub(crate) async fn show<T: Send + 'static>(
        &self,
        caller: &Caller,
        read: impl FnOnce(&NodeHandle) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let (result, turn) = self.in_turn(caller, Sort::Read, read).await?;
        caller.keep(turn);
        result
    }

    /// As [`Self::read`], for a short look on the way of a submission, or at what became of it: it never queues behind reads.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        caller: &Caller,
        look: impl FnOnce(&NodeHandle) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        self.in_turn(caller, Sort::Look, look).await?.0
    }

    /// As [`Self::read`], where it is the application that is asked: it may take its time.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        caller: &Caller,
        ask: impl FnOnce(&dyn Application) -> T + Send + 'static,
    ) -> Result<T, RpcError> {
        let question = self.turns.take(&caller.turns()?, Sort::Question).await?;
        let (answer, _question) =
            self.read(caller, move |node| Ok((ask(&**node.application()), question))).await?;
        Ok(answer)
    }

    /// Does something that blocks for the node's own sake, in nobody's turn: whoever calls this does so once at a time.
    pub(crate) async fn own<T: Send + 'static>(
        &self,
        own: impl FnOnce(&NodeHandle) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let node = self.node.clone();
        tokio::task::spawn_blocking(move || own(&node)).await.map_err(broken)?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        caller: &Caller,
        sort: Sort,
        work: impl FnOnce(&NodeHandle) -> T + Send + 'static,
    ) -> Result<(T, Turn), RpcError> {
        // The one before would be waited for in vain.
        caller.rest();
        let turn = self.turns.take(&caller.turns()?, sort).await?;
        let (node, payer) = (self.node.clone(), caller.clone());
        // The turn goes along and comes back with what was read: it is not over when the client has gone, and what was read does not
        // pile up where nobody takes it.
        let work = move || {
            let (result, cost) = measured(|| work(&node));
            payer.charge(cost);
            (result, turn)
        };
        tokio::task::spawn_blocking(work).await.map_err(broken)
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

fn broken(error: tokio::task::JoinError) -> RpcError {
    tracing::error!(%error, "a read for a client failed");
    RpcError::internal("the read failed; the node's log says why")
}
