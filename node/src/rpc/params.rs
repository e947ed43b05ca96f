//! Parameters of a request, by name: from a JSON object, a JSON array in the method's order, or the query of a URI.
//!
//! Integers of 64 bits come as strings or numbers. Byte strings are base64 in JSON; in a URI they are `0x…` in hexadecimal, or
//! text in quotes that stands for its bytes.

use althing_consensus::Height;
use althing_crypto::Hash;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value};

use super::{
    RpcError,
    caller::{Caller, Presence},
    clients::Place,
    method::{Kind as MethodKind, Method},
};

/// Transactions in one list.
pub(crate) const MAX_TXS: usize = 1_000;

/// The parameters of one request.
#[derive(Debug, Clone)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Params {
    asked_by: Caller,
    /// The request's own, if it has one.
    id: Option<Value>,
    values: Map<String, Value>,
    /// Whether they come from a URI, where every value is text.
    uri: bool,
}

impl Params {
    /// From the `params` of a JSON-RPC request of this method.
    pub(crate) fn from_json(
        params: Option<Value>,
        method: &Method,
        asked_by: &Caller,
    ) -> Result<Self, RpcError> {
        let names: Vec<&str> = method.param_names().collect();
        let lists: Vec<&str> = method
            .params
            .iter()
            .filter(|param| param.kind == MethodKind::Txs)
            .map(|param| param.name)
            .collect();
        Ok(Self {
            values: Self::named(params, &names, &lists)?,
            uri: false,
            id: None,
            asked_by: asked_by.clone(),
        })
    }

