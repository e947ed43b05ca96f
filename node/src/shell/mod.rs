//! What the simulator replaces: threads, time, the wire. Around the driver, whose effects it performs.

mod actor;
mod lanes;
mod network;
mod refusals;
mod revival;

pub(crate) use actor::{Actor, Wiring};
pub(crate) use lanes::{Lanes, panic_message};
pub(crate) use network::{admit, limits, pump};
pub(crate) use revival::Revival;
