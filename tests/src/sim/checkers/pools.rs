//! What others can make a node keep is bounded: one slot per validator, kind and view within the window of views (Bounds in
//! `PROTOCOL.md`), the mempool's own limits, and what the driver has under way for its peers. Looked at in every 64th step.

use althing_consensus::Micros;
use althing_node::driver::Driver;

use super::{Checker, Seen};
use crate::sim::world::World;

/// Looks so seldom, as counting takes time.
const EVERY: u64 = 64;
/// Views that votes are kept for: 16 on either side of the current one, and that one.
const VIEWS: usize = 33;
/// Blocks asked for at one time.
const WANTED: usize = 64;

/// Blocks with payloads that the driver has at hand.
const BODIES: usize = 256;
/// Payloads gathered, signatures made, and commits filled at one time.
const UNDER_WAY: usize = 64;
/// Messages of one peer, and of all, that wait for their verification; the node's own come on top.
const AT_DOOR: (usize, usize) = (128, 4_096);
/// Gossip that waits for verdicts.
const UNDECIDED: usize = 1_024;

/// Evidence and registrations that wait for a block.
const NOTICES: usize = 256 + 64;

/// Counts steps, of all nodes together.
#[derive(Default)]
pub(super) struct Pools(u64);

/// What is held, and how much of it may be.
type Row = (&'static str, usize, usize);

fn engine_rows(driver: &Driver, n: usize) -> [Row; 9] {
    let engine = driver.engine();
    let sizes = engine.pool_sizes();
    // The certified chain, which may have a block for each view since the newest commit.
    let chain = engine.view().0.saturating_sub(engine.committed().view.0) as usize;
    [
        ("votes and commit votes", sizes.votes, 2 * n * VIEWS),
        ("timeout votes", sizes.timeouts, n),
        ("proposals of the view", sizes.candidates, n),
        // Of the window's lower half and the view before the current one.
        ("certificates of recent views", sizes.certified, VIEWS / 2 + 1),
        ("uncommitted blocks", sizes.uncommitted, n * VIEWS + chain),
        ("blocks asked for", sizes.wanted, WANTED),
        // Two votes, two commit votes, two proposals, E3, E4; a proposal may be older than the window.
        ("accusations", sizes.accusations, 5 * n * VIEWS + n),
        ("members remembered", sizes.memories, n),
        ("members answered", sizes.answered, 2 * n),
    ]
}

fn driver_rows(driver: &Driver, n: usize) -> [Row; 13] {
    let (sizes, limits) = (driver.pool_sizes(), driver.mempool().limits());
    // Those the engine wants, and those that commits lack.
    let fetched = WANTED + BODIES;
    [
        ("blocks with payload", sizes.bodies, BODIES),
        ("payloads gathered", sizes.gathered, UNDER_WAY),
        ("blocks fetched", sizes.fetched, fetched),
        // Two for each block, one for each payload and as many that nobody waits for any more, one for a run.
        ("questions to peers", sizes.asked, 2 * fetched + 2 * UNDER_WAY + 1),
        ("messages at the door", sizes.at_door, AT_DOOR.1.min(n * AT_DOOR.0)),
        ("gossip without verdict", sizes.undecided, UNDECIDED),
        ("transactions for the application", sizes.unchecked, n * limits.max_in_flight_txs + limits.max_txs),
        ("transactions to gossip", sizes.outbox, limits.max_txs),
        // Votes end there; what must be said to give up a view does not.
        ("signatures under way", sizes.signing, 2 * UNDER_WAY),
        ("messages of the next epoch", sizes.early, 16 * n),
        ("sessions", sizes.sessions, n),
        ("notices", sizes.notices, NOTICES),
        // One of each peer under way, and as many as it can have checked at once.
        ("notices to be checked", sizes.unchecked_notices, 9 * n + 4),
    ]
}

fn mempool_rows(driver: &Driver, n: usize) -> [Row; 5] {
    let (pool, limits) = (driver.mempool(), driver.mempool().limits());
    [
        ("pending transactions", pool.len(), limits.max_txs),
        ("bytes of pending transactions", pool.bytes(), limits.max_bytes),
        ("transactions of one sender", pool.largest_sender(), limits.max_txs_per_sender),
        ("transactions that wait for others", pool.held(), limits.max_held_txs),
        // Every other member, all clients together, and what came back from abandoned blocks.
        ("transactions under check", pool.in_flight(), n * limits.max_in_flight_txs + limits.max_txs),
    ]
}

fn within(node: usize, rows: &[Row]) -> Result<(), String> {
    match rows.iter().find(|(_, held, most)| held > most) {
        Some((what, held, most)) => {
            Err(format!("node {node} keeps {held} {what}, at most {most} are allowed"))
        }
        None => Ok(()),
    }
}

impl Checker for Pools {
    fn name(&self) -> &'static str {
        "pools"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Stepped { driver } = seen else { return Ok(()) };
        self.0 += 1;
        if !self.0.is_multiple_of(EVERY) {
            return Ok(());
        }
        let n = world.standing.len();
        within(node, &engine_rows(driver, n))?;
        within(node, &driver_rows(driver, n))?;
        within(node, &mempool_rows(driver, n))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::found;
    use super::*;
    use crate::sim::{Cluster, Load, Network, Options};

    /// A node of a cluster of four that has worked for a second.
    fn cluster() -> Cluster {
        let network = Network::constant(Micros::from_millis(2), 1);
        let mut cluster =
            Cluster::start(Options::new(4, althing_consensus::ConsensusParams::default(), network));
        let mut load = Load::default();
        (0..100).for_each(|index| cluster.submit(Micros::from_millis(5 * index), 1, load.transfer()));
        cluster.run_until(Micros::from_millis(400));
        cluster
    }

    #[test]
    fn a_node_at_work_keeps_something_of_what_is_counted_and_not_too_much() {
        let cluster = cluster();
        let driver = cluster.driver(1).expect("it is up");
        let rows: Vec<Row> = engine_rows(driver, 4).into_iter().chain(mempool_rows(driver, 4)).collect();
        within(1, &rows).expect("within its bounds");
        let held: Vec<&str> = rows.iter().filter(|(_, held, _)| *held > 0).map(|(what, ..)| *what).collect();
        for what in ["votes and commit votes", "certificates of recent views", "members remembered"] {
            assert!(held.contains(&what), "{what} are not counted: {rows:?}");
        }
    }

    #[test]
    fn a_node_over_its_bounds_is_found_in_the_64th_step() {
        let cluster = cluster();
        let driver = cluster.driver(1).expect("it is up");
        let mut world = cluster.world().clone();
        // As if there were one node: the votes of four are too many for it.
        world.standing.truncate(1);
        let mut checker = Pools::default();
        let mut step = || checker.see(&world, Micros(0), 1, &Seen::Stepped { driver });
        (1..EVERY).for_each(|_| step().expect("not looked at"));
        found(step(), &["node 1 keeps", "at most"]);
    }

    #[test]
    fn one_more_than_allowed_is_found_and_names_what_it_is() {
        within(2, &[("votes", 3, 3)]).expect("the bound itself");
        found(within(2, &[("votes", 3, 3), ("blocks", 5, 4)]), &["node 2 keeps 5 blocks", "at most 4"]);
    }
}
