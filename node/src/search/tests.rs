//! Searches find what a reading of every block finds, or say that they do not.

use std::collections::BTreeSet;
use std::sync::Arc;

use althing_consensus::{AppHash, Execution};
use althing_crypto::{Hash, TxHash};
use althing_ledger::{Attribute, Event, TxResult};

use super::*;
use crate::body::Body;
use crate::query::{TX_HASH, TX_HEIGHT, TX_SENDER};
use crate::storage::{MemoryStore, Store, StoredResults, Table};
use crate::testing::TestChain;

const HEIGHTS: u64 = 60;

/// A chain with its blocks' events as a reader of all of them sees them.
struct Fixture {
    disk: Arc<MemoryStore>,
    chain: ChainStore,
    maker: TestChain,
    tip: Arc<Body>,
    txs: Vec<(TxLocation, Vec<(String, String)>)>,
    blocks: Vec<(TxLocation, Vec<(String, String)>)>,
}

fn event(kind: &str, attributes: &[(&str, String, bool)]) -> Event {
    let attribute = |(key, value, index): &(&str, String, bool)| Attribute {
        key: (*key).to_owned(),
        value: value.clone(),
        index: *index,
    };
    Event { kind: kind.to_owned(), attributes: attributes.iter().map(attribute).collect() }
}

impl Fixture {
    fn begun() -> Self {
        let (disk, maker) = (Arc::new(MemoryStore::new()), TestChain::new());
        let chain = ChainStore::new(disk.clone()).indexed(Indexing::On);
        let tip = Arc::new(Body { block: maker.genesis.block(AppHash::default()), txs: Vec::new() });
        chain.begin(maker.genesis.hash(), &tip).unwrap();
        Self { disk, chain, maker, tip, txs: Vec::new(), blocks: Vec::new() }
    }

    fn grown() -> Self {
        let mut fixture = Self::begun();
        (0..HEIGHTS).for_each(|_| fixture.grow());
        fixture
    }

    /// A block more: of no, some or many transactions, of few senders, with events that repeat.
    fn grow(&mut self) {
        let height = self.tip.block.header.height.next();
        let h = height.0;
        let count = [0, 1, 3, 0, 7][(h % 5) as usize];
        let txs = (0..count).map(|n| format!("tx {h} {n}").as_bytes().into()).collect();
        let body = self.maker.body(&self.tip.block, h, txs);
        self.chain
            .commit(std::slice::from_ref(&body), &self.maker.certificate(body.block.hash(), h))
            .unwrap();
        let (mut senders, mut tx_results) = (Vec::new(), Vec::new());
        for (n, hash) in (0..count).zip(&body.block.txs) {
            let sender = (n % 3 != 2).then(|| format!("sender{}", (h + n) % 4));
            let mut events = vec![
                event(
                    "transfer",
                    &[
                        ("sender", format!("a{}", (h * 3 + n) % 5), true),
                        ("amount", format!("{}.5usd", h * n), true),
                        ("memo", "plain".to_owned(), false),
                    ],
                ),
                event("tx", &[("height", "7".to_owned(), true)]),
            ];
            if n == 2 {
                events.push(event("transfer", &[("sender", "a1".to_owned(), true)]));
            }
            let mut seen: Vec<_> = events[0].attributes[..2]
                .iter()
                .map(|a| (format!("transfer.{}", a.key), a.value.clone()))
                .collect();
            seen.extend((n == 2).then(|| ("transfer.sender".to_owned(), "a1".to_owned())));
            seen.push((TX_HEIGHT.to_owned(), h.to_string()));
            seen.push((TX_HASH.to_owned(), hex::encode_upper(hash.as_bytes())));
            seen.extend(sender.clone().map(|sender| (TX_SENDER.to_owned(), sender)));
            self.txs.push((TxLocation { height, index: n as u32 }, seen));
            senders.push(sender);
            tx_results.push(TxResult { events, ..TxResult::default() });
        }
        let odd =
            event("reward", &[("validator", format!("v{}", h % 2), true), ("hidden", "x".to_owned(), false)]);
        let events: Vec<_> = Some(odd).filter(|_| h.is_multiple_of(3)).into_iter().collect();
        let mut seen = vec![(BLOCK_HEIGHT.to_owned(), h.to_string())];
        seen.extend(events.iter().map(|_| ("reward.validator".to_owned(), format!("v{}", h % 2))));
        self.blocks.push((TxLocation { height, index: 0 }, seen));
        let execution = Execution { height, app_hash: AppHash::default(), results_root: Hash::ZERO };
        let results = StoredResults { execution, next_epoch: Hash::ZERO, tx_results, events };
        self.chain.put_sent_results(&body.block.txs, &senders, &results, None).unwrap();
        self.tip = body;
    }

