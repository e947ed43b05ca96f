//! Real validators, each an OS process of its own, for the tests in `tests/processes`.
//!
//! | file | holds |
//! |---|---|
//! | `binary` | the `althing` binary, built once per test run |
//! | `ports` | ports that no other chain on this machine takes |
//! | `chain` | the homes of a chain and which of its validators run |
//! | `node` | one running validator |
//! | `load` | transfers one after the other, and which of them were acknowledged as committed |
//! | `stream` | transfers at a steady rate, each handed in until it is committed |
//! | `http` | requests as no client would send them |
//! | `traitor` | a validator's keys in the hands of somebody who contradicts himself |
//! | `usage` | memory and processor time of a process |

mod binary;
mod chain;
mod http;
mod load;
mod node;
mod ports;
mod stream;
mod traitor;
mod usage;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use self::{
    binary::{Ended, althing, binary, command, example},
    chain::Chain,
    http::{exchange, post},
    load::{Acknowledged, Load},
    node::{Node, Outcome, submit},
    ports::Ports,
    stream::{Route, Stream},
    traitor::Traitor,
    usage::{children, memory_kib, peak_memory_kib, processor_time},
};

/// Bounds every wait; never reached when all is well, also on a slow machine with much else to do.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions to a process about something that it does not announce.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Asks until there is an answer.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        sleep(ASK_EVERY).await;
    }
}
