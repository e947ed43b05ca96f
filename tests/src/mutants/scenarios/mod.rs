//! Directed scenarios: small, quick, and each about one rule. They are checkers of their own for what swarms meet seldom.

mod door;
mod driver;
mod engine;
mod epochs;
mod forge;
mod leader;
mod member;
mod mempool;
mod network;
mod notices;
mod rules;
mod safety_file;
mod storage;
mod validity;

/// What a scenario found to be wrong.
type Verdict = Result<(), String>;

/// A scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name, as in the table.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Runs it; an error says what contradicts what.
    pub run: fn() -> Verdict,
}

/// All scenarios, the quick ones first.
pub const ALL: &[Scenario] = &[
    Scenario { name: "door", about: "what is not well signed and whole stays out", run: door::door },
    Scenario {
        name: "evidence",
        about: "contradictions convict, honest pairs do not",
        run: engine::evidence,
    },
    Scenario { name: "engine", about: "rules R1 to R9, E1, E2 and S7 at one engine", run: engine::engine },
    Scenario {
        name: "validity",
        about: "which proposals get a vote (R3, V1 to V9, L4)",
        run: validity::validity,
    },
    Scenario { name: "leader", about: "turns by power, and who is left out (L1, L2)", run: leader::leader },
    Scenario { name: "mempool", about: "what is admitted, kept, chosen and bounded", run: mempool::mempool },
    Scenario {
        name: "notices",
        about: "what blocks may carry, and by whose word (V4, V10, V11)",
        run: notices::notices,
    },
    Scenario {
        name: "notices_at_a_node",
        about: "what a node takes, tells and lets go of notices (K1 to K3)",
        run: notices::notices_at_a_node,
    },
    Scenario { name: "answers", about: "what peers answer is what was asked for", run: driver::answers },
    Scenario {
        name: "driver",
        about: "failed answers, and the order of what is stored",
        run: driver::driver,
    },
    Scenario {
        name: "safety_file",
        about: "power cuts, torn and rotten slots",
        run: safety_file::safety_file,
    },
    Scenario {
        name: "durable_first",
        about: "record and block are durable before a signature leaves",
        run: storage::durable_first,
    },
    Scenario {
        name: "chain_store",
        about: "no committed block without certificate, no voted block lost",
        run: storage::chain_store,
    },
    Scenario {
        name: "rules",
        about: "the safety rules, asked for anything, with crashes between",
        run: rules::rules,
    },
    Scenario {
        name: "rest",
        about: "one transaction costs two blocks, then the chain is at rest",
        run: network::rest,
    },
    Scenario {
        name: "slow_network",
        about: "links slower than the shortest timer",
        run: network::slow_network,
    },
    Scenario {
        name: "timer_shrinks",
        about: "after a long stall a lost leader costs seconds",
        run: network::timer_shrinks,
    },
    Scenario { name: "stalled", about: "all links down for long, then back", run: network::stalled },
    Scenario {
        name: "gossip_lost",
        about: "a transaction that only one member has",
        run: network::gossip_lost,
    },
    Scenario {
        name: "cut_off",
        about: "a member cut off while the others go on and rest",
        run: network::cut_off,
    },
    Scenario {
        name: "restored",
        about: "a disk set back after its node gave up a view that goes on",
        run: network::restored,
    },
    Scenario {
        name: "stale_pending",
        about: "two transactions for one place in their sender's order",
        run: network::stale_pending,
    },
    Scenario {
        name: "epochs",
        about: "how an epoch is entered (S9), and with which keys",
        run: epochs::epochs,
    },
    Scenario {
        name: "epoch_end",
        about: "votes for and on a block that ends the epoch (R3, V9)",
        run: epochs::epoch_end,
    },
    Scenario {
        name: "changes",
        about: "members, keys, powers and parameters change, one is cut off, one loses its data",
        run: epochs::changes,
    },
    Scenario {
        name: "lost_commit",
        about: "one member alone has the QC of an epoch's end when all others have given its view up",
        run: epochs::lost_commit,
    },
    Scenario {
        name: "boundary",
        about: "all that members can be made to sign around one change of members, for some seconds",
        run: epochs::boundary,
    },
    Scenario { name: "left_over", about: "members change while one is cut off", run: epochs::left_over },
    Scenario {
        name: "one_by_one",
        about: "members change in block after block, a disk is set back, a node starts twice",
        run: epochs::one_by_one,
    },
    Scenario { name: "told", about: "a member that missed the end of an epoch is back", run: epochs::told },
    Scenario {
        name: "crashes_at_the_change",
        about: "a member ends before or after any of its writes while the set changes",
        run: epochs::crashes_at_the_change,
    },
    Scenario {
        name: "crashes",
        about: "a member ends before or after any of its writes",
        run: network::crashes,
    },
];
