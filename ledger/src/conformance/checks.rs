//! The checks, in the order in which they are tried.

mod asking;
mod crash;
mod ground;
mod hostile;
mod order;
mod precheck;
mod proofs;
mod proposals;
mod snapshots;
mod tampered;
mod visibility;

use super::instance::Seen;
use super::trial::Trial;

/// One promise, tried.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What it holds an application to.
    pub(super) promise: &'static str,
    pub(super) test: fn(&Trial<'_>) -> Seen,
}

/// If one of so many first checks fails, the others have nothing to compare with.
pub(super) const GROUND: usize = 2;

macro_rules! checks {
    ($($file:ident::$name:ident: $promise:literal,)*) => {
        /// All checks.
        pub(super) const ALL: &[Check] =
            &[$(Check { name: stringify!($name), promise: $promise, test: $file::$name },)*];
    };
}

checks! {
    ground::blocks_execute: "the samples' genesis and blocks are accepted, and one transaction at least succeeds",
    ground::instances_agree: "two instances make the same codes, data, gas, validator updates and hashes of the same blocks",
    ground::words_agree: "two instances give the same logs and events",
    ground::one_result_per_transaction: "finalize_block gives one result per transaction",
    ground::info_is_true: "info tells height, hash and whether there is a state: before genesis, after it and after every commit",
    ground::answers_name_their_height: "the answer to a question about the newest state names the height of the last commit",
    crash::restarts_change_nothing: "with a restart after genesis and after every commit the blocks come to the same",
    crash::crashes_are_replayed: "after a crash behind any call the node's handshake and the remaining blocks come to the same",
    crash::commits_are_durable: "after a restart info and the answers are those after the last commit",
    visibility::finalizing_again_gives_the_same: "finalize_block may be called again, and after another block for that height; the last call counts",
    visibility::nothing_shows_before_commit: "finalize_block leaves info, the answers and check_tx as they are",
    asking::check_tx_changes_nothing: "check_tx, any number of times at any time, leaves state, results and its own verdicts as they are",
    asking::precheck_changes_nothing: "precheck does, too",
    asking::query_changes_nothing: "query does, too",
    asking::proposals_change_nothing: "prepare_proposal and process_proposal do, too",
    asking::questions_beside_execution: "questions asked by other threads are answered from one height, which the answer names, and disturb no block",
    precheck::precheck_is_stateless: "precheck gives one verdict per transaction, the same alone, in any batch, at any height, on any instance",
    proposals::proposals_are_in_bounds: "what prepare_proposal gives passes precheck, fits max_bytes and holds nothing twice",
    proposals::proposals_are_accepted: "process_proposal accepts what prepare_proposal gave elsewhere, and says the same everywhere",
    order::heights_are_contiguous: "finalize_block refuses any height but the next, and any before genesis",
    order::commits_need_a_block: "commit is refused without a finalize_block since the last commit or start",
    order::genesis_again_gives_the_same: "while no block is committed, init_chain gives the same again",
    order::other_genesis_is_refused: "init_chain refuses another genesis than the one that the state was made of",
    order::genesis_after_a_block_is_refused: "init_chain is refused once a block is committed",
    snapshots::snapshots_restore: "a fresh instance restores every snapshot to its hash and goes on to the same results",
    tampered::tampered_snapshots_are_refused: "changed, lost or swapped chunks, or another hash, never end in a state that is not the one offered",
    proofs::proofs_verify: "every answer with a proof verifies at every height that is kept, also after a restart",
    tampered::tampered_proofs_are_refused: "no changed proof, key or value verifies, nor any for another question or hash",
    hostile::hostile_transactions: "no bytes panic in precheck, check_tx or finalize_block; what passes precheck fails no block",
    hostile::hostile_questions: "no question panics or changes anything",
    hostile::hostile_genesis: "no genesis panics, and one that is refused leaves no state",
    hostile::hostile_misbehaviour: "finalize_block takes proofs that anybody contradicted itself, whatever numbers they hold, and more than one at a time",
    hostile::hostile_snapshots: "no offer and no chunk panics or makes a state of another hash than was offered",
}
