//! Trying again: with growing pauses, and never sooner than the node says.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Attempts, until a deadline if there is one.
#[derive(Debug)]
pub(super) struct Again {
    /// None if there is none.
    deadline: Option<Instant>,
    pause: Duration,
}

impl Again {
    pub(super) fn within(patience: Duration) -> Self {
        Self { deadline: Some(Instant::now() + patience), pause: FIRST_PAUSE }
    }

    /// As often as it takes.
    pub(super) fn endless() -> Self {
        Self { deadline: None, pause: FIRST_PAUSE }
    }

    pub(super) fn left(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits before the next attempt; false if there is no time for one.
    pub(super) async fn wait(&mut self, retry_after: Option<Duration>) -> bool {
        let Some(pause) = self.next_pause(self.left(), retry_after) else { return false };
        sleep(pause).await;
        true
    }

    /// How long to wait with so much time left; none if there is too little.
    fn next_pause(&mut self, left: Duration, retry_after: Option<Duration>) -> Option<Duration> {
        let pause = self.pause.max(retry_after.unwrap_or_default());
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        (pause < left).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_with_the_time() {
        let mut again = Again::within(Duration::ZERO);
        let mut next = |left, after: Option<u64>| {
            again
                .next_pause(Duration::from_millis(left), after.map(Duration::from_millis))
                .map(|pause| pause.as_millis())
        };
        let pauses: Vec<_> = (0..7).map(|_| next(60_000, None).unwrap()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(next(2000, None), None, "no time is left");
        assert_eq!(next(60_000, Some(5000)), Some(5000), "as the node says");
        assert_eq!(next(60_000, Some(10)), Some(2000), "and no sooner than before");
    }
}
