//! Named faults for testing the tests: `mutant!("name")` stands in a condition where a plausible slip could be made.
//!
//! A build with `--cfg althing_mutants` asks at run time whether the process was told to make that slip; every other
//! build has the constant `false` there, and the fault is not in the program. It is a `cfg` and not a cargo feature,
//! because features of one crate unify over a workspace build and would reach the node.

/// Whether the slip `name` is made in this process; the constant `false` without `--cfg althing_mutants`.
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::mutant::BUILT && $crate::mutant::is_chosen($name)
    };
}

/// Whether this build contains the faults at all.
pub const BUILT: bool = cfg!(althing_mutants);

/// The environment variable that chooses a fault for the whole process.
pub const VARIABLE: &str = "ALTHING_MUTANT";

/// Whether the fault `name` was chosen for this process.
#[cfg(althing_mutants)]
pub fn is_chosen(name: &str) -> bool {
    chosen().as_deref() == Some(name)
}

/// Whether the fault `name` was chosen for this process: never, in a build without faults.
#[cfg(not(althing_mutants))]
pub const fn is_chosen(_name: &str) -> bool {
    false
}

/// Makes the slip `name` in this process from now on; returns whether it is so: not if a fault was asked for before,
/// and never in a build without faults.
#[cfg(althing_mutants)]
pub fn choose(name: &str) -> bool {
    CHOSEN.get_or_init(|| Some(name.to_owned())).as_deref() == Some(name)
}

/// Refuses: a build without faults has none to choose.
#[cfg(not(althing_mutants))]
pub const fn choose(_name: &str) -> bool {
    false
}

#[cfg(althing_mutants)]
static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();

#[cfg(althing_mutants)]
fn chosen() -> &'static Option<String> {
    CHOSEN.get_or_init(|| std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()))
}

#[cfg(all(test, not(althing_mutants)))]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_build_has_no_faults_to_make() {
        assert_eq!((choose("example"), crate::mutant!("example")), (false, false));
        assert_eq!((choose("example"), crate::mutant!("another")), (false, false), "chosen or not");
    }
}