    fn search(
        &self,
        subject: Subject,
        query: &Query,
        direction: Direction,
        page: Range<u64>,
    ) -> Result<Search, SearchError> {
        let newest = self.chain.executed()?;
        match subject {
            Subject::Txs => Search::txs(&self.chain, query, newest, direction, page),
            Subject::Blocks => Search::blocks(&self.chain, query, newest, direction, page),
        }
    }

    fn find(
        &self,
        subject: Subject,
        text: &str,
        direction: Direction,
        page: Range<u64>,
    ) -> Result<(Vec<TxLocation>, u64), SearchError> {
        let mut search = self.search(subject, &Query::parse(text).unwrap(), direction, page)?;
        while !search.step(&self.chain)? {}
        Ok((search.found().to_vec(), search.total()))
    }

    /// Whether a search, whatever its page and direction, finds what a reading of everything finds. How many that are.
    fn agrees(&self, subject: Subject, text: &str) -> usize {
        let query = Query::parse(text).unwrap();
        let all = if subject == Subject::Txs { &self.txs } else { &self.blocks };
        let oldest = self.chain.oldest().unwrap().unwrap();
        let mut expected: Vec<_> = all
            .iter()
            .filter(|(at, seen)| at.height >= oldest && query.matches(seen))
            .map(|(at, _)| *at)
            .collect();
        for direction in [Direction::Ascending, Direction::Descending] {
            for page in [0..1000, 0..1, 1..3, 5..10, 1000..1100] {
                let part: Vec<_> = expected
                    .iter()
                    .skip(page.start as usize)
                    .take((page.end - page.start) as usize)
                    .copied()
                    .collect();
                let found = self
                    .find(subject, text, direction, page.clone())
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(found, (part, expected.len() as u64), "{text}, {direction:?}, {page:?}");
            }
            expected.reverse();
        }
        expected.len()
    }
}

#[test]
fn a_search_finds_what_a_reading_of_everything_finds() {
    let fixture = Fixture::grown();
    let hash = hex::encode_upper(TxHash::of(b"tx 7 1").as_bytes());
    let texts = [
        "tx.height = 7",
        "tx.height > 0",
        "tx.height >= 58.5",
        "tx.height < 3 AND tx.height > 1",
        "tx.height CONTAINS '4'",
        "tx.height = '12'",
        "transfer.sender = 'a1'",
        "transfer.sender = 'a1' AND tx.height > 20 AND tx.height <= 40",
        "transfer.sender = 'a1' AND transfer.sender = 'a3'",
        "transfer.sender EXISTS",
        "transfer.sender CONTAINS '2' AND tx.sender = 'sender3'",
        "transfer.amount > 100 AND transfer.amount < 200",
        "transfer.amount = 42.50",
        "tx.sender EXISTS AND tx.height > 50",
        "tx.sender CONTAINS 'er0'",
        "tx.sender = 'sender0' AND transfer.sender = 'a0' AND transfer.amount > 3",
        "tx.hash EXISTS AND tx.height = 12",
        "tx.hash CONTAINS 'AB'",
        &format!("tx.hash = '{hash}'"),
        &format!("tx.hash = '{}' AND tx.height = 7 AND transfer.amount > 1", hash),
    ];
    for text in texts {
        assert!(fixture.agrees(Subject::Txs, text) > 0, "{text} finds something");
    }
    for text in [
        "tx.height > 60",
        "tx.height = 7.5",
        "transfer.memo EXISTS",
        "transfer.memo = 'plain'",
        "tx.sender = 'sender9'",
        "transfer.sender = 'a1' AND other.key EXISTS",
        &format!("tx.hash = '{hash}' AND tx.height = 8"),
        "tx.hash = 'AB'",
    ] {
        assert_eq!(fixture.agrees(Subject::Txs, text), 0, "{text}");
    }
    let lower = fixture.find(
        Subject::Txs,
        &format!("tx.hash = '{}'", hash.to_lowercase()),
        Direction::Ascending,
        0..9,
    );
    assert_eq!(lower.unwrap().1, 1, "digits of a hash are digits in either case");
}

