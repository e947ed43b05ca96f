//! Twins (Bano, Sonnino, Chursin, Perelman, Li, Ching, Malkhi: "Twins: BFT Systems Made Robust", OPODIS 2021): a Byzantine member is
//! played by two instances of the correct code that share its key and nothing else. Whatever a member can do by telling different
//! tales to different parts of the network (equivocate, vote twice, forget) comes about by itself, from who hears whom when.
//!
//! A [`Scenario`] gives each of the first views a leader and a *split*: which instances hear one another. All scenarios of so many
//! views are numbered ([`Space`]); [`Twins::play`] plays any one of them, from its number alone.
//!
//! **Rounds.** In round r, messages of view r travel, and older ones sent again; those of later views wait for theirs. Within a set
//! of the split they arrive at once, in the scenario's [`Order`]. Between sets they are lost, or come when the round's timers have
//! fired, or when all is over ([`Fate`]). Once nothing is left to arrive, time passes for those who are still in view r (or before),
//! and their timers fire, until the round is over. So a view whose split has no quorum may be ended by timeout votes said again in a
//! later round, and views may lag behind rounds.
//!
//! **The end.** The split heals, what was held back arrives, and within [`HEALS_WITHIN`] every correct member must commit a block made
//! after that. Twins go on as twins.
//!
//! **Leaders** are elected from the header chain, which no scenario can choose freely, so that the engine has a seam:
//! `Engine::give_leaders`. Powers or a first view chosen cleverly would not have done: turns of equal members follow one sequence.
//!
//! At all times, whatever is seen is judged by [`Watch`].
//!
//! [`Watch`]: watch::Watch

mod cast;
mod play;
mod scenario;
mod trace;
pub mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::bare::Member;

pub use cast::Cast;
pub use play::HEALS_WITHIN;
pub use scenario::{Fate, Order, Scenario, Space, Split, Turn};

/// A scenario that went as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Blocks committed while the splits lasted.
    pub commits: u64,
    /// Views from the healing to the commit that shows it.
    pub views_to_heal: u64,
}

/// All that scenarios start from.
#[derive(Debug)]
pub struct Twins {
    /// Who plays.
    pub cast: Cast,
    /// The scenarios.
    pub space: Space,
    /// All instances up, and free to sign.
    started: Vec<Member>,
}

impl Twins {
    /// The scenarios of four members, so many of them duplicated, and so many views.
    pub fn new(duplicated: usize, views: usize) -> Self {
        let cast = Cast::new(duplicated);
        let space = Space::new(&cast, views);
        let started = cast.start();
        Self { cast, space, started }
    }

    /// Plays the scenario of this number. An error says what is wrong with the protocol.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn play(&self, number: u128) -> Result<Outcome, String> {
        self.play_traced(number, &mut None)
    }

    /// Plays it, and tells everything that happens, a line each.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn replay(&self, number: u128) -> (Result<Outcome, String>, Vec<String>) {
        let mut lines = Some(Vec::new());
        let outcome = self.play_traced(number, &mut lines);
        (outcome, lines.unwrap_or_default())
    }

    fn play_traced(&self, number: u128, lines: &mut Option<Vec<String>>) -> Result<Outcome, String> {
        let scenario = self.space.scenario(number).expect("a scenario of this number");
        // A broken invariant of the engine or the safety rules ends a node.
        let played =
            catch_unwind(AssertUnwindSafe(|| play::play(&self.cast, &self.started, &scenario, lines)));
        played.unwrap_or_else(|panic| Err(format!("a node ended: {}", panic_message(&*panic))))
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests;
