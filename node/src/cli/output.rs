//! What a command prints: text for people or one JSON object. Whoever reads may have gone: that is no failure.

use std::{
    fmt::Display,
    io::{self, Write},
};

use serde_json::Value;

pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// The command's result in the form that was asked for.
    pub(super) fn result(&self, object: &Value, text: impl Display) {
        if self.json {
            self.object(object);
        } else {
            let _ = writeln!(io::stdout(), "{text}");
        }
    }

    /// One JSON object on one line.
    pub(super) fn object(&self, object: &Value) {
        let _ = writeln!(io::stdout(), "{object}");
    }

    /// What is to be known beside the result, said to people in either form.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Why the command failed.
    pub(super) fn error(&self, text: &str) {
        let _ = writeln!(io::stderr(), "error: {text}");
    }
}
