//! Threads of its own for what clients ask: however much that is, the driver, the network and the application keep theirs.

use std::{io, time::Duration};

use tokio::{runtime, task::JoinHandle};

/// Threads that may wait for the disk or the application at once: for each of the [turns](super::turns), and some.
const MAX_BLOCKING: usize = 32;
/// How long reads under way are waited for when the node stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How much later than consensus these threads get a processor, as `nice` counts.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The threads of the JSON-RPC server.
pub(crate) struct RpcRuntime(Option<runtime::Runtime>);

impl RpcRuntime {
    /// Starts so many threads for the server's own work.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .max_blocking_threads(MAX_BLOCKING)
            .thread_name("rpc")
            .on_thread_start(step_back())
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs this on them.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.as_ref().expect("it is taken only at the end").spawn(task)
    }

    /// Ends the threads. Blocks until the reads at hand are done, but not for long.
    pub(crate) fn stop(mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT);
        }
    }
}

impl Drop for RpcRuntime {
    fn drop(&mut self) {
        // Not where it would block, which an async context forbids.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Where consensus and clients want the same processor, consensus gets it. On Linux each thread has a niceness of its own, which
/// those that it starts have as well: so it is set, not added to.
fn step_back() -> impl Fn() + Send + Sync {
    #[cfg(target_os = "linux")]
    let own = rustix::process::getpriority_process(None).unwrap_or_default();
    move || {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(None, (own + NICENESS).min(19)) {
            tracing::debug!(%error, "a thread for clients keeps its priority");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn its_threads_step_back_and_no_others() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        let runtime = RpcRuntime::start(1).unwrap();
        let blocking = runtime.spawn(async move { tokio::task::spawn_blocking(niceness).await.unwrap() });
        let asked = runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(asked.block_on(blocking).unwrap(), (before + NICENESS).min(19));
        assert_eq!(niceness(), before);
        runtime.stop();
    }
}
