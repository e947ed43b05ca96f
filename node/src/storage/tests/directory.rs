//! What stands in a data directory and what happens to it.

use super::*;
use althing_ledger::state::StateFiles;
use std::{fs, process};
use tempfile::{TempDir, tempdir};

const KINDS: [BackendKind; 2] = [BackendKind::Redb, BackendKind::Sled];

/// A closed data directory with an entry in its database and a file of the application's.
fn used(kind: BackendKind) -> TempDir {
    let home = tempdir().unwrap();
    let data = DataDirectory::open(home.path(), kind).unwrap();
    put(&*data.chain, Table::Meta, &[(b"in", b"chain")]);
    data.state.append(1, b"state").unwrap();
    data.state.sync(1).unwrap();
    home
}

fn refusal(home: &TempDir, kind: BackendKind) -> StoreError {
    match DataDirectory::open(home.path(), kind) {
        Ok(_) => panic!("opened"),
        Err(e) => {
            let home = home.path().to_str().unwrap();
            assert!(e.to_string().contains(home), "the error names the place: {e}");
            e
        }
    }
}

#[test]
fn what_is_put_there_is_there_again() {
    for kind in KINDS {
        let home = used(kind);
        let data = DataDirectory::open(home.path(), kind).unwrap();
        assert_eq!(data.chain.get(Table::Meta, b"in").unwrap(), Some(b"chain".to_vec()));
        let mut state = [0; 5];
        data.state.read(1, 0, &mut state).unwrap();
        assert_eq!((&state, data.state.len(1).unwrap()), (b"state", 5));
    }
}

#[test]
fn a_second_process_is_told_who_is_there() {
    let home = used(BackendKind::Redb);
    let first = DataDirectory::open(home.path(), BackendKind::Redb).unwrap();
    let refused = refusal(&home, BackendKind::Redb);
    assert!(matches!(refused, StoreError::InUse { pid: Some(pid), .. } if pid == process::id()));
    assert!(refused.to_string().contains(&format!("pid {}", process::id())));
    drop(first);
    DataDirectory::open(home.path(), BackendKind::Redb).unwrap();
}

#[test]
fn another_kind_of_database_is_refused() {
    let home = used(BackendKind::Redb);
    let refused = refusal(&home, BackendKind::Sled);
    assert!(matches!(&refused, StoreError::Backend { found, expected: "sled", .. } if found == "redb"));
}

#[test]
fn another_format_version_is_refused() {
    let home = used(BackendKind::Redb);
    for other in [6, 8] {
        fs::write(home.path().join("data/format"), [&[other], &b"redb"[..]].concat()).unwrap();
        let refused = refusal(&home, BackendKind::Redb);
        assert!(matches!(refused, StoreError::Format { found, expected: 7, .. } if found == other));
        assert!(refused.to_string().contains("fetch the chain anew"), "{refused}");
    }
}

#[test]
fn what_is_missing_is_damage_and_never_made_anew() {
    for kind in KINDS {
        for lost in ["format", "chain", "state", "log"] {
            let home = used(kind);
            let name = if lost == "chain" { format!("{lost}.{kind}") } else { lost.to_owned() };
            let path = home.path().join("data").join(name);
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
            assert!(matches!(refusal(&home, kind), StoreError::Corrupt { path: p, .. } if p == path));
            assert!(!path.exists());
        }
    }
    let home = used(BackendKind::Redb);
    fs::write(home.path().join("data/format"), b"").unwrap();
    assert!(matches!(refusal(&home, BackendKind::Redb), StoreError::Corrupt { .. }));
}

#[test]
fn an_unfinished_directory_is_made_from_the_beginning() {
    let home = tempdir().unwrap();
    fs::create_dir(home.path().join("data.new")).unwrap();
    fs::write(home.path().join("data.new/chain.redb"), b"half a database").unwrap();
    DataDirectory::open(home.path(), BackendKind::Redb).unwrap();
    assert!(!home.path().join("data.new").exists());
}

#[test]
fn a_redb_file_cut_short_or_overwritten_is_refused_with_what_to_do() {
    let home = used(BackendKind::Redb);
    let path = home.path().join("data/chain.redb");
    let intact = fs::read(&path).unwrap();
    let garbage = |from: usize, to: usize| {
        let mut bytes = intact.clone();
        bytes[from..to].fill(0xa5);
        bytes
    };
    let len = intact.len();
    let damaged = [
        ("empty", Vec::new()),
        ("one byte", intact[..1].to_vec()),
        ("header only", intact[..4096].to_vec()),
        ("half", intact[..len / 2].to_vec()),
        ("garbage all over", garbage(0, len)),
        ("garbage in the magic", garbage(0, 9)),
        ("garbage in the header", garbage(9, 320)),
        ("garbage behind the header", garbage(4096, len)),
    ];
    for (what, bytes) in damaged {
        fs::write(&path, bytes).unwrap();
        let refused = refusal(&home, BackendKind::Redb);
        assert!(matches!(&refused, StoreError::Corrupt { path: p, .. } if *p == path), "{what}: {refused:?}");
        assert!(refused.to_string().contains("leave the safety file where it is"), "{what}: {refused}");
    }
    fs::write(&path, intact).unwrap();
    DataDirectory::open(home.path(), BackendKind::Redb).unwrap();
}

#[test]
fn a_redb_value_that_rots_is_refused_when_read() {
    let home = used(BackendKind::Redb);
    let path = home.path().join("data/chain.redb");
    let mut bytes = fs::read(&path).unwrap();
    let value = b"chain";
    let found: Vec<usize> =
        (0..bytes.len() - value.len()).filter(|&i| bytes[i..].starts_with(value)).collect();
    assert!(!found.is_empty());
    for at in found {
        bytes[at] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let data = DataDirectory::open(home.path(), BackendKind::Redb).unwrap();
    for read in [
        data.chain.get(Table::Meta, b"in").map(|_| ()),
        data.chain.range(Table::Meta, b"", b"", 9, false).map(|_| ()),
    ] {
        assert!(
            matches!(read, Err(StoreError::Corrupt { path: p, what }) if p == path && what.contains("checksum"))
        );
    }
}
