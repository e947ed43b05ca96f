//! The rows. A row's cost is about how many reads of a small record it takes.

use super::{
    super::{
        application, blocks, consensus, hashes, headers, light, many, net, notices, search, status, stream,
        transactions, waits,
    },
    Handler, Kind, Method, Param, Role,
    documents::discover,
};

/// Every method, by name.
pub(crate) static METHODS: &[Method] = &[
    read("abci_info", "What the application says it is, and where it stands", 2, &[], |context, params| {
        Box::pin(application::abci_info(context, params))
    }),
    read(
        "abci_query",
        "The application's answer to a question",
        4,
        &[
            optional("path", Kind::Text, "what is asked about; the application knows which there are"),
            optional("data", Kind::Hex, "the question's own data"),
            optional("height", Kind::Number, "the state after this height; 0 or none: the newest"),
            optional("prove", Kind::Flag, "whether the answer should come with a proof"),
        ],
        |context, params| Box::pin(application::abci_query(context, params)),
    ),
    read(
        "althing_block_hashes",
        "The hashes of a block's transactions, once the block is executed",
        4,
        &[
            optional("height", Kind::Height, "the height; none: the newest one that is executed"),
            optional(
                "wait_ms",
                Kind::Number,
                "for how long to wait for it, in milliseconds; none: not at all; 60000 at most",
            ),
            optional(
                "bytes",
                Kind::Number,
                "how many bytes of each hash, from its first; none: 32; 0: no hashes",
            ),
        ],
        |context, params| Box::pin(hashes::block_hashes(context, params)),
    ),
    submit(
        "althing_broadcast_txs",
        "Hands in up to 1000 transactions and answers with the mempool's verdict on each; costs 2 more for each",
        5,
        &[required("txs", Kind::Txs, "the transactions")],
        |context, params| Box::pin(many::broadcast_txs(context, params)),
    ),
    read(
        "althing_certificate",
        "The commit certificate of a block: its own, or that of the nearest one above which has one",
        5,
        &[HEIGHT],
        |context, params| Box::pin(blocks::certificate(context, params)),
    ),
    read(
        "althing_epochs",
        "The ends of epochs, for a light client: header, commit certificate and next validators of each",
        20,
        &[
            optional("from", Kind::Number, "the first epoch; none: 1"),
            optional("limit", Kind::Number, "how many at most; 100 at most"),
        ],
        |context, params| Box::pin(light::epochs(context, params)),
    ),
    read(
        "althing_events",
        "The events of the chain in their order, from a cursor on",
        10,
        &[
            optional(
                "cursor",
                Kind::Text,
                "`cursor` of an answer or of an event: what comes behind it; `1.0.0`: all; none: what is still to come",
            ),
            optional("query", Kind::Text, "only of transactions, and of blocks, whose events meet it"),
            optional("limit", Kind::Number, "how many at most; none: 100; 1000 at most"),
            optional(
                "wait_ms",
                Kind::Number,
                "for how long to wait for one if there is none, in milliseconds; none: not at all; 60000 at most",
            ),
        ],
        |context, params| Box::pin(stream::events(context, params)),
    ),
    read(
        "althing_evidence",
        "The evidence in executed blocks, the newest first",
        10,
        &[PAGE, PER_PAGE],
        |context, params| Box::pin(notices::althing_evidence(context, params)),
    ),
    read(
        "althing_links",
        "Committed blocks as an audit of a fork wants them",
        20,
        &[
            optional("from", Kind::Height, "the first height; none: 1"),
            optional("limit", Kind::Number, "how many at most; 20 at most"),
        ],
        |context, params| Box::pin(light::links(context, params)),
    ),
    read(
        "althing_proof",
        "What shows one of a header, a transaction, a result, or the state's hash to a light client",
        20,
        &[
            optional(
                "height",
                Kind::Height,
                "the header of this height; none of the four: the newest header",
            ),
            optional("tx", Kind::Hash, "the transaction of this hash"),
            optional("result", Kind::Hash, "the result of the transaction of this hash"),
            optional("state", Kind::Height, "the application's hash after this height"),
        ],
        |context, params| Box::pin(light::proof(context, params)),
    ),
    submit(
        "althing_register",
        "Hands in the registration of a validator's vote key",
        100,
        &[required("registration", Kind::Bytes, "what `althing validator register` makes")],
        |context, params| Box::pin(notices::althing_register(context, params)),
    ),
    read(
        "althing_start",
        "What a light client's proof begins with, if it trusts the header of a height",
        10,
        &[HEIGHT],
        |context, params| Box::pin(light::start(context, params)),
    ),
    read(
        "althing_tx_status",
        "Where a transaction stands: unknown, pending, committed, failed, expired or evicted, and whether that is final",
        4,
        &[TX_HASH],
        |context, params| Box::pin(waits::tx_status(context, params)),
    ),
    read(
        "althing_tx_wait",
        "The same, once the transaction is neither unknown nor pending, or the time is over",
        4,
        &[
            TX_HASH,
            optional(
                "wait_ms",
                Kind::Number,
                "for how long at most, in milliseconds; none: 30000; 60000 at most",
            ),
        ],
        |context, params| Box::pin(waits::tx_wait(context, params)),
    ),
    read(
        "block",
        "A block with its transactions and the commit of the one below",
        10,
        &[HEIGHT],
        |context, params| Box::pin(blocks::block(context, params)),
    ),
    read("block_by_hash", "A block by its hash", 10, &[HASH], |context, params| {
        Box::pin(blocks::block_by_hash(context, params))
    }),
    read("block_results", "What executing a block gave", 10, &[HEIGHT], |context, params| {
        Box::pin(blocks::block_results(context, params))
    }),
    read(
        "block_search",
        "The blocks whose own events meet a query, the newest first",
        50,
        &[QUERY, PAGE, PER_PAGE, optional("order_by", Kind::Text, "asc or desc; none: desc")],
        |context, params| Box::pin(search::block_search(context, params)),
    ),
    read(
        "blockchain",
        "Headers with the sizes of their blocks, from the highest down, at most 20",
        20,
        &[
            optional("minHeight", Kind::Number, "the lowest height; none or 0: the lowest one kept"),
            optional("maxHeight", Kind::Number, "the highest height; none or 0: the newest"),
        ],
        |context, params| Box::pin(headers::blockchain(context, params)),
    ),
    submit(
        "broadcast_evidence",
        "Hands in evidence against a validator",
        100,
        &[required("evidence", Kind::Bytes, "what `althing_evidence` shows as bytes")],
        |context, params| Box::pin(notices::broadcast_evidence(context, params)),
    ),
    submit(
        "broadcast_tx_async",
        "Hands in a transaction and answers once it cannot be lost, without the mempool's verdict",
        5,
        TX,
        |context, params| Box::pin(transactions::broadcast_tx_async(context, params)),
    ),
    submit(
        "broadcast_tx_commit",
        "Hands in a transaction and answers when it is committed and executed",
        10,
        TX,
        |context, params| Box::pin(transactions::broadcast_tx_commit(context, params)),
    ),
    submit(
        "broadcast_tx_sync",
        "Hands in a transaction and answers with the mempool's verdict",
        5,
        TX,
        |context, params| Box::pin(transactions::broadcast_tx_sync(context, params)),
    ),
    submit(
        "check_tx",
        "What the mempool would be told of a transaction, which is not handed in",
        10,
        TX,
        |context, params| Box::pin(application::check_tx(context, params)),
    ),
    read("commit", "The header of a block and who committed it", 5, &[HEIGHT], |context, params| {
        Box::pin(blocks::commit(context, params))
    }),
    read("consensus_params", "The parameters that hold at a height", 2, &[HEIGHT], |context, params| {
        Box::pin(status::consensus_params(context, params))
    }),
    read("consensus_state", "The height, the view and its leader", 4, &[], |context, params| {
        Box::pin(consensus::consensus_state(context, params))
    }),
    Method {
        role: Role::Admin,
        ..read("dump_consensus_state", "The same with validators and peers", 10, &[], |context, params| {
            Box::pin(consensus::dump_consensus_state(context, params))
        })
    },
    read("genesis", "The genesis document", 50, &[], |context, params| {
        Box::pin(async { Ok(status::genesis(context, params)) })
    }),
    read(
        "genesis_chunked",
        "A piece of the genesis document",
        50,
        &[optional("chunk", Kind::Number, "which piece, from 0; none: the first")],
        |context, params| Box::pin(async { status::genesis_chunked(context, params) }),
    ),
    read("header", "The header of a block", 4, &[HEIGHT], |context, params| {
        Box::pin(headers::header(context, params))
    }),
    read("header_by_hash", "The header of a block by its hash", 4, &[HASH], |context, params| {
        Box::pin(headers::header_by_hash(context, params))
    }),
    read("health", "Nothing, if the node answers", 1, &[], |_, _| Box::pin(async { Ok(status::health()) })),
    read("net_info", "The peers", 2, &[], |context, _| Box::pin(async { Ok(net::net_info(context)) })),
    read("num_unconfirmed_txs", "How many transactions are pending", 1, &[], |context, _| {
        Box::pin(async { Ok(transactions::num_unconfirmed_txs(context)) })
    }),
    read("rpc.discover", "This list, as an OpenRPC document", 20, &[], |_, _| {
        Box::pin(async { Ok(discover()) })
    }),
    read(
        "status",
        "What the node is, how far it has come, and whether it votes",
        4,
        &[],
        |context, params| Box::pin(status::status(context, params)),
    ),
    read(
        "subscribe",
        "Over a WebSocket: all that meets a query, from now on",
        10,
        &[QUERY],
        |context, params| Box::pin(async { params.asked_by().errand()?.subscribe(context, params) }),
    ),
    read(
        "tx",
        "An executed transaction and its result",
        4,
        &[TX_HASH, optional("prove", Kind::Flag, "whether to show that its block holds it")],
        |context, params| Box::pin(transactions::tx(context, params)),
    ),
    read(
        "tx_search",
        "The transactions whose events meet a query, the oldest first",
        50,
        &[
            QUERY,
            optional("prove", Kind::Flag, "whether to show that their blocks hold them"),
            PAGE,
            PER_PAGE,
            optional("order_by", Kind::Text, "asc or desc; none: asc"),
        ],
        |context, params| Box::pin(search::tx_search(context, params)),
    ),
    read(
        "unconfirmed_txs",
        "The pending transactions that a block would take first",
        10,
        &[optional("limit", Kind::Number, "how many; none or less than 1: 30; 100 at most")],
        |context, params| Box::pin(transactions::unconfirmed_txs(context, params)),
    ),
    read("unsubscribe", "Over a WebSocket: gives a subscription up", 1, &[QUERY], |context, params| {
        Box::pin(async { params.asked_by().errand()?.unsubscribe(context, Some(&params.text("query")?)) })
    }),
    read("unsubscribe_all", "Over a WebSocket: gives up all its subscriptions", 1, &[], |context, params| {
        Box::pin(async { params.asked_by().errand()?.unsubscribe(context, None) })
    }),
    read("validators", "The validators at a height", 4, &[HEIGHT, PAGE, PER_PAGE], |context, params| {
        Box::pin(status::validators(context, params))
    }),
];

const HEIGHT: Param = optional("height", Kind::Height, "the height; none: the newest one that is executed");
const HASH: Param = required("hash", Kind::Hash, "the block's hash");
const TX_HASH: Param = required("hash", Kind::Hash, "the transaction's hash");
const TX: &[Param] = &[required("tx", Kind::Tx, "the transaction")];
const QUERY: Param = required("query", Kind::Text, "such as `tx.height > 5 AND transfer.sender = '…'`");
const PAGE: Param = optional("page", Kind::Number, "which page, from 1; none: the first");
const PER_PAGE: Param =
    optional("per_page", Kind::Number, "how many on a page; none or less than 1: 30; 100 at most");

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, required: false, doc }
}

const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Param {
    Param { name, kind, required: true, doc }
}

const fn read(
    name: &'static str,
    summary: &'static str,
    cost: u32,
    params: &'static [Param],
    handler: Handler,
) -> Method {
    Method { name, summary, params, role: Role::Read, cost, handler }
}

const fn submit(
    name: &'static str,
    summary: &'static str,
    cost: u32,
    params: &'static [Param],
    handler: Handler,
) -> Method {
    Method { role: Role::Submit, ..read(name, summary, cost, params, handler) }
}
