//! The journal on a disk, with the crashes and the rot that disks see.

use std::fs;
use std::path::Path;

use althing_mempool::Code;

use super::*;

const LIMITS: JournalLimits =
    JournalLimits { max_txs: 100_000, max_bytes: 256 << 20, status_kept: Duration::from_secs(3_600) };

struct Disk {
    home: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn open(&self) -> (Journal, JoinHandle<()>) {
        Journal::open(self.home.path().join("journal"), self.home.path().join("damaged"), LIMITS).unwrap()
    }

    fn files(&self, directory: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.home.path().join(directory)) else { return Vec::new() };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

async fn acknowledge(journal: &Journal, bytes: &[u8]) -> TxHash {
    let tx = TxHash::of(bytes);
    let entered = journal.enter(tx, bytes, "a", Height(0)).unwrap();
    journal.answered(&tx, &Outcome::Accepted { duplicate: false });
    entered.keep().await.unwrap();
    tx
}

fn close((journal, thread): (Journal, JoinHandle<()>)) {
    journal.close();
    thread.join().unwrap();
}

fn word(journal: &Journal, tx: &TxHash) -> Option<&'static str> {
    journal.get(tx).map(|(_, ending)| ending.map_or("open", |ending| ending.word()))
}

/// The process dies: what was written is in the files, nothing is closed in order.
fn copy_as_after_a_crash(from: &Disk) -> Disk {
    let to = Disk::new();
    fs::create_dir(to.home.path().join("journal")).unwrap();
    for path in from.files("journal") {
        fs::copy(&path, to.home.path().join("journal").join(path.file_name().unwrap())).unwrap();
    }
    to
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let disk = Disk::new();
    let node = disk.open();
    let open = acknowledge(&node.0, b"open").await;
    let dropped = acknowledge(&node.0, b"dropped").await;
    node.0.dropped(&dropped, &Refusal::own(Code::Expired, "late".into()));
    // What is durable later stands behind it.
    let last = acknowledge(&node.0, b"last").await;

    let after = copy_as_after_a_crash(&disk);
    let again = after.open();
    assert_eq!(again.0.get(&open).unwrap().0.to_vec(), b"open");
    let words = [&open, &dropped, &last].map(|tx| word(&again.0, tx));
    assert_eq!(words, [Some("open"), Some("expired"), Some("open")]);
    assert!(after.files("damaged").is_empty());
    close(again);
    close(node);
}

#[tokio::test]
async fn many_acknowledgements_share_a_sync() {
    let disk = Disk::new();
    let node = disk.open();
    let begun = Instant::now();
    acknowledge(&node.0, b"one alone").await;
    let alone = begun.elapsed();
    let begun = Instant::now();
    let many = (0..2_000u32).map(|n| {
        let journal = node.0.clone();
        tokio::spawn(async move { acknowledge(&journal, &n.to_be_bytes()).await })
    });
    let many: Vec<_> = many.collect();
    for one in many {
        one.await.unwrap();
    }
    let batches = node.0.0.durable.borrow().unwrap();
    eprintln!("one acknowledgement in {alone:?}, 2000 in {:?} with {batches} writes", begun.elapsed());
    assert!(batches < 1_000, "{batches} writes");
    assert_eq!(node.0.sizes().open, 2_001);
    close(node);
}

#[tokio::test]
async fn a_torn_end_is_no_damage_and_rot_takes_only_what_it_hits() {
    let disk = Disk::new();
    let node = disk.open();
    let txs = [acknowledge(&node.0, &[1; 300]).await, acknowledge(&node.0, &[2; 300]).await];
    let torn = copy_as_after_a_crash(&disk);
    cut(&torn.files("journal")[0], 10);
    // Twice: the second start sees it in a segment that is no longer the last.
    for _ in 0..2 {
        let again = torn.open();
        assert_eq!(txs.map(|tx| word(&again.0, &tx)), [Some("open"), None]);
        close(again);
    }
    assert!(torn.files("damaged").is_empty());

    let rotten = copy_as_after_a_crash(&disk);
    let path = &rotten.files("journal")[0];
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(8).position(|window| window == [1; 8]).unwrap();
    bytes[at + 20] ^= 4;
    fs::write(path, bytes).unwrap();
    for _ in 0..2 {
        let again = rotten.open();
        assert_eq!(txs.map(|tx| word(&again.0, &tx)), [None, Some("open")]);
        close(again);
    }
    assert_eq!(rotten.files("damaged").len(), 1);
    close(node);
}

