//! How those who ask over a connection take being told to wait.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::clients::Place;

/// Requests in a row that a connection may send before the time it was told to come back at; then it is closed.
const MAX_GREED: u32 = 32;

/// The manners of a connection, and the place that it has.
#[derive(Default)]
pub(crate) struct Manners {
    /// Given back when nobody asks over it any longer, and all that was asked has ended.
    _place: Option<Place>,
    /// What it was before, with its place.
    _before: Option<Arc<Manners>>,
    /// Whether many clients ask over it: the greed of one is not to end what others use.
    shared: bool,
    /// When it was told to come back.
    again_at: Mutex<Option<Instant>>,
    /// Requests in a row that came before that.
    greed: AtomicU32,
}

impl Manners {
    /// Of a connection that has this place. `shared`: it is a proxy's, over which many ask.
    pub(crate) fn over(place: Place, shared: bool) -> Self {
        Self { _place: Some(place), shared, ..Self::default() }
    }

    /// Of the same connection when it is one client's, as a WebSocket is.
    pub(crate) fn instead_of(before: &Arc<Self>) -> Self {
        Self { _before: Some(Arc::clone(before)), ..Self::default() }
    }

    /// Whether many clients ask over the connection.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether it goes on sending although it was told again and again to wait: it is to be closed.
    pub(crate) fn is_greedy(&self) -> bool {
        !self.shared && self.greed.load(Ordering::Relaxed) >= MAX_GREED
    }

    /// A request was taken, or told to come back after a while.
    pub(crate) fn note(&self, wait: Option<Duration>) {
        let mut again_at = self.again_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match wait {
            Some(wait) => {
                if again_at.is_some_and(|at| now < at) {
                    self.greed.fetch_add(1, Ordering::Relaxed);
                }
                *again_at = Some(now + wait);
            }
            None if again_at.is_some_and(|at| now >= at) => {
                *again_at = None;
                self.greed.store(0, Ordering::Relaxed);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_greedy_in_the_end(manners: &Manners) -> bool {
        for _ in 0..=MAX_GREED {
            assert!(!manners.is_greedy());
            manners.note(Some(Duration::from_secs(60)));
        }
        manners.is_greedy()
    }

    #[test]
    fn who_does_not_wait_when_told_to_is_greedy_if_it_asks_alone() {
        assert!(is_greedy_in_the_end(&Manners::default()));
        let shared = Arc::new(Manners { shared: true, ..Manners::default() });
        assert!(!is_greedy_in_the_end(&shared));
        assert!(is_greedy_in_the_end(&Manners::instead_of(&shared)));
    }
}
