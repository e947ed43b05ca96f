//! What faults there are, by area.

mod disk;
mod door;
mod driver;
mod engine;
mod mempool;
mod notices;
mod safety;

/// A fault that the product code can be told to make.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name in `mutant!("name")`.
    pub name: &'static str,
    /// What goes wrong, in one sentence.
    pub slip: &'static str,
    /// The source files that it stands in, from the repository's root.
    pub places: &'static [&'static str],
    /// What looks first: a scenario, or one of [`GENERAL`](super::look::GENERAL).
    pub expected: &'static str,
}

/// Every fault, in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    [safety::ALL, engine::ALL, door::ALL, disk::ALL, driver::ALL, notices::ALL, mempool::ALL]
        .into_iter()
        .flatten()
}
