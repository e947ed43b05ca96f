//! The four connections together: up, lost, closed.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{address::Address, call::Call, connection::Connection, fault::Fault};
use crate::{AppError, Link};

/// How long to wait before the next attempt to connect: nothing tells when somebody listens.
const AGAIN: Duration = Duration::from_millis(50);
/// An answer that takes longer is told to whoever asks how the application is.
const SLOW: Duration = Duration::from_secs(3);

/// Which of the four.
#[derive(Debug, Clone, Copy)]
pub(super) enum Line {
    Query,
    Snapshot,
    Mempool,
    Consensus,
}

impl Line {
    /// In the order in which they are opened, which applications may rely on.
    const ALL: [Self; 4] = [Self::Query, Self::Snapshot, Self::Mempool, Self::Consensus];
}

/// The connections to an application, and whether there are any.
#[derive(Debug)]
pub(super) struct Connections {
    address: Address,
    state: Mutex<State>,
    changed: Condvar,
    /// The exception with which it last answered about a proposal, if that was its last answer about any.
    complaint: Mutex<Option<Fault>>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts the attempts to connect.
    attempt: u64,
    /// What came of the newest one.
    up: Option<Arc<Up>>,
    /// Why there is none.
    fault: Option<Fault>,
    /// When the newest one was made.
    tried: Option<Instant>,
    closed: bool,
}

#[derive(Debug)]
struct Up {
    attempt: u64,
    /// By [`Line`].
    lines: Vec<Connection>,
    /// It has the state of a chain, so that questions about it make sense.
    initialised: AtomicBool,
}

impl Connections {
    pub(super) fn new(address: Address) -> Arc<Self> {
        Arc::new(Self {
            address,
            state: Mutex::default(),
            changed: Condvar::new(),
            complaint: Mutex::default(),
        })
    }

    /// Asks on one of the connections.
    pub(super) fn call<C: Call>(
        &self,
        line: Line,
        request: C,
        patience: Option<Duration>,
    ) -> Result<C::Answer, Fault> {
        let up = self.up()?;
        let answer = up.lines[line as usize].call(request, patience);
        if let Err(fault) = &answer
            && !matches!(fault, Fault::Silent { .. } | Fault::Exception { .. })
        {
            // The answers on it no longer belong to the requests.
            self.lose(up.attempt, fault.clone());
        }
        answer
    }

    /// As [`Self::call`], once the application has the chain's state: before, it must not be asked.
    pub(super) fn call_initialised<C: Call>(
        &self,
        line: Line,
        request: C,
        patience: Option<Duration>,
    ) -> Result<C::Answer, Fault> {
        match self.up()?.initialised.load(Ordering::Acquire) {
            true => self.call(line, request, patience),
            false => Err(Fault::NotConnected("it has not been brought to the chain's state yet".to_owned())),
        }
    }

    /// Notes what came of a question about a proposal: nobody stops for it, but `status` says so.
    pub(super) fn complain(&self, fault: Option<&Fault>) {
        let fault = fault.filter(|fault| matches!(fault, Fault::Exception { .. }));
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = fault.cloned();
    }

    /// The application has the chain's state.
    pub(super) fn initialised(&self) {
        if let Ok(up) = self.up() {
            up.initialised.store(true, Ordering::Release);
        }
    }

    /// The fault as a fault of the application, or as its absence.
    pub(super) fn error(&self, fault: &Fault) -> AppError {
        let reason = self.words(fault);
        match fault.may_pass() {
            true => AppError::Unavailable { reason },
            false => AppError::Failed(reason),
        }
    }

    pub(super) fn words(&self, fault: &Fault) -> String {
        format!("the application at {}: {fault}", self.address)
    }

    fn up(&self) -> Result<Arc<Up>, Fault> {
        let state = self.state();
        let fault = || state.fault.clone().unwrap_or(Fault::NotConnected("none was tried yet".to_owned()));
        state.up.clone().ok_or_else(fault)
    }

    fn open(self: &Arc<Self>) -> Result<(), Fault> {
        let attempt = {
            let mut state = self.state();
            state.attempt += 1;
            state.tried = Some(Instant::now());
            (state.up, state.fault) = (None, None);
            state.attempt
        };
        let open = |_| {
            let me = Arc::downgrade(self);
            let ended = move |fault| _ = me.upgrade().map(|me| me.lose(attempt, fault));
            Connection::open(&self.address, ended)
        };
        let lines: Vec<_> =
            Line::ALL.into_iter().map(open).collect::<Result<_, _>>().inspect_err(|fault| {
                self.lose(attempt, fault.clone());
            })?;
        let mut state = self.state();
        let ended = state.fault.clone().or_else(|| state.closed.then_some(Fault::Ended));
        if let Some(fault) = ended {
            return Err(fault);
        }
        state.up = Some(Arc::new(Up { attempt, lines, initialised: AtomicBool::new(false) }));
        Ok(())
    }

    /// These connections are no longer any good, all of them: the application may be another process by now.
    fn lose(&self, attempt: u64, fault: Fault) {
        let mut state = self.state();
        if state.attempt == attempt && state.fault.is_none() {
            state.fault = Some(fault);
            shutdown(&mut state);
            self.changed.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shutdown(state: &mut State) {
    if let Some(up) = state.up.take() {
        up.lines.iter().for_each(Connection::shutdown);
    }
}

/// The link as the node sees it.
#[derive(Debug)]
pub(super) struct ToNode(pub(super) Arc<Connections>);

impl Link for ToNode {
    fn connect(&self, patience: Duration) -> Result<bool, AppError> {
        let until = Instant::now() + patience;
        loop {
            let state = self.0.state();
            // Nothing tells when somebody listens; that all is closed does.
            let pause = state.tried.map_or(Duration::ZERO, |tried| AGAIN.saturating_sub(tried.elapsed()));
            let waited = self.0.changed.wait_timeout_while(state, pause, |state| !state.closed);
            if waited.unwrap_or_else(PoisonError::into_inner).0.closed {
                return Ok(false);
            }
            match self.0.up().map(drop).or_else(|_| self.0.open()) {
                Ok(()) => return Ok(true),
                Err(fault) if Instant::now() >= until || !fault.may_pass() => {
                    return Err(self.0.error(&fault));
                }
                Err(_) => {}
            }
        }
    }

    fn is_up(&self) -> bool {
        self.0.state().up.is_some()
    }

    fn lost(&self) -> bool {
        let wait = self.0.changed.wait_while(self.0.state(), |state| !state.closed && state.up.is_some());
        !wait.unwrap_or_else(PoisonError::into_inner).closed
    }

    fn trouble(&self) -> Option<String> {
        let up = match self.0.up() {
            Ok(up) => up,
            Err(fault) => return Some(self.0.words(&fault)),
        };
        let waits = up.lines.iter().filter_map(Connection::waits_for);
        if let Some((asked, time)) = waits.max_by_key(|(_, time)| *time).filter(|(_, time)| *time >= SLOW) {
            let address = &self.0.address;
            return Some(format!(
                "the application at {address} has not answered {asked} for {} s",
                time.as_secs()
            ));
        }
        let complaint = self.0.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.as_ref().map(|fault| self.0.words(fault))
    }

    fn close(&self) {
        let mut state = self.0.state();
        state.closed = true;
        state.fault.get_or_insert(Fault::Ended);
        shutdown(&mut state);
        self.0.changed.notify_all();
    }
}
