//! What paths cost when somebody last looked, and what is worth a word since.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Instructions by path.
pub type Counts = BTreeMap<String, u64>;

/// What decides, beside the code, how many instructions a path has. Counts of two builds that differ in it are not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The compiler, as it names itself.
    pub rustc: String,
    /// Kind of processor and system.
    pub target: String,
    /// Whether the compiler optimised.
    pub optimised: bool,
    /// What the processor can do, of that which crates choose their code by; under valgrind, what valgrind can.
    pub processor: Vec<String>,
}

impl Build {
    /// This one, on the processor that it finds.
    pub fn this() -> Self {
        Self {
            rustc: env!("HOT_PATHS_RUSTC").to_owned(),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            optimised: !cfg!(debug_assertions),
            processor: features(),
        }
    }

    /// What is other in `now`, in words; none if they are alike.
    pub fn other_than(&self, now: &Self) -> Option<String> {
        let differs = |what: &str, then: &dyn fmt::Debug, now: &dyn fmt::Debug| {
            (format!("{then:?}") != format!("{now:?}"))
                .then(|| format!("{what} {now:?}, the baseline's {then:?}"))
        };
        let found = [
            differs("compiler", &self.rustc, &now.rustc),
            differs("target", &self.target, &now.target),
            differs("optimised", &self.optimised, &now.optimised),
            differs("processor", &self.processor, &now.processor),
        ];
        let found: Vec<String> = found.into_iter().flatten().collect();
        (!found.is_empty()).then(|| found.join("; "))
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<String> {
    macro_rules! found {
        ($($name:tt)*) => {
            [$(($name, std::arch::is_x86_feature_detected!($name))),*]
        };
    }
    let found = found!["adx" "aes" "avx" "avx2" "avx512f" "avx512ifma" "bmi1" "bmi2" "sha" "ssse3"];
    found.into_iter().filter(|(_, there)| *there).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<String> {
    Vec::new()
}

/// What is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// How it was built.
    pub build: Build,
    /// What each path cost.
    pub instructions: Counts,
}

/// What is to be said of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Costs about as much as before.
    Same,
    /// Costs less, by more than is tolerated in the other direction.
    Cheaper,
    /// Costs more than is tolerated.
    Dearer,
    /// Is in the baseline, and in the list of paths no longer.
    Gone,
    /// Is not in the baseline.
    New,
}

impl Verdict {
    /// Whether somebody has to look: at what is dearer, and at a baseline that does not have the paths that there are.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Dearer | Self::Gone | Self::New)
    }
}

/// A path, then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name.
    pub path: String,
    /// Instructions in the baseline.
    pub baseline: Option<u64>,
    /// Instructions now.
    pub now: Option<u64>,
    /// By how much that is more, in thousandths.
    pub change_permille: Option<i64>,
    /// What is to be said.
    pub verdict: Verdict,
}

/// All paths of the baseline and of now, by name; `tolerance` is in percent.
pub fn compare(baseline: &Counts, now: &Counts, tolerance: u32) -> Vec<Row> {
    let names: BTreeSet<&String> = baseline.keys().chain(now.keys()).collect();
    let row = |path: &String| {
        let (then, now) = (baseline.get(path).copied(), now.get(path).copied());
        let change_permille = then.zip(now).map(|(then, now)| permille(then, now));
        let bound = i64::from(tolerance) * 10;
        let verdict = match change_permille {
            None if now.is_none() => Verdict::Gone,
            None => Verdict::New,
            Some(change) if change > bound => Verdict::Dearer,
            Some(change) if change < -bound => Verdict::Cheaper,
            Some(_) => Verdict::Same,
        };
        Row { path: path.clone(), baseline: then, now, change_permille, verdict }
    };
    names.into_iter().map(row).collect()
}

/// By how many thousandths `now` is more than `then`, rounded up, so that no excess is rounded away.
fn permille(then: u64, now: u64) -> i64 {
    let (then, now) = (i128::from(then.max(1)), i128::from(now));
    let change = (now - then) * 1_000;
    let up = change.div_euclid(then) + i128::from(change.rem_euclid(then) > 0);
    i64::try_from(up).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(&str, u64)]) -> Counts {
        of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    fn verdicts(baseline: &[(&str, u64)], now: &[(&str, u64)]) -> Vec<(String, Verdict)> {
        let rows = compare(&counts(baseline), &counts(now), 10);
        rows.into_iter().map(|row| (row.path, row.verdict)).collect()
    }

    #[test]
    fn a_path_that_got_dearer_is_found_and_one_within_the_tolerance_is_not() {
        let baseline =
            [("cheaper", 1_000), ("dearer", 1_000), ("lower", 1_000), ("same", 1_000), ("upper", 1_000)];
        let now = [("cheaper", 899), ("dearer", 1_101), ("lower", 900), ("same", 1_000), ("upper", 1_100)];
        let expected = [
            ("cheaper", Verdict::Cheaper),
            ("dearer", Verdict::Dearer),
            ("lower", Verdict::Same),
            ("same", Verdict::Same),
            ("upper", Verdict::Same),
        ];
        assert_eq!(verdicts(&baseline, &now), expected.map(|(name, verdict)| (name.to_owned(), verdict)));
        // One instruction in a million million too many.
        assert_eq!(
            verdicts(&[("x", 1_000_000_000_000)], &[("x", 1_100_000_000_001)]),
            [("x".to_owned(), Verdict::Dearer)]
        );
        assert!(Verdict::Dearer.is_fault() && !Verdict::Cheaper.is_fault() && !Verdict::Same.is_fault());
    }

    #[test]
    fn a_path_that_only_one_side_has_is_found() {
        let found = verdicts(&[("a", 5), ("gone", 5)], &[("a", 5), ("new", 5)]);
        let expected = [("a", Verdict::Same), ("gone", Verdict::Gone), ("new", Verdict::New)];
        assert_eq!(found, expected.map(|(name, verdict)| (name.to_owned(), verdict)));
        assert!(Verdict::Gone.is_fault() && Verdict::New.is_fault());
    }

    #[test]
    fn another_compiler_or_processor_is_named() {
        let build = Build::this();
        assert!(build.rustc.starts_with("rustc ") && build.other_than(&build).is_none());
        let other = Build { rustc: "rustc 0.1".to_owned(), ..build.clone() };
        assert!(
            build.other_than(&other).expect("another").starts_with("compiler \"rustc 0.1\", the baseline's")
        );
        let processor = vec!["none".to_owned()];
        assert!(build.other_than(&Build { processor, ..build.clone() }).expect("another").contains("none"));
    }

    #[test]
    fn the_stored_baseline_has_the_paths_that_there_are() {
        let stored: Baseline = serde_json::from_str(include_str!("../../benches/baseline.json")).unwrap();
        let paths: BTreeSet<String> = super::super::paths().iter().map(|path| path.name.to_owned()).collect();
        assert_eq!(
            stored.instructions.into_keys().collect::<BTreeSet<_>>(),
            paths,
            "write it anew: hot --write"
        );
    }
}
