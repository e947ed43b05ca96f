//! Every committed input of every fuzz target once more, and its seeds as they are today, on the stable compiler and without
//! libFuzzer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use althing_tests::fuzzing::{TARGETS, Target, seeds};

/// An input by its file name.
type Inputs = BTreeMap<String, Vec<u8>>;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.expect("listed").file_name().into_string().expect("ASCII")).collect()
}

fn corpus(target: &str) -> Inputs {
    let directory = fuzz().join("corpus").join(target);
    let read = |name: String| (name.clone(), fs::read(directory.join(name)).expect("a file"));
    names(&directory).into_iter().map(read).collect()
}

/// The names of those inputs on which the target panics. What it says stands in the test's output.
fn failures(target: Target, inputs: &Inputs) -> Vec<&str> {
    let fails = |input: &Vec<u8>| catch_unwind(|| target(input)).is_err();
    inputs.iter().filter(|(_, input)| fails(input)).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn no_committed_input_and_no_seed_breaks_a_law() {
    for (name, target) in TARGETS {
        let mut inputs = corpus(name);
        let seeds = seeds(name).unwrap();
        assert!(!inputs.is_empty() && !seeds.is_empty());
        inputs.extend((0..).map(|index| format!("seed {index}")).zip(seeds));
        let failures = failures(target, &inputs);
        assert!(failures.is_empty(), "{name} breaks on {failures:?} (in tests/fuzz/corpus/{name})");
    }
}

#[test]
fn a_broken_law_is_noticed() {
    let inputs = Inputs::from([("bad".to_owned(), vec![7]), ("good".to_owned(), vec![8])]);
    assert_eq!(failures(|input| assert_ne!(input, [7]), &inputs), ["bad"]);
}

/// libFuzzer's binaries, which only a nightly compiler builds, call the functions that are played here.
#[test]
fn each_target_has_its_binary_and_its_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let sources = fuzz().join("fuzz_targets");
    assert_eq!(names(&sources), targets.iter().map(|name| format!("{name}.rs")).collect());
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in targets {
        let source = fs::read_to_string(sources.join(format!("{name}.rs"))).unwrap();
        assert!(source.contains(&format!("althing_tests::fuzzing::{name}(")), "{source}");
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name} is not in Cargo.toml"
        );
    }
}
