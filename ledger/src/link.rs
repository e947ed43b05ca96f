//! What the node needs to know of an application that is a process of its own.

use std::time::Duration;

use crate::AppError;

/// The way to an application elsewhere. It may end, and come back with less state than it had; while it is away its methods fail with
/// [`AppError::Unavailable`] or refuse, and once it is back the node repeats the handshake.
pub trait Link: Send + Sync {
    /// Waits until the application can be reached, at most for `patience`: true then, false if the link is closed, and else
    /// why it cannot be reached.
    fn connect(&self, patience: Duration) -> Result<bool, AppError>;

    /// Whether the application can be reached, as far as is known.
    fn is_up(&self) -> bool;

    /// Waits until the application cannot be reached, and then until the end of the link; false at its end.
    fn lost(&self) -> bool;

    /// Why the application does not answer at the moment, for people; `None` if all is well.
    fn trouble(&self) -> Option<String>;

    /// Ends the link for good: whoever waits on it is told so.
    fn close(&self);
}
