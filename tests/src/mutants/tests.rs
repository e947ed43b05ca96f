use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::look::GENERAL;
use super::{all, scenarios};

const MARK: &str = "mutant!(\"";

/// Every `mutant!("name")` of the product crates: the files it stands in.
fn in_sources() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut folders: Vec<PathBuf> =
        ["consensus", "mempool", "ledger", "p2p", "node"].map(|name| root.join(name).join("src")).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a source folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let place = path.strip_prefix(root).expect("inside the repository").display().to_string();
            let text = std::fs::read_to_string(&path).expect("a source file");
            for after in text.split(MARK).skip(1) {
                let name = after.split('"').next().expect("a name").to_owned();
                found.entry(name).or_default().push(place.clone());
            }
        }
    }
    found
}

#[test]
fn every_fault_in_the_sources_is_listed_once_with_its_places_and_every_listed_one_exists() {
    let listed: BTreeMap<String, Vec<String>> = all()
        .map(|mutant| {
            (mutant.name.to_owned(), mutant.places.iter().map(|place| (*place).to_owned()).collect())
        })
        .collect();
    assert_eq!(listed.len(), all().count(), "a name is listed twice");
    let mut found = in_sources();
    for places in found.values_mut() {
        places.sort_unstable();
        places.dedup();
    }
    assert_eq!(found, listed);
}

#[test]
fn names_are_words_and_slips_are_sentences() {
    for mutant in all() {
        let plain = mutant.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        assert!(plain, "{}", mutant.name);
        assert!(mutant.slip.ends_with('.') && !mutant.slip.contains('|'), "{}: {}", mutant.name, mutant.slip);
        let known = scenarios::ALL.iter().map(|one| one.name).chain(GENERAL);
        assert!(
            known.into_iter().any(|name| name == mutant.expected),
            "{}: {}",
            mutant.name,
            mutant.expected
        );
    }
}

#[test]
fn no_scenario_finds_anything_where_no_fault_is_made() {
    let found: Vec<String> = scenarios::ALL
        .iter()
        .filter_map(|one| Some(format!("{}: {}", one.name, (one.run)().err()?)))
        .collect();
    assert_eq!(found, Vec::<String>::new());
}