#[tokio::test]
async fn the_end_of_a_segment_that_was_whole_is_missed() {
    let disk = Disk::new();
    let node = disk.open();
    let tx = acknowledge(&node.0, &[1; 300]).await;
    close(node);
    close(disk.open());
    cut(&disk.files("journal")[0], 10);
    let again = disk.open();
    assert_eq!(word(&again.0, &tx), None);
    assert_eq!(disk.files("damaged").len(), 1, "the segment after it says how long it was");
    close(again);
}

#[tokio::test]
async fn files_do_not_grow_with_what_is_over() {
    let disk = Disk::new();
    let node = disk.open();
    let stays = acknowledge(&node.0, b"stays").await;
    for round in 0..60u32 {
        let bytes = [&round.to_be_bytes()[..], &[7; 1 << 20]].concat();
        let tx = acknowledge(&node.0, &bytes).await;
        let height = Height(u64::from(round));
        node.0.change(|book| {
            book.executed(&tx, Ending::executed(height, 0, 0), true, now_ms());
            book.follow(height);
        });
    }
    // The last ones may still be on their way.
    let last = acknowledge(&node.0, b"last").await;
    let bytes = node.0.sizes().file_bytes;
    assert!(bytes < 40 << 20, "{bytes} bytes");
    close(node);
    let again = disk.open();
    assert_eq!([stays, last].map(|tx| word(&again.0, &tx)), [Some("open"); 2]);
    close(again);
}

#[tokio::test]
async fn a_file_missing_between_others_is_noticed_and_what_is_no_journal_is_none() {
    let disk = Disk::new();
    for _ in 0..3 {
        close(disk.open());
    }
    let files = disk.files("journal");
    fs::write(disk.home.path().join("journal/.nfs0001"), b"?").unwrap();
    fs::create_dir(disk.home.path().join("journal/lost+found")).unwrap();
    let missing = || {
        let (journal, damaged) = (disk.home.path().join("journal"), disk.home.path().join("damaged"));
        load::load(&journal, &damaged, &mut Book::new(LIMITS)).unwrap().missing
    };
    assert!(missing().is_empty());
    fs::remove_file(&files[1]).unwrap();
    assert_eq!(missing(), [2]);
    fs::remove_file(&files[0]).unwrap();
    assert!(missing().is_empty(), "the oldest ones go in time");
}

#[tokio::test]
async fn a_file_of_another_version_is_not_touched() {
    let disk = Disk::new();
    close(disk.open());
    let path = disk.home.path().join("journal/0000000009-00.v2");
    fs::write(&path, b"?").unwrap();
    let error = Journal::open(disk.home.path().join("journal"), disk.home.path().join("damaged"), LIMITS);
    assert!(matches!(error, Err(JournalError::Format(named)) if named == path));
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_acknowledges_nothing() {
    let disk = Disk::new();
    let node = disk.open();
    acknowledge(&node.0, b"good").await;
    _ = node.0.0.durable.send_replace(Err(Broken));
    let tx = TxHash::of(b"bad");
    let entered = node.0.enter(tx, b"bad", "a", Height(0)).unwrap();
    assert_eq!(entered.keep().await, Err(Broken));
    assert!(node.0.is_broken());
    close(node);
}

#[tokio::test]
async fn who_waits_hears_of_what_happens() {
    let journal = Journal::in_memory(LIMITS);
    let tx = acknowledge(&journal, b"tx").await;
    let (mut one, other) = (journal.wait_for(tx), journal.wait_for(tx));
    assert_eq!(journal.sizes().waiting, 2);
    drop(other);
    assert_eq!(journal.sizes().waiting, 1);
    journal.dropped(&tx, &Refusal::own(Code::Expired, "late".into()));
    assert!(one.news().await);
    let mut last = journal.wait_for(tx);
    journal.close();
    assert!(!last.news().await);
}
