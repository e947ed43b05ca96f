//! Many numbered runs side by side on several threads: what the commands that search have in common.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How often a search says how far it is.
const PROGRESS: Duration = Duration::from_secs(5);

/// Does the work of each number below `count`, and calls `progress` every few seconds until all of it is done.
pub fn run(threads: usize, count: u64, work: impl Fn(u64) + Sync, progress: impl Fn()) {
    let next = AtomicU64::new(0);
    let (working, ended) = channel::<()>();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (working, next, work) = (working.clone(), &next, &work);
            scope.spawn(move || {
                let _working = working;
                let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                taken.take_while(|index| *index < count).for_each(work);
            });
        }
        drop(working);
        while ended.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
            progress();
        }
    });
}

/// What this thread has used of a processor: the machine may have other things to do.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Where a search begins that was not told where.
pub fn random_base() -> u64 {
    RandomState::new().hash_one(0) >> 16
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_number_is_worked_on_once() {
        for threads in [1, 3] {
            let seen = Mutex::new(Vec::new());
            run(threads, 100, |index| seen.lock().expect("no panic").push(index), || ());
            let mut seen = seen.into_inner().expect("no panic");
            seen.sort_unstable();
            assert_eq!(seen, (0..100).collect::<Vec<u64>>(), "{threads} threads");
        }
    }
}
