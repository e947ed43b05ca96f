//! Threads for the driver's jobs: one for each ordered lane, a few for the others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc;

use super::revival::{Execution, Revival};
use crate::driver::{CheckJob, Done, ExecuteJob, Job, PrecheckJob, SafetyJob, ServeJob, StoreJob, VerifyJob};
use crate::meters::Meters;
use crate::workers::{Fatal, Workers};

/// Jobs that may wait in an ordered lane; the driver has few under way.
const ORDERED_JOBS: usize = 256;
/// Jobs that may wait in a shared lane: more than the driver lets all peers together have under way.
const SHARED_JOBS: usize = 8_192;
/// Results that may wait for the driver; a lane waits then.
const RESULTS: usize = 1_024;
/// Threads that verify, and that answer peers.
const VERIFIERS: usize = 2;
const SERVERS: usize = 1;
/// Threads for prechecks, which are most of the work under load: as many as there are processors, within these bounds. They have
/// a queue of their own, so that votes never wait behind transactions.
const MIN_PRECHECKERS: usize = 2;
const MAX_PRECHECKERS: usize = 8;

/// The queues of all lanes.
pub(crate) struct Lanes {
    safety: Option<SyncSender<SafetyJob>>,
    store: SyncSender<StoreJob>,
    execute: SyncSender<ExecuteJob>,
    verify: SyncSender<VerifyJob>,
    precheck: SyncSender<PrecheckJob>,
    check: SyncSender<CheckJob>,
    serve: SyncSender<ServeJob>,
}

/// What came of a job, or what stops the node.
pub(crate) type Outcome = Result<Done, Fatal>;

impl Lanes {
    /// Starts the threads. They end when the queues are dropped, after the job at hand.
    pub(crate) fn start(
        workers: Workers,
        revival: Revival,
        meters: Arc<Meters>,
    ) -> std::io::Result<(Self, mpsc::Receiver<Outcome>, Vec<JoinHandle<()>>)> {
        let (results, done) = mpsc::channel(RESULTS);
        let mut threads = Vec::new();
        let Workers { signer, keeper, executor, verifier, checker, server } = workers;
        let prechecker = checker.clone();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let precheckers = processors.clamp(MIN_PRECHECKERS, MAX_PRECHECKERS);
        let execution = Arc::new(Execution::new(executor, revival));
        let watch = Arc::clone(&execution);
        let signer =
            signer.map(|mut signer| lane("safety", &mut threads, &results, move |job| signer.run(job)));
        let lanes = Self {
            safety: signer.transpose()?,
            store: lane("store", &mut threads, &results, move |job| keeper.run(job))?,
            execute: lane("execute", &mut threads, &results, move |job| {
                let began = Instant::now();
                let outcome = execution.run(job);
                meters.execution.took(began.elapsed());
                outcome
            })?,
            precheck: pool("precheck", precheckers, &mut threads, &results, move |job| {
                prechecker.precheck(job)
            })?,
            check: lane("check", &mut threads, &results, move |job| checker.check(job))?,
            verify: pool("verify", VERIFIERS, &mut threads, &results, move |job| verifier.run(job))?,
            serve: pool("serve", SERVERS, &mut threads, &results, move |job| server.run(job))?,
        };
        let watch = move || {
            let watched = catch_unwind(AssertUnwindSafe(|| watch.watch()))
                .unwrap_or_else(|panic| Err(broken("application", &*panic)));
            if let Err(fatal) = watched {
                // The driver may have ended before.
                _ = results.blocking_send(Err(fatal));
            }
        };
        threads.push(std::thread::Builder::new().name("application".to_owned()).spawn(watch)?);
        Ok((lanes, done, threads))
    }

    /// Queues a job. Fails if the lane's thread is gone or its queue is full, which the driver's own bounds rule out.
    pub(crate) fn give(&self, job: Job) -> Result<(), Fatal> {
        match job {
            Job::Safety(job) => queue(self.safety.as_ref().ok_or(Fatal::NoKey)?, job, "safety"),
            Job::Store(job) => queue(&self.store, job, "store"),
            Job::Execute(job) => queue(&self.execute, job, "execute"),
            Job::Verify(job) => queue(&self.verify, job, "verify"),
            Job::Precheck(job) => queue(&self.precheck, job, "precheck"),
            Job::Check(job) => queue(&self.check, job, "check"),
            Job::Serve(job) => queue(&self.serve, job, "serve"),
        }
    }
}

fn queue<J>(lane: &SyncSender<J>, job: J, name: &str) -> Result<(), Fatal> {
    lane.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => Fatal::Broken(format!("the queue of lane {name} is full")),
        TrySendError::Disconnected(_) => Fatal::Broken(format!("lane {name} has ended")),
    })
}

/// One thread: jobs are done in their order.
fn lane<J: Send + 'static>(
    name: &'static str,
    threads: &mut Vec<JoinHandle<()>>,
    results: &mpsc::Sender<Outcome>,
    mut work: impl FnMut(J) -> Outcome + Send + 'static,
) -> std::io::Result<SyncSender<J>> {
    let (sender, jobs) = sync_channel(ORDERED_JOBS);
    let results = results.clone();
    let run = move || while jobs.recv().is_ok_and(|job| done(name, || work(job), &results)) {};
    threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(run)?);
    Ok(sender)
}

/// Several threads on one queue.
fn pool<J: Send + 'static>(
    name: &'static str,
    count: usize,
    threads: &mut Vec<JoinHandle<()>>,
    results: &mpsc::Sender<Outcome>,
    work: impl Fn(J) -> Outcome + Clone + Send + 'static,
) -> std::io::Result<SyncSender<J>> {
    let (sender, jobs) = sync_channel(SHARED_JOBS);
    let jobs: Arc<Mutex<Receiver<J>>> = Arc::new(Mutex::new(jobs));
    for _ in 0..count {
        let (jobs, results, work) = (jobs.clone(), results.clone(), work.clone());
        let next = move || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let run = move || while next().is_ok_and(|job| done(name, || work(job), &results)) {};
        threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(run)?);
    }
    Ok(sender)
}

/// Does a job and reports; false if nobody listens any more. A panic, which is a broken invariant, stops the node like a failing disk.
fn done(name: &str, work: impl FnOnce() -> Outcome, results: &mpsc::Sender<Outcome>) -> bool {
    let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(broken(name, &*panic)));
    results.blocking_send(outcome).is_ok()
}

fn broken(name: &str, panic: &(dyn std::any::Any + Send)) -> Fatal {
    Fatal::Broken(format!("lane {name}: {}", panic_message(panic)))
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}
