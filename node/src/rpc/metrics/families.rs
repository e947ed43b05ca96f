//! Every family of metrics: `docs/metrics.md` is made from this table.

use super::{Family, Type};

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Type::Counter, labels: &[], help }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Type::Gauge, labels: &[], help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Type::Histogram, labels: &[], help }
}

const fn by(family: Family, labels: &'static [&'static str]) -> Family {
    Family { labels, ..family }
}

macro_rules! families {
    ($($constant:ident = $family:expr;)*) => {
        $(pub(super) const $constant: Family = $family;)*
        /// All of them, in the order of the page.
        #[cfg(test)]
        pub(super) const FAMILIES: &[Family] = &[$($constant),*];
    };
}

families! {
    BUILD = by(gauge("althing_build_info", "1, with the version that runs"), &["version"]);
    EPOCH = gauge("althing_consensus_epoch", "The epoch the node is in");
    VIEW = gauge("althing_consensus_view", "The view the node is in");
    COMMITTED = gauge("althing_consensus_committed_height", "The newest committed block's height");
    EXECUTED = gauge("althing_consensus_executed_height", "The newest executed block's height, whose results can be read");
    OLDEST = gauge("althing_consensus_oldest_height", "The oldest height whose block is kept");
    CATCHING_UP = gauge("althing_consensus_catching_up", "1 while peers show a height that this node still has to fetch");
    HALTED = gauge("althing_consensus_halted", "1 if the node has stopped voting and executing; status says why");
    POWER = gauge("althing_consensus_power", "The node's own voting power, 0 if it is no validator");
    TOTAL_POWER = gauge("althing_consensus_total_power", "The voting power of all validators");
    CONNECTED_POWER = gauge(
        "althing_consensus_connected_power",
        "The voting power of the validators that are connected, with the node's own"
    );
    VIEWS = counter("althing_consensus_views_total", "Views entered");
    FAILED_VIEWS = counter(
        "althing_consensus_failed_views_total",
        "Views that failed: the node entered the next one since a quorum timed out"
    );
    REFUSED_PROPOSALS =
        counter("althing_consensus_refused_proposals_total", "Proposals that the node did not vote for");
    REFUSED_SIGNATURES =
        counter("althing_consensus_refused_signatures_total", "Signatures that the safety rules refused");
    MISBEHAVIOUR =
        counter("althing_consensus_misbehaviour_total", "Validators seen to contradict themselves, each time");
    FINALIZATION = histogram(
        "althing_consensus_finalization_seconds",
        "From a block's own time, by its leader's clock, until this node has it committed and hands it to the store"
    );
    PENDING_TXS = gauge("althing_mempool_txs", "Pending transactions");
    PENDING_BYTES = gauge("althing_mempool_bytes", "The bytes of the pending transactions");
    SUBMISSIONS = by(
        counter(
            "althing_mempool_submissions_total",
            "Transactions handed in at this node, by outcome: accepted, known (pending or committed already) or refused"
        ),
        &["outcome"]
    );
    DROPPED_TXS = counter(
        "althing_mempool_dropped_txs_total",
        "Pending transactions given up: expired, overtaken, or no longer valid"
    );
    JOURNAL_TXS = by(
        gauge(
            "althing_journal_txs",
            "Transactions that the journal answers for: open (no end is known), dropped, or executed"
        ),
        &["state"]
    );
    JOURNAL_BYTES = gauge("althing_journal_bytes", "The bytes of the journal's transactions that no block has");
    JOURNAL_BROKEN =
        gauge("althing_journal_broken", "1 if the journal cannot be written: nothing is acknowledged");
    PEERS = gauge("althing_p2p_peers", "Peers connected");
    RECEIVED = by(counter("althing_p2p_received_bytes_total", "Bytes received, by the peer's identity"), &["peer"]);
    SENT = by(counter("althing_p2p_sent_bytes_total", "Bytes sent, by the peer's identity"), &["peer"]);
    UNSENT = by(
        counter(
            "althing_p2p_dropped_messages_total",
            "Messages to a peer that were dropped because its queue was full"
        ),
        &["peer"]
    );
    STORAGE_BYTES =
        by(gauge("althing_storage_bytes", "Bytes on disk, by what the node keeps in its home"), &["part"]);
    APPLICATION_UP =
        gauge("althing_application_up", "1 while the application can be reached; always, if it is built in");
    EXECUTION = histogram(
        "althing_application_execution_seconds",
        "From a block's being handed to the application until results, index and state are stored"
    );
    REQUESTS = by(counter("althing_rpc_requests_total", "Requests carried out, by method"), &["method"]);
    ERRORS = by(
        counter("althing_rpc_errors_total", "Requests answered with an error object, by its code"),
        &["code"]
    );
    REQUEST_TIME = histogram(
        "althing_rpc_request_seconds",
        "From taking a request on until its answer is made, with what it waited for"
    );
    HELD = by(
        gauge(
            "althing_rpc_held",
            "What all clients hold: connections, requests under way, waiting places, subscriptions, bytes"
        ),
        &["kind"]
    );
    LIMITS = by(gauge("althing_rpc_limit", "The most that all clients together may hold of it"), &["kind"]);
    CLIENTS = gauge("althing_rpc_clients", "Clients that the node keeps account of");
    BUSY = counter(
        "althing_rpc_busy_total",
        "How often a client was told to come back later: requests, connections, bytes"
    );
    RESIDENT = gauge("process_resident_memory_bytes", "Memory of the process that is not swapped out");
    OPEN_FILES = gauge("process_open_fds", "Files and sockets that the process has open");
}
