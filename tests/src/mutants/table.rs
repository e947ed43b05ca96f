//! The table of faults and their killers in the README of this crate.

use std::fmt::Write;
use std::path::Path;

use super::hunt::Hunted;

const BEGIN: &str = "<!-- mutants: written by `mutants --table` -->";
const END: &str = "<!-- mutants: end -->";

/// Replaces the table in the README.
pub fn write(hunted: &[Hunted]) -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| std::io::Error::other(format!("{} has no place for it", path.display())))?;
    std::fs::write(&path, format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(hunted)))
}

fn table(hunted: &[Hunted]) -> String {
    let mut text =
        String::from("| mutant | slip | where | killed by | tried | seconds |\n|---|---|---|---|---|---|\n");
    for Hunted { mutant, finding, tried, took } in hunted {
        let killer = finding.as_ref().map_or("nobody", |finding| &finding.checker);
        let places = mutant.places.iter().map(|place| place.replace("/src/", "/").replace(".rs", ""));
        let places: Vec<String> = places.collect();
        let tenths = took.as_millis().div_ceil(100);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {killer} | {tried} | {}.{} |",
            mutant.name,
            mutant.slip,
            places.join(", "),
            tenths / 10,
            tenths % 10
        );
    }
    text
}
