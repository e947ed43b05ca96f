//! What has to end with a node, and in which order.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use althing_ledger::Application;
use althing_p2p as p2p;
use tokio::sync::{oneshot, watch};

use super::{NodeError, opening::close};
use crate::journal::Journal;
use crate::rpc::RpcRuntime;
use crate::shell::{Actor, panic_message};
use crate::storage::DataDirectory;
use crate::workers::Fatal;

pub(super) type ActorEnd = oneshot::Receiver<Result<(), Fatal>>;

/// Gives the driver its thread. A panic there is a broken invariant: the node ends, and has signed nothing after it.
pub(super) fn drive(actor: Actor) -> io::Result<ActorEnd> {
    let (ended, end) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::Builder::new().name("driver".to_owned()).spawn(move || {
        let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(actor.run())));
        let broken = |panic: Box<dyn Any + Send>| {
            Err(Fatal::Broken(format!("the driver: {}", panic_message(&*panic))))
        };
        // The supervisor may have gone with the runtime.
        let _ = ended.send(run.unwrap_or_else(broken));
    })?;
    Ok(end)
}

/// What has to end with the node.
pub(super) struct Supervised {
    pub(super) actor: ActorEnd,
    pub(super) serving: tokio::task::JoinHandle<()>,
    pub(super) rpc_threads: RpcRuntime,
    pub(super) network: p2p::Network,
    pub(super) application: Arc<dyn Application>,
    pub(super) journal: Kept,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) data: DataDirectory,
    pub(super) stop: watch::Sender<bool>,
}

/// The journal, and the tasks that follow blocks for it.
pub(super) struct Kept {
    pub(super) closing: CloseJournal,
    pub(super) followers: [tokio::task::JoinHandle<()>; 2],
}

/// Dropped, the journal's thread writes what there is and ends.
pub(super) struct CloseJournal(pub(super) Journal);

impl Drop for CloseJournal {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Waits for the driver's end, then ends everything else in order: clients, network, jobs at hand, data.
pub(super) async fn supervise(node: Supervised) -> Result<(), NodeError> {
    let Supervised { actor, serving, rpc_threads, network, application, journal, threads, data, stop } = node;
    let outcome =
        actor.await.unwrap_or_else(|_| Err(Fatal::Broken("the driver's thread has ended".to_owned())));
    if let Err(error) = &outcome {
        tracing::error!(%error, "stopping");
    }
    stop.send_replace(true);
    if let Err(error) = serving.await {
        tracing::error!(%error, "the JSON-RPC server failed");
    }
    network.shutdown().await;
    close(&application);
    for follower in journal.followers {
        // They end with the driver; what they hold of the data is to be closed with the rest.
        _ = follower.await;
    }
    drop(journal.closing);
    let joined = tokio::task::spawn_blocking(move || {
        rpc_threads.stop();
        threads.into_iter().for_each(|thread| _ = thread.join());
        // Here, as it waits for the database to take what is left in the log.
        drop(data);
    })
    .await;
    joined.map_err(|error| Fatal::Broken(error.to_string()))?;
    Ok(outcome?)
}
