//! Each database bears each load, and who looks after a cut finds what was written.

use althing_node::storage::{Batch, MemoryStore, Table};

use super::load::{Kind, Size, measure};
use super::*;
use crate::sim::Random;

#[test]
fn databases_that_no_node_has_answer_as_memory_does() {
    for backend in [Backend::Fjall, Backend::SledAlone] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("database");
        assert!(backend.open(&path).is_err(), "none is there");
        let (mut store, memory) = (backend.create(&path).unwrap(), MemoryStore::new());
        assert!(backend.create(&path).is_err(), "one is there");
        let mut random = Random::new(5);
        // Few keys, the empty one among them: batches change some twice, and delete some.
        let key = |random: &mut Random| {
            vec![0xff; random.index(4)].into_iter().chain(vec![7; random.index(3)]).collect::<Vec<u8>>()
        };
        for round in 0..60 {
            let mut batch = Batch::new();
            for _ in 0..random.below(12) {
                let table = Table::ALL[random.index(Table::ALL.len())];
                let large = if random.percent(5) { 300_000 } else { 9 };
                match random.percent(30) {
                    true => batch.delete(table, key(&mut random)),
                    false => batch.put(table, key(&mut random), vec![round; random.index(large)]),
                }
            }
            store.write(batch.clone()).unwrap();
            memory.write(batch).unwrap();
            if round == 30 {
                drop(store);
                store = backend.open(&path).unwrap();
            }
            for table in Table::ALL {
                let (from, to) = (key(&mut random), key(&mut random));
                for (to, limit, reverse) in
                    [(&to[..], 3, true), (&to[..], 9, false), (&[][..], 99, false), (&[][..], 2, true)]
                {
                    let range = |store: &dyn Store| store.range(table, &from, to, limit, reverse).unwrap();
                    assert!(
                        range(&*store) == range(&memory),
                        "{backend:?} {round} {table:?} {from:?}..{to:?}"
                    );
                }
                assert_eq!(store.get(table, &from).unwrap(), memory.get(table, &from).unwrap());
            }
        }
    }
}

#[test]
fn each_database_bears_each_load() {
    let size = Size { accounts: 300, blocks: 3, txs: 20 };
    for backend in [Backend::Redb, Backend::RedbLogged, Backend::Sled, Backend::SledAlone, Backend::Fjall] {
        for load in [Kind::Chain, Kind::State] {
            let home = tempfile::tempdir().unwrap();
            let figures = measure(home.path(), backend, load, size).unwrap();
            let keys = |kind: &str| figures.writes[kind].keys;
            match load {
                Kind::Chain => {
                    assert_eq!(figures.writes["body"].count, 3, "{figures:?}");
                    let results = &figures.writes["results and index"];
                    assert!(results.count == 3 && results.bytes > 3 * 20 * 200, "{figures:?}");
                    assert_eq!(figures.reads["blocks"].count, 200);
                }
                Kind::State => {
                    assert_eq!(keys("first leaves"), 300);
                    assert!(keys("blocks' nodes") > 3 * 2 * 20, "{figures:?}");
                }
            }
        }
    }
}

#[test]
fn batches_are_found_again_by_who_looks() {
    struct Ear(u32);
    impl std::io::Write for Ear {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += u32::from(bytes.contains(&b'\n'));
            if self.0 > 5 { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("database");
    batches::write(&path, Backend::Redb, 3, &mut Ear(0)).unwrap();
    assert_eq!(batches::check(&path, Backend::Redb, 3, 5), batches::Verdict::Kept { found: 6 });
    assert_eq!(batches::check(&path, Backend::Redb, 3, 7), batches::Verdict::Lost { found: 6 });
    assert!(matches!(batches::check(&path, Backend::Redb, 4, 5), batches::Verdict::Torn { found: 6, .. }));
    let nothing = home.path().join("nothing");
    assert!(matches!(batches::check(&nothing, Backend::Redb, 3, 5), batches::Verdict::Refused { .. }));
}
