//! The methods, each a row of one table: its name and parameters, who may call it, what it costs, and what answers it.
//!
//! Dispatch, `rpc.discover`, `docs/openrpc.json`, `docs/rpc.md` and the list at `GET /` are all made from the rows: none of them can
//! say what the others do not.

use std::{future::Future, pin::Pin, sync::Arc};

use serde_json::Value;

pub(crate) use super::Role;
use super::{Context, RpcError, params::Params};

mod documents;
mod results;
mod table;

#[cfg(test)]
pub(crate) use documents::discover;
pub(crate) use documents::list;
#[cfg(test)]
pub(crate) use results::tests::conforms;
pub(crate) use table::METHODS;

/// An answer in the making.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Result<Value, RpcError>> + Send + 'a>>;
/// What answers a method.
pub(crate) type Handler = for<'a> fn(&'a Arc<Context>, &'a Params) -> Answering<'a>;

/// One method.
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// One line, without a full stop.
    pub(crate) summary: &'static str,
    /// In the order in which an array of parameters gives them.
    pub(crate) params: &'static [Param],
    pub(crate) role: Role,
    /// Against the budget of whoever asks; the cheapest ones cost 1.
    pub(crate) cost: u32,
    pub(crate) handler: Handler,
}

/// One parameter of a method.
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

/// What a parameter holds, which says how it is written in JSON and in a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A height: a whole number, as a number or, as 64 bits do not fit there for all clients, as a string.
    Height,
    /// Any other whole number.
    Number,
    Flag,
    Text,
    /// Bytes in hexadecimal.
    Hex,
    /// 32 bytes in hexadecimal or base64.
    Hash,
    /// A transaction: base64, and in a URI `0x…` or text in quotes.
    Tx,
    /// A list of transactions in base64; none in a URI.
    Txs,
    /// Bytes in hexadecimal or base64.
    Bytes,
}

impl Method {
    /// The method of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        METHODS.iter().find(|method| method.name == name)
    }

    /// The names of the parameters in their order.
    pub(crate) fn param_names(&self) -> impl Iterator<Item = &'static str> {
        self.params.iter().map(|param| param.name)
    }
}

#[cfg(test)]
mod tests;
