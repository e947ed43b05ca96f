//! A queue bounded both in messages and in bytes.

use std::sync::Arc;

use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{self, error::TryRecvError},
};

/// Opens a lane for at most `messages` items of together at most `bytes` bytes.
pub(crate) fn lane<T>(messages: usize, bytes: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(messages);
    (Sender { sender, budget: Arc::new(Semaphore::new(bytes)) }, Receiver(receiver))
}

/// The item holds its share of the byte budget for as long as it waits.
type Waiting<T> = (T, Option<OwnedSemaphorePermit>);

pub(crate) struct Sender<T> {
    sender: mpsc::Sender<Waiting<T>>,
    budget: Arc<Semaphore>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), budget: self.budget.clone() }
    }
}

/// Why an item was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneError {
    Full,
    Closed,
}

impl<T> Sender<T> {
    /// Waits for room. Waiting senders are served in the order they came, so a busy peer cannot keep out the others.
    /// An item longer than the whole budget never fits: callers bound it before.
    pub(crate) async fn send(&self, item: T, bytes: usize) -> Result<(), LaneError> {
        let share =
            self.budget.clone().acquire_many_owned(bytes as u32).await.map_err(|_| LaneError::Closed)?;
        self.sender.send((item, Some(share))).await.map_err(|_| LaneError::Closed)
    }

    /// Takes the item if there is room now.
    pub(crate) fn try_send(&self, item: T, bytes: usize) -> Result<(), LaneError> {
        let share = self.budget.clone().try_acquire_many_owned(bytes as u32).map_err(|_| LaneError::Full)?;
        self.sender.try_send((item, Some(share))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LaneError::Full,
            mpsc::error::TrySendError::Closed(_) => LaneError::Closed,
        })
    }
}

pub(crate) struct Receiver<T>(mpsc::Receiver<Waiting<T>>);

impl<T> Receiver<T> {
    /// The next item; nothing once all senders are gone. Safe to cancel.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        self.0.recv().await.map(|(item, _)| item)
    }

    /// The next item if one waits.
    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.0.try_recv().map(|(item, _)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_bounded_in_messages_and_in_bytes() {
        let (sender, mut receiver) = lane(2, 10);
        assert_eq!(sender.try_send('a', 10), Ok(()));
        assert_eq!(sender.try_send('b', 1), Err(LaneError::Full), "no byte left");
        assert_eq!(receiver.recv().await, Some('a'));
        assert_eq!(sender.try_send('b', 1), Ok(()));
        assert_eq!(sender.try_send('c', 1), Ok(()));
        assert_eq!(sender.try_send('d', 1), Err(LaneError::Full), "no slot left");
        assert_eq!(receiver.try_recv(), Ok('b'));
        assert_eq!(sender.try_send('d', 8), Ok(()), "a refused item gave its share back");
        drop(receiver);
        assert_eq!(sender.try_send('e', 0), Err(LaneError::Closed));
    }

    #[tokio::test]
    async fn a_waiting_sender_goes_on_when_room_is_made() {
        let (sender, mut receiver) = lane(8, 4);
        sender.send(1, 4).await.expect("open");
        let waiting = tokio::spawn(async move { sender.send(2, 3).await });
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(receiver.recv().await, Some(2));
        assert_eq!(waiting.await.expect("no panic"), Ok(()));
        assert_eq!(receiver.recv().await, None);
    }
}
