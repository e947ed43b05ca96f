//! Turns at what takes a thread for a while: reads of the disk, looks at it on the way of submissions, questions to the application.
//!
//! They go round in the order in which they are asked for. Of each sort one client has at most half, those that it waits for
//! among them: whoever else comes waits behind few. What a turn came to is paid for when it is over, by the time that a processor
//! worked on it: what that will be shows in no request.

use std::{sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::RpcError;

/// So much time is in the cost that every request has.
const INCLUDED: Duration = Duration::from_millis(1);
/// What each millisecond beyond that costs.
const COST_PER_MS: u32 = 5;

/// What is done in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Reading blocks, or searching.
    Read,
    /// A short look on the way of submissions: it never queues behind reads.
    Look,
    /// Asking the application. One that hangs must not keep clients from the node's own answers, such as what hangs: of reads, which
    /// a question is as well, this leaves some.
    Question,
}

impl Sort {
    /// How many there are at once; each takes a thread.
    const fn turns(self) -> usize {
        match self {
            Self::Read => 8,
            Self::Look | Self::Question => 4,
        }
    }
}

/// The turns that all have, or one client.
#[derive(Debug, Clone)]
pub(super) struct Turns([Arc<Semaphore>; 3]);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Turns {
    /// Those of all.
    pub(super) fn of_all() -> Self {
        Self::new(1)
    }

    /// Those of one client.
    pub(super) fn of_one() -> Self {
        Self::new(2)
    }

    fn new(shares: usize) -> Self {
        Self(
            [Sort::Read, Sort::Look, Sort::Question]
                .map(|sort| Arc::new(Semaphore::new(sort.turns() / shares))),
        )
    }

    /// One of these, for a client that has those of its own.
    pub(super) async fn take(&self, own: &Self, sort: Sort) -> Result<Turn, RpcError> {
        // First its own: it does not stand in the way of others where it has to wait for itself.
        let own = own.one(sort).await?;
        Ok(Turn { _own: own, _all: self.one(sort).await? })
    }

    async fn one(&self, sort: Sort) -> Result<OwnedSemaphorePermit, RpcError> {
        Arc::clone(&self.0[sort as usize]).acquire_owned().await.map_err(RpcError::internal)
    }

    /// How many are free.
    #[cfg(test)]
    pub(super) fn free(&self, sort: Sort) -> usize {
        self.0[sort as usize].available_permits()
    }
}

/// Does something on this thread, and says what is to be paid for it.
pub(super) fn measured<T>(work: impl FnOnce() -> T) -> (T, u32) {
    let before = worked();
    let done = work();
    let beyond = worked().saturating_sub(before).saturating_sub(INCLUDED);
    let cost = beyond.as_micros().saturating_mul(COST_PER_MS.into()) / 1000;
    (done, u32::try_from(cost).unwrap_or(u32::MAX))
}

/// How long a processor worked for this thread.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn a_client_has_half_and_waits_for_itself() {
        let (all, greedy, other) = (Turns::of_all(), Turns::of_one(), Turns::of_one());
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.push(all.take(&greedy, Sort::Read).await.unwrap());
        }
        let mut waiting = Box::pin(all.take(&greedy, Sort::Read));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        for _ in 0..4 {
            taken.push(all.take(&other, Sort::Read).await.unwrap());
        }
        assert!(all.take(&greedy, Sort::Look).await.is_ok(), "each sort for itself");
        drop(taken.swap_remove(0));
        assert!(waiting.await.is_ok());
    }

    #[test]
    fn what_takes_long_is_paid_for() {
        assert_eq!(measured(|| ()).1, 0);
        let work = || {
            let begun = worked();
            while worked() < begun + Duration::from_millis(11) {}
        };
        assert!(measured(work).1 >= 50);
    }
}
