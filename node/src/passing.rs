//! The one list of what passes by itself: the same request, or the same bytes of a transaction, may succeed a moment later. The node's
//! clients go by it; `docs/codes.md` and the TypeScript package repeat it, and tests compare.

use althing_ledger::{
    abci,
    asset::{self, Code as Ledger},
};
use althing_mempool::{self as mempool, Code as Pool};

use crate::rpc::{self, Code as Rpc, RpcError};

/// Codes of JSON-RPC's error objects.
pub const ERRORS: [i64; 1] = [RpcError::BUSY as i64];

/// Codes of transactions and queries, each with its codespace.
pub const REFUSALS: [(&str, u32); 10] = [
    (asset::CODESPACE, Ledger::NotInitialised as u32),
    (asset::CODESPACE, Ledger::StateUnavailable as u32),
    (abci::CODESPACE, abci::UNAVAILABLE),
    (mempool::CODESPACE, Pool::Busy as u32),
    (mempool::CODESPACE, Pool::Full as u32),
    (mempool::CODESPACE, Pool::SenderFull as u32),
    (mempool::CODESPACE, Pool::SequenceGap as u32),
    (mempool::CODESPACE, Pool::HeldFull as u32),
    (mempool::CODESPACE, Pool::HeldTooLong as u32),
    (rpc::CODESPACE, Rpc::Stopping as u32),
];

/// Whether an error object of this code passes.
pub fn error_passes(code: i64) -> bool {
    ERRORS.contains(&code)
}

/// Whether a refusal with this code passes.
pub fn refusal_passes(codespace: &str, code: u64) -> bool {
    REFUSALS.iter().any(|(space, number)| *space == codespace && u64::from(*number) == code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../docs/codes.md");

    #[test]
    fn the_page_of_codes_lists_the_same() {
        let section = PAGE.split("## What passes by itself").nth(1).expect("the section");
        let lines = section.lines().take_while(|line| !line.starts_with("## "));
        let listed: BTreeSet<(String, i64)> = lines
            .filter_map(|line| line.strip_prefix("- ")?.split_once(": "))
            .flat_map(|(space, codes)| {
                codes.split(", ").map(|code| (space.trim_matches('`').to_owned(), code.parse().unwrap()))
            })
            .collect();
        let errors = ERRORS.iter().map(|code| ("error objects".to_owned(), *code));
        let refusals = REFUSALS.iter().map(|(space, code)| ((*space).to_owned(), i64::from(*code)));
        assert_eq!(listed, errors.chain(refusals).collect());
    }
}
