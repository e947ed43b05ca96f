//! The power goes at every operation on a file, and again at every operation of the opening after it.

use std::sync::Arc;

use super::{
    disk::{Disk, FATES},
    model::Model,
    program::SMALL,
};
use crate::{
    AppError,
    state::{Changes, State, open::open},
};

const KEPT: u64 = 3;
const HEIGHTS: u64 = 30;

/// What height `n` changes: of 24 keys some each time, long enough that files fill, empty and are removed.
fn changes(n: u64) -> Changes {
    let key = |m: u64| vec![(m * m % 24) as u8, 7];
    let value = |m: u64| (!m.is_multiple_of(5)).then(|| vec![n as u8; 60 + m as usize]);
    (n..n + 6).map(|m| (key(m), value(m + n))).collect()
}

fn advance(state: &State, to: u64) -> Result<(), AppError> {
    for n in state.version().map_or(1, |version| version + 1)..=to {
        state.commit(state.stage(n, changes(n))?)?;
    }
    Ok(())
}

fn check(state: &State, model: &Model) {
    let Some(version) = state.version() else { return };
    let asked: Vec<_> = (0..24).map(|m| vec![m, 7]).collect();
    for height in state.oldest().unwrap()..=version {
        model.check(&state.at(height).unwrap(), &asked);
    }
}

#[test]
fn what_was_acknowledged_is_there_and_the_rest_is_there_whole_or_not_at_all() {
    let mut model = Model::default();
    (1..=HEIGHTS).for_each(|n| model.commit(n, &changes(n)));
    let whole = Arc::new(Disk::default());
    let state = open(whole.clone(), KEPT, SMALL).unwrap();
    advance(&state, HEIGHTS).unwrap();
    check(&state, &model);
    assert!(state.tree().first_file > 3, "files were removed: {}", state.tree().first_file);
    let operations = whole.passed();

    for end in 0..operations {
        let disk = Disk::default().after_power_cut(FATES[0], Some(end));
        let mut acknowledged = 0;
        let state = open(disk.clone(), KEPT, SMALL).unwrap();
        while advance(&state, acknowledged + 1).is_ok() {
            acknowledged += 1;
        }
        // Until it is opened anew, nothing is written behind what failed; and reads go on.
        assert!(advance(&state, state.version().unwrap_or(0) + 1).is_err());
        check(&state, &model);
        drop(state);
        for fate in FATES {
            reopen(&disk.after_power_cut(fate, None), acknowledged, &model);
            for end in 0.. {
                let again = disk.after_power_cut(fate, Some(end));
                if open(again.clone(), KEPT, SMALL).is_ok() {
                    break;
                }
                for fate in FATES {
                    reopen(&again.after_power_cut(fate, None), acknowledged, &model);
                }
            }
        }
    }
}

fn reopen(disk: &Arc<Disk>, acknowledged: u64, model: &Model) {
    let state = open(disk.clone(), KEPT, SMALL).unwrap();
    let version = state.version().unwrap_or(0);
    assert!((acknowledged..=acknowledged + 1).contains(&version), "{version} after {acknowledged}");
    check(&state, model);
    advance(&state, (acknowledged + 4).min(HEIGHTS)).unwrap();
    check(&state, model);
}
