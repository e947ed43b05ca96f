//! JSON-RPC, from the bytes of a connection to those of the answer, against the chain of [`served`](super::served).
//!
//! The first byte says what the rest is: bytes of HTTP, the body of a POST, or method and query of a GET.

use serde_json::Value;

use super::served::exchange;

/// Says the bytes to the server, and looks at what it answers.
pub fn rpc(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => raw(rest),
        1 => posted(rest),
        _ => asked(rest),
    }
}

/// Whatever is said, every word of the answer is HTTP.
fn raw(bytes: &[u8]) {
    let answer = exchange(bytes.to_vec(), true);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
}

/// Any body is answered in JSON-RPC, or, if it holds notifications only, by nothing.
fn posted(body: &[u8]) {
    let head =
        format!("POST / HTTP/1.1\r\nhost: n\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let Some(answer) = body_of(&exchange([head.as_bytes(), body].concat(), false)) else { return };
    match answer {
        Value::Array(answers) => answers.iter().for_each(envelope),
        one => envelope(&one),
    }
}

/// Any path and query are answered, be it that there is no such method.
fn asked(target: &[u8]) {
    let printable = |byte: &u8| if byte.is_ascii_graphic() { *byte } else { b'"' };
    let target: Vec<u8> = target.iter().map(printable).collect();
    let request = [b"GET /", &target[..], b" HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n"].concat();
    let answer = exchange(request, false);
    assert!(answer.starts_with(b"HTTP/1."));
    if answer.starts_with(b"HTTP/1.1 200") && !target.is_empty() && !b"#?".contains(&target[0]) {
        body_of(&answer).iter().for_each(envelope);
    }
}

/// The JSON of an answer, none if it is empty.
pub(super) fn body_of(answer: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the head: {text}"));
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    (!body.is_empty()).then(|| serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// An answer has an id and either a result or an error, and no error says that the node itself failed.
pub(super) fn envelope(answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    assert!(answer.get("id").is_some_and(|id| id.is_null() || id.is_number() || id.is_string()), "{answer}");
    assert_ne!(answer.get("result").is_some(), answer.get("error").is_some(), "{answer}");
    if let Some(error) = answer.get("error") {
        assert!(error["code"].is_i64() && error["message"].is_string(), "{answer}");
        let panicked =
            ["the read failed", "the request failed"].iter().any(|said| error.to_string().contains(said));
        assert!(!panicked, "a method panicked: {answer}");
    }
}