#[test]
fn blocks_are_found_by_their_own_events() {
    let fixture = Fixture::grown();
    for text in [
        "block.height > 5",
        "block.height = 60",
        "block.height CONTAINS '1'",
        "reward.validator EXISTS",
        "reward.validator = 'v1' AND block.height < 30",
        "reward.validator CONTAINS 'v' AND block.height >= 10",
    ] {
        assert!(fixture.agrees(Subject::Blocks, text) > 0, "{text} finds something");
    }
    for text in ["reward.hidden EXISTS", "transfer.sender EXISTS", "block.height > 100", "tx.height > 0"] {
        assert_eq!(fixture.agrees(Subject::Blocks, text), 0, "{text}");
    }
}

#[test]
fn entries_go_with_their_block_and_leave_nothing() {
    let fixture = Fixture::grown();
    fixture.chain.prune(Height(31), 1000).unwrap();
    for text in ["tx.height > 0", "transfer.sender = 'a1'", "tx.sender CONTAINS 's'", "tx.height < 31"] {
        fixture.agrees(Subject::Txs, text);
    }
    assert_eq!(fixture.agrees(Subject::Blocks, "block.height > 0"), 30);
    fixture.chain.prune(Height(HEIGHTS + 1), 1000).unwrap();
    assert_eq!(fixture.disk.range(Table::Index, &[], &[], 9, false).unwrap(), []);
}

#[test]
fn a_search_that_the_index_cannot_answer_says_so() {
    let mut fixture = Fixture::grown();
    let refused = |fixture: &Fixture, text: &str| {
        fixture.find(Subject::Txs, text, Direction::Ascending, 0..9).unwrap_err().to_string()
    };
    // Off for five blocks, then on again.
    fixture.chain = fixture.chain.clone().indexed(Indexing::Off);
    (0..5).for_each(|_| fixture.grow());
    assert!(refused(&fixture, "tx.height > 0").contains("storage.index is off"));
    fixture.chain = fixture.chain.clone().indexed(Indexing::On);
    let expected = "begins at height 66, as it was off before: narrow the query with tx.height >= 66";
    assert!(refused(&fixture, "tx.height > 0").contains(expected), "before anything new is indexed");
    fixture.grow();
    assert!(refused(&fixture, "tx.height > 0").contains(expected));
    assert!(refused(&fixture, "transfer.sender = 'a1' AND tx.height < 10").contains(expected));
    assert_eq!(fixture.agrees(Subject::Txs, "tx.height >= 66"), 1);
    // What was indexed before the gap goes all the same.
    fixture.chain.prune(Height(67), 1000).unwrap();
    assert_eq!(fixture.disk.range(Table::Index, &[], &[], 9, false).unwrap(), []);
}

#[test]
fn a_search_that_is_too_much_work_says_how_to_narrow_it_and_the_parts_make_the_whole() {
    let fixture = Fixture::grown();
    let wanted = |at: &TxLocation| (at.height, at.index);
    for direction in [Direction::Ascending, Direction::Descending] {
        let (all, _) = fixture.find(Subject::Txs, "transfer.amount > 3", direction, 0..1000).unwrap();
        let (mut parts, mut bounds, mut searches) = (BTreeSet::new(), (1, HEIGHTS), 0);
        while bounds.0 <= bounds.1 {
            searches += 1;
            let run = |low: u64, high: u64| {
                let text = format!("transfer.amount > 3 AND tx.height >= {low} AND tx.height <= {high}");
                let mut search =
                    fixture.search(Subject::Txs, &Query::parse(&text).unwrap(), direction, 0..1000).unwrap();
                search.max_work = 100;
                loop {
                    if search.step(&fixture.chain)? {
                        return Ok(search);
                    }
                }
            };
            let done = match run(bounds.0, bounds.1) {
                Ok(search) => {
                    parts.extend(search.found().iter().map(wanted));
                    bounds
                }
                Err(SearchError::TooWide { low, high, .. }) => {
                    let search = run(low.0, high.0).expect("what it had done is not too much");
                    parts.extend(search.found().iter().map(wanted));
                    (low.0, high.0)
                }
                Err(error) => panic!("{error}"),
            };
            bounds = if direction == Direction::Ascending {
                (done.1 + 1, bounds.1)
            } else {
                (bounds.0, done.0 - 1)
            };
        }
        assert!(searches > 2, "{searches}");
        assert_eq!(parts, all.iter().map(wanted).collect());
    }
}

#[test]
fn a_list_is_read_once_however_many_conditions_are_about_it() {
    let fixture = Fixture::grown();
    let query = "transfer.sender CONTAINS 'a' AND transfer.sender EXISTS AND transfer.sender CONTAINS '1'";
    let query = Query::parse(query).unwrap();
    let search = fixture.search(Subject::Txs, &query, Direction::Ascending, 0..10).unwrap();
    assert_eq!(search.lists.len(), 1);
}
