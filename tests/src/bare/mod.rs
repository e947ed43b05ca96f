//! The smallest home that the real engine and the real safety rules can live in: a [`Member`] is both, with what they made durable,
//! and one function, [`Member::step`]. There is no driver, mempool, disk or clock: whatever the engine asks for is done at once.
//!
//! A member is a value. It can be cloned, compared and hashed, so that a model checker can walk through its states and twins can
//! start a hundred thousand times from one. Messages are whatever members give out; who gets them, when, in which order and how
//! often is the caller's to decide.
//!
//! What a step does is atomic: records and bodies are durable before it returns. So a crash before its first write is a step not
//! taken, a crash after its last one a step whose outputs are lost, followed by [`Member::restart`]. [`Member::step_dying`] crashes in
//! between.
//!
//! **Time** is an argument. An engine is woken by [`Input::Wake`] once `now` has reached [`Member::wake_at`]; who wants the view timer
//! to fire at any time steps with that instant. One thing needs care: a block's time is the proposer's clock, or 1 ms above its
//! parent's time if that is later, and a voter whose clock is behind it waits. Where `unix_ms` does not pass, it must at least grow
//! with the views, for all members alike (1,000 times the view of message or member, say).

mod durable;
mod member;
mod setup;
mod wire;

pub use durable::{Durable, Stored};
pub use member::Member;
pub use setup::{Era, Seat, Setup};
pub use wire::{Input, Load, Noted, Output, Wire};

#[cfg(test)]
mod tests;
