//! `althing version`

use std::process::ExitCode;

use serde_json::json;

use super::Output;

pub(super) fn run(output: &Output) -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    output.result(&json!({ "name": "althing", "version": version }), format!("althing {version}"));
    ExitCode::SUCCESS
}
