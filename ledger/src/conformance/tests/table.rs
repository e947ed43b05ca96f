//! The table in `ledger/README.md` says what the code says.

use super::asset::Assets;
use super::kv::Kv;
use super::*;

const README: &str = include_str!("../../../README.md");

/// The cells of the table's rows: check, promise, asset ledger, key-value sample, remote applications, fault.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect();
    let table = README.lines().skip_while(|line| !line.starts_with("| check |")).skip(2);
    table.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn the_readme_names_all_checks_what_came_of_them_and_the_faults_that_they_see() {
    let (assets, kv) = (report(&Assets), report(&Kv));
    let rows = rows();
    let mut expected = Vec::new();
    for ((name, promise), (assets, kv)) in names().zip(assets.lines.iter().zip(&kv.lines)) {
        // A test of another crate, which has the other end of the socket, holds this column to what comes of it there.
        let remote = rows.iter().find(|row| row[0].trim_matches('`') == name).map_or("?", |row| row[4]);
        let faults: Vec<_> =
            FAULTS.iter().filter(|fault| fault.seen_by[0] == name).map(|fault| fault.words).collect();
        let (assets, kv) = (assets.outcome.word(), kv.outcome.word());
        expected
            .push(format!("| `{name}` | {promise} | {assets} | {kv} | {remote} | {} |", faults.join("; ")));
    }
    let found: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    assert!(found == expected, "ledger/README.md should have this table:\n{}", expected.join("\n"));
}
