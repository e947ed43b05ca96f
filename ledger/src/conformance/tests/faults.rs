//! What can be wrong with an application: a fault for each check.

/// Which fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    BlockFails,
    CounterInResults,
    CounterInLogs,
    ResultForgotten,
    HashBeforeGenesis,
    AnswerOfNextHeight,
    StartsInResults,
    TraceOfFinalize,
    CommitLost,
    RepeatInResults,
    PendingInInfo,
    ChecksInResults,
    PrechecksInResults,
    QueriesInResults,
    ProposalsInResults,
    HeightReadLater,
    PriorityByHeight,
    ProposedTwice,
    OwnRefused,
    AnyHeight,
    EmptyCommit,
    GenesisOnce,
    AnyGenesis,
    GenesisAnyTime,
    SnapshotWithoutEnd,
    AnyRestore,
    ProofCutShort,
    ProofOfAnything,
    PanicOnLong,
    PanicOnPath,
    PanicOnEmpty,
    PanicOnStranger,
    PanicOnChunks,
    /// No fault if it is said; see `Subject::tells_of_genesis`.
    GenesisUntold,
}

/// A fault: in words, and which checks see it, first the one that is there for it.
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) words: &'static str,
    pub(super) seen_by: &'static [&'static str],
}

macro_rules! faults {
    ($($kind:ident: $words:literal => [$($check:ident),*],)*) => {
        /// In the order of the checks.
        pub(super) const FAULTS: &[Fault] =
            &[$(Fault { kind: Kind::$kind, words: $words, seen_by: &[$(stringify!($check)),*] },)*];
    };
}

faults! {
    BlockFails: "a block is an error" => [blocks_execute],
    CounterInResults: "a counter of the process in a result" => [instances_agree],
    CounterInLogs: "a counter of the process in a log" => [words_agree],
    ResultForgotten: "of two results one is forgotten" => [one_result_per_transaction],
    HashBeforeGenesis: "a hash before there is a state" => [info_is_true],
    AnswerOfNextHeight: "answers name the next height" => [answers_name_their_height, questions_beside_execution],
    StartsInResults: "results change with the fourth start" => [restarts_change_nothing],
    TraceOfFinalize: "`finalize_block` leaves a durable trace" => [crashes_are_replayed],
    CommitLost: "the last commit is lost at a restart" => [commits_are_durable],
    RepeatInResults: "a block finalized again gives another result" => [finalizing_again_gives_the_same],
    PendingInInfo: "`info` shows the hash of the pending block" => [nothing_shows_before_commit],
    ChecksInResults: "`check_tx` counts, a result shows it" => [check_tx_changes_nothing, hostile_transactions],
    PrechecksInResults: "`precheck` counts, a result shows it" => [precheck_changes_nothing, hostile_transactions],
    QueriesInResults: "`query` counts, a result shows it" => [query_changes_nothing, questions_beside_execution],
    ProposalsInResults: "`prepare_proposal` counts, a result shows it" => [proposals_change_nothing],
    HeightReadLater: "value and height of an answer are read one after the other" => [questions_beside_execution],
    PriorityByHeight: "priority by the state's height" => [precheck_is_stateless],
    ProposedTwice: "a transaction is proposed twice" => [proposals_are_in_bounds],
    OwnRefused: "voters refuse what leaders propose" => [proposals_are_accepted],
    AnyHeight: "gaps between heights are taken" => [heights_are_contiguous],
    EmptyCommit: "a commit of nothing succeeds" => [commits_need_a_block],
    GenesisOnce: "the same genesis is refused after a crash" => [genesis_again_gives_the_same],
    AnyGenesis: "another genesis is taken" => [other_genesis_is_refused],
    GenesisAnyTime: "genesis is taken after a block" => [genesis_after_a_block_is_refused],
    SnapshotWithoutEnd: "a snapshot forgets the last record" => [snapshots_restore, tampered_snapshots_are_refused],
    AnyRestore: "a restored state is not compared with the hash" => [tampered_snapshots_are_refused],
    ProofCutShort: "the proofs of one height lack a byte" => [proofs_verify],
    ProofOfAnything: "proofs are not bound to the value" => [tampered_proofs_are_refused],
    PanicOnLong: "a long transaction is a panic" => [hostile_transactions],
    PanicOnPath: "a path with a zero byte is a panic" => [hostile_questions],
    PanicOnEmpty: "a genesis without state is a panic" => [hostile_genesis],
    PanicOnStranger: "misbehaviour of somebody unknown is a panic" => [hostile_misbehaviour],
    PanicOnChunks: "an offer of too many chunks is a panic" => [hostile_snapshots],
}