    /// As [`Self::from_json`]; `names` are the method's parameters in their order, `lists` those that take a list of texts.
    fn named(params: Option<Value>, names: &[&str], lists: &[&str]) -> Result<Map<String, Value>, RpcError> {
        let values = match params {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(values)) => values,
            Some(Value::Array(values)) if values.len() <= names.len() => {
                names.iter().map(|name| (*name).to_owned()).zip(values).collect()
            }
            Some(Value::Array(values)) => {
                let reason = format!(
                    "{} params, this method takes {}: {}",
                    values.len(),
                    names.len(),
                    names.join(", ")
                );
                return Err(RpcError::params(reason));
            }
            Some(_) => return Err(RpcError::params("params must be an object or an array")),
        };
        // They are kept until the answer is there: nothing that no method reads, and nothing that grows in memory.
        let mut values = values;
        values.retain(|name, _| names.contains(&name.as_str()));
        let refused = |(name, value): &(&String, &Value)| match value {
            Value::Array(list) => {
                !lists.contains(&name.as_str()) || list.len() > MAX_TXS || !list.iter().all(Value::is_string)
            }
            value => value.is_object(),
        };
        if let Some((name, Value::Array(list))) = values.iter().find(refused)
            && lists.contains(&name.as_str())
        {
            let reason = format!("{name}: a list of {}, at most {MAX_TXS} strings are taken", list.len());
            return Err(RpcError::params(reason));
        }
        if let Some((name, _)) = values.iter().find(refused) {
            return Err(RpcError::params(format!("{name}: a list or an object, no parameter takes one")));
        }
        Ok(values)
    }

    /// The same of a request that has an id.
    pub(crate) fn under(self, id: Option<Value>) -> Self {
        Self { id, ..self }
    }

    /// The request's id; null if it has none.
    pub(crate) fn id(&self) -> Value {
        self.id.clone().unwrap_or_default()
    }

    /// From the pairs of a URI's query.
    pub(crate) fn from_uri(pairs: Vec<(String, String)>, asked_by: &Caller) -> Self {
        let values = pairs.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
        Self { values, uri: true, id: None, asked_by: asked_by.clone() }
    }

    /// Who asks: whose limits count, and who may go before there is an answer.
    pub(crate) fn asked_by(&self) -> &Caller {
        &self.asked_by
    }

    /// The same, asked by one who is here as long as the presence is kept.
    pub(crate) fn present(mut self, turn: Place) -> (Self, Presence) {
        let (asked_by, presence) = self.asked_by.present(turn);
        self.asked_by = asked_by;
        (self, presence)
    }

    /// The value, if it is there, neither null nor (in a URI) empty.
    fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !(value.is_null() || self.uri && value.as_str() == Some("")))
    }

    /// A height from 1, if one is named.
    pub(crate) fn height(&self, name: &str) -> Result<Option<Height>, RpcError> {
        match self.number(name)? {
            Some(0) => Err(RpcError::params(format!("{name}: must be greater than 0"))),
            other => Ok(other.map(Height)),
        }
    }

    /// A whole number below 2^64, if there is one.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, RpcError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => self.unquoted(text).parse().ok(),
            _ => None,
        };
        let fault = || RpcError::params(format!("{name}: {} is not a whole number below 2^64", shown(value)));
        number.map(Some).ok_or_else(fault)
    }

    /// How many of a list are wanted, 100 at most. Programs of this dialect write -1 or 0 where they want what is usual: 30.
    pub(crate) fn per_page(&self, name: &str) -> Result<u64, RpcError> {
        const PER_PAGE: (u64, u64) = (30, 100);
        let negative = matches!(self.get(name), Some(value) if value.as_i64().is_some_and(|n| n < 0)
            || value.as_str().is_some_and(|text| self.unquoted(text).parse().is_ok_and(|n: i64| n < 0)));
        let wanted = if negative { None } else { self.number(name)? };
        Ok(wanted.filter(|n| *n > 0).unwrap_or(PER_PAGE.0).min(PER_PAGE.1))
    }

    /// Which of `total` things `page` and `per_page` ask for: the place of the first, and how many at most.
    pub(crate) fn paging(&self, total: u64) -> Result<(u64, u64), RpcError> {
        let per_page = self.per_page("per_page")?;
        let page = self.number("page")?.unwrap_or(1);
        let pages = total.div_ceil(per_page).max(1);
        if page == 0 || page > pages {
            return Err(RpcError::params(format!("page should be within [1, {pages}] range, given {page}")));
        }
        Ok(((page - 1) * per_page, per_page))
    }

    /// True or false; false if not there.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, RpcError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(value) => {
                Err(RpcError::params(format!("{name}: {} is neither true nor false", shown(value))))
            }
        }
    }

    /// Text; empty if not there.
    pub(crate) fn text(&self, name: &str) -> Result<String, RpcError> {
        match self.get(name) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(self.unquoted(text).to_owned()),
            Some(value) => Err(RpcError::params(format!("{name}: {} is not a string", shown(value)))),
        }
    }

    /// Bytes of which hexadecimal is the usual form; empty if not there.
    pub(crate) fn hex(&self, name: &str) -> Result<Vec<u8>, RpcError> {
        let text = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::String(text)) => text,
            Some(value) => return Err(RpcError::params(format!("{name}: {} is not a string", shown(value)))),
        };
        if self.uri && is_quoted(text) {
            return Ok(self.unquoted(text).as_bytes().to_vec());
        }
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode(digits).map_err(|error| {
            RpcError::params(format!("{name}: {} is not hexadecimal: {error}", shown_text(text)))
        })
    }

    /// A transaction.
    pub(crate) fn tx(&self, name: &str) -> Result<Vec<u8>, RpcError> {
        let fault = |reason: String| RpcError::params(format!("{name}: {reason}"));
        match self.get(name) {
            None => Err(fault("missing; it is the transaction in base64".into())),
            Some(Value::String(_)) if self.uri => self.hex(name),
            Some(Value::String(text)) => {
                BASE64.decode(text).map_err(|error| fault(format!("not base64: {error}")))
            }
            Some(value) => Err(fault(format!("{} is not a string in base64", shown(value)))),
        }
    }

    /// A list of transactions.
    pub(crate) fn txs(&self, name: &str) -> Result<Vec<Vec<u8>>, RpcError> {
        let fault = |reason: String| RpcError::params(format!("{name}: {reason}"));
        let Some(Value::Array(list)) = self.get(name) else {
            return Err(fault("missing, or no list of strings in base64".to_owned()));
        };
        let read = |(index, text): (usize, &Value)| {
            BASE64
                .decode(text.as_str().unwrap_or_default())
                .map_err(|error| fault(format!("{index}: not base64: {error}")))
        };
        list.iter().enumerate().map(read).collect()
    }

    /// At most so many bytes, in hexadecimal, or else in base64.
    pub(crate) fn blob(&self, name: &str, max: usize) -> Result<Vec<u8>, RpcError> {
        let text = self.text(name)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let bytes = hex::decode(digits).ok().or_else(|| BASE64.decode(&text).ok());
        match bytes {
            _ if text.is_empty() => Err(RpcError::params(format!("{name}: missing"))),
            None => Err(RpcError::params(format!("{name}: neither hexadecimal nor base64"))),
            Some(bytes) if bytes.len() > max => {
                Err(RpcError::params(format!("{name}: {} bytes, at most {max} are taken", bytes.len())))
            }
            Some(bytes) => Ok(bytes),
        }
    }

    /// A hash of 32 bytes, in hexadecimal or base64: their lengths tell them apart.
    pub(crate) fn hash(&self, name: &str) -> Result<Hash, RpcError> {
        let text = self.text(name)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        if let Ok(hash) = digits.parse() {
            return Ok(hash);
        }
        let bytes = BASE64.decode(&text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Hash::from_bytes).ok_or_else(|| {
            let reason = format!("{name}: {} is not 32 bytes in hexadecimal or base64", shown_text(&text));
            RpcError::params(reason)
        })
    }

    /// In a URI, text may stand in quotes.
    fn unquoted<'a>(&self, text: &'a str) -> &'a str {
        if self.uri && is_quoted(text) { &text[1..text.len() - 1] } else { text }
    }
}

fn is_quoted(text: &str) -> bool {
    text.len() >= 2 && ['"', '\''].into_iter().any(|quote| text.starts_with(quote) && text.ends_with(quote))
}

fn shown(value: &Value) -> String {
    shown_text(&value.to_string())
}

/// Enough of what a client sent to recognise it.
fn shown_text(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NAMES: &[&str] = &["height", "prove", "path", "data", "tx", "hash"];
    const LISTS: &[&str] = &["data"];

    fn from_json(params: Value) -> Params {
        Params { values: Params::named(Some(params), NAMES, LISTS).unwrap(), ..Params::default() }
    }

    fn from_uri(name: &str, text: &str) -> Params {
        Params::from_uri(vec![(name.into(), text.into())], &Caller::default())
    }

    #[test]
    fn what_is_sent_in_many_forms_is_read_as_one() {
        for params in [
            from_json(json!({"height": "5"})),
            from_json(json!({"height": 5})),
            from_json(json!(["5"])),
            from_uri("height", "5"),
            from_uri("height", "\"5\""),
        ] {
            assert_eq!(params.height("height").unwrap(), Some(Height(5)));
        }
        for params in [
            from_json(json!({"height": null})),
            from_json(json!([])),
            from_uri("height", ""),
            Params::default(),
        ] {
            assert_eq!(params.height("height").unwrap(), None);
        }
        assert!(from_json(json!([1, true])).flag("prove").unwrap());
        assert!(from_uri("prove", "true").flag("prove").unwrap());
        assert_eq!(from_uri("path", "\"/account\"").text("path").unwrap(), "/account");
        assert_eq!(from_uri("path", "'/account'").text("path").unwrap(), "/account");
        assert_eq!(from_json(json!({"data": "6162"})).hex("data").unwrap(), b"ab");
        assert_eq!(from_uri("data", "0x6162").hex("data").unwrap(), b"ab");
        assert_eq!(from_uri("data", "\"ab\"").hex("data").unwrap(), b"ab");
        assert_eq!(from_json(json!({"tx": "YWI="})).tx("tx").unwrap(), b"ab");
        assert_eq!(from_uri("tx", "0x6162").tx("tx").unwrap(), b"ab");
        assert_eq!(from_json(json!({"data": ["YWI=", "Yw=="]})).txs("data").unwrap(), [&b"ab"[..], b"c"]);
        let hash = Hash::from_bytes([0xab; 32]);
        for text in [
            hash.to_string(),
            format!("0x{hash}"),
            hash.to_string().to_uppercase(),
            BASE64.encode([0xab; 32]),
        ] {
            assert_eq!(from_json(json!({"hash": text})).hash("hash").unwrap(), hash);
        }
    }

    #[test]
    fn only_what_a_method_reads_is_kept() {
        let params = from_json(json!({"tx": "YWI=", "note": [0, 0, 0], "more": {"x": 1}}));
        assert_eq!(params.values.keys().collect::<Vec<_>>(), ["tx"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(10_000);
        let cases = [
            (from_json(json!({"height": -1})).height("height").map(drop), "height: -1 is not a whole number"),
            (from_json(json!({"height": "five"})).height("height").map(drop), "height: \"five\""),
            (from_json(json!({"height": 0})).height("height").map(drop), "height: must be greater than 0"),
            (from_json(json!({"prove": 1})).flag("prove").map(drop), "prove: 1 is neither"),
            (from_json(json!({"path": 1})).text("path").map(drop), "path: 1 is not a string"),
            (from_json(json!({"data": "xy"})).hex("data").map(drop), "data: xy is not hexadecimal"),
            (from_json(json!({"tx": "%%"})).tx("tx").map(drop), "tx: not base64"),
            (from_json(json!({"tx": 7})).tx("tx").map(drop), "tx: 7 is not a string"),
            (Params::default().tx("tx").map(drop), "tx: missing"),
            (from_json(json!({"hash": "ab"})).hash("hash").map(drop), "hash: ab is not 32 bytes"),
            (from_json(json!({"hash": long})).hash("hash").map(drop), "x… is not 32 bytes"),
            (
                Params::named(Some(json!([1, 2, 3, 4, 5, 6, 7])), NAMES, LISTS).map(drop),
                "7 params, this method takes 6",
            ),
            (Params::named(Some(json!({"tx": [0]})), NAMES, LISTS).map(drop), "tx: a list or an object"),
            (Params::named(Some(json!({"data": [0]})), NAMES, LISTS).map(drop), "data: a list of 1"),
            (
                Params::named(Some(json!({"data": vec!["x"; 1_001]})), NAMES, LISTS).map(drop),
                "data: a list of 1001",
            ),
            (from_json(json!({"data": ["YWI=", "%"]})).txs("data").map(drop), "data: 1: not base64"),
            (from_json(json!({"data": "YWI="})).txs("data").map(drop), "data: missing, or no list"),
            (Params::named(Some(json!("x")), NAMES, LISTS).map(drop), "must be an object or an array"),
        ];
        for (result, expected) in cases {
            let error = result.expect_err(expected);
            assert_eq!(error.code, -32602);
            assert!(error.data.contains(expected), "expected {expected:?} in {:?}", error.data);
            assert!(error.data.len() < 300);
        }
    }
}
