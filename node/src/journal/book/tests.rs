use althing_mempool::Code;

use super::super::record::Record;
use super::*;

const LIMITS: JournalLimits =
    JournalLimits { max_txs: 80, max_bytes: 1 << 20, status_kept: std::time::Duration::from_millis(100) };

fn book() -> Book {
    Book::new(LIMITS)
}

fn tx(n: u16) -> (TxHash, [u8; 2]) {
    let bytes = n.to_be_bytes();
    (TxHash::of(&bytes), bytes)
}

fn enter(book: &mut Book, n: u16, client: &str) -> Result<TxHash, Full> {
    let (tx, bytes) = tx(n);
    book.enter(tx, bytes.to_vec().into(), client, Height(5)).map(|()| tx)
}

/// Acknowledged, and in the mempool.
fn kept(book: &mut Book, n: u16) -> TxHash {
    let tx = enter(book, n, "a").unwrap();
    book.admitted(&tx, 0);
    book.keep(&tx, 0);
    book.leave(&tx);
    tx
}

/// Writes what there is to write; the records in short.
fn write(book: &mut Book, segment: u64) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(batch) = book.take_batch() {
        words.extend(batch.records.iter().map(|record| match record {
            Record::Kept(kept) => {
                format!("kept {}", kept.ended.as_ref().map_or("open", |ended| ended.how.word()))
            }
            Record::Ended { ended, .. } => ended.how.word().to_owned(),
            Record::Followed(height) => format!("followed {height}"),
            Record::Opened { .. } => "opened".to_owned(),
        }));
        book.written(&batch, segment, 100);
    }
    words
}

fn refusal(code: Code) -> Refusal {
    Refusal::own(code, "why".to_owned())
}

fn ending(book: &Book, tx: &TxHash) -> Option<&'static str> {
    book.get(tx).map(|(_, ending)| ending.map_or("open", |ending| ending.word()))
}

#[test]
fn what_is_not_acknowledged_leaves_nothing() {
    let mut book = book();
    let tx = enter(&mut book, 1, "a").unwrap();
    assert_eq!(ending(&book, &tx), None);
    enter(&mut book, 1, "b").unwrap();
    book.leave(&tx);
    assert!(book.wants_blocks(), "the other one may still be");
    book.leave(&tx);
    assert_eq!((book.wants_blocks(), book.sizes()), (false, JournalSizes::default()));
    assert_eq!(book.take_batch(), None);
}

#[test]
fn who_acknowledges_waits_for_the_batch_that_holds_it() {
    let mut book = book();
    let first = enter(&mut book, 1, "a").unwrap();
    assert_eq!(book.keep(&first, 0), 1);
    let batch = book.take_batch().unwrap();
    assert!(batch.sync && batch.number == 1);
    // Under way, for whoever hands it in again, and another one in the next.
    let second = enter(&mut book, 2, "a").unwrap();
    assert_eq!((book.keep(&first, 0), book.keep(&second, 0)), (1, 2));
    book.written(&batch, 1, 10);
    assert_eq!(book.keep(&first, 0), 1);
    assert_eq!(write(&mut book, 1), ["kept open"]);
}

#[test]
fn an_end_while_it_is_acknowledged_is_not_missed() {
    let mut book = book();
    let tx = enter(&mut book, 1, "a").unwrap();
    book.admitted(&tx, 0);
    book.executed(&tx, Ending::executed(Height(6), 0, 0), false, 1);
    book.keep(&tx, 0);
    book.leave(&tx);
    assert_eq!(write(&mut book, 1), ["kept committed"]);
    assert_eq!(ending(&book, &tx), Some("committed"));
    assert_eq!(book.take_due(u64::MAX - 1, 9, 0).0, []);
}

#[test]
fn what_was_dropped_and_is_handed_in_again_is_open_again() {
    let mut book = book();
    let tx = kept(&mut book, 1);
    assert_eq!(write(&mut book, 1), ["kept open"]);
    book.dropped(&tx, &refusal(Code::HeldTooLong), 1);
    assert_eq!((write(&mut book, 1), ending(&book, &tx)), (vec!["evicted".to_owned()], Some("evicted")));
    enter(&mut book, 1, "a").unwrap();
    book.refused(&tx, &refusal(Code::Expired), 0, 2);
    assert_eq!(ending(&book, &tx), Some("evicted"), "a refusal of what was dropped says nothing new");
    book.admitted(&tx, 0);
    assert_eq!((write(&mut book, 1), ending(&book, &tx)), (vec!["kept open".to_owned()], Some("open")));
    book.dropped(&tx, &refusal(Code::Expired), 3);
    book.executed(&tx, Ending::executed(Height(7), 0, 0), false, 4);
    assert_eq!(ending(&book, &tx), Some("committed"), "what a block holds counts");
    book.executed(&tx, Ending::executed(Height(8), 0, 1), false, 5);
    assert_eq!(ending(&book, &tx), Some("committed"), "what it did once it did");
}

#[test]
fn what_the_chain_tells_is_forgotten_once_that_is_written() {
    let mut book = book();
    let tx = kept(&mut book, 1);
    write(&mut book, 1);
    book.executed(&tx, Ending::executed(Height(6), 0, 0), true, 1);
    assert_eq!(ending(&book, &tx), Some("committed"));
    assert_eq!(write(&mut book, 1), ["committed"]);
    assert_eq!((ending(&book, &tx), book.sizes().txs, book.sizes().executed), (None, 0, 0));
}

#[test]
fn a_status_is_told_as_long_as_promised() {
    let mut book = book();
    let (dropped, executed, open) = (kept(&mut book, 1), kept(&mut book, 2), kept(&mut book, 3));
    book.dropped(&dropped, &refusal(Code::Expired), 1_000);
    book.executed(&executed, Ending::executed(Height(6), 0, 9), false, 1_050);
    book.sweep(1_099, 9);
    assert_eq!([&dropped, &executed].map(|tx| ending(&book, tx)), [Some("expired"), Some("failed")]);
    book.sweep(1_100, 9);
    assert_eq!([&dropped, &executed].map(|tx| ending(&book, tx)), [None, Some("failed")]);
    book.sweep(u64::MAX, 9);
    assert_eq!([&executed, &open].map(|tx| ending(&book, tx)), [None, Some("open")]);
    assert_eq!((book.sizes().txs, book.sizes().executed, book.sizes().open), (1, 0, 1));
}

#[test]
fn one_client_holds_an_eighth_and_no_more_than_it_leaves_to_others() {
    let mut book = book();
    let mut count = |client: &str, from: u16| {
        let taken =
            (from..from + 100).map_while(|n| enter(&mut book, n, client).err().map_or(Some(()), |_| None));
        taken.count()
    };
    assert_eq!([count("a", 0), count("b", 100), count("b", 200)], [10, 10, 0]);
    let others: Vec<usize> = (1..8u16).map(|n| count(&format!("c{n}"), n * 1_000)).collect();
    assert_eq!(others, [10, 10, 10, 10, 10, 5, 3]);
    assert_eq!(count("", 10_000), 2, "this process itself has what is left");
    assert_eq!(enter(&mut book, 9_999, "new"), Err(Full::Journal));
    assert_eq!(enter(&mut book, 5, "a"), Ok(tx(5).0), "it is there already");
    // A block frees the client's room.
    let freed = tx(0).0;
    book.executed(&freed, Ending::executed(Height(6), 0, 0), false, 1);
    assert_eq!(enter(&mut book, 50, "a"), Err(Full::Client), "one place is free, and it holds more");
    assert!(enter(&mut book, 9_999, "new").is_ok());
}

/// Acknowledged before the mempool was asked, and then refused for good.
fn refused(book: &mut Book, n: u16, client: &str, at_ms: u64) -> TxHash {
    let tx = enter(book, n, client).unwrap();
    book.keep(&tx, 0);
    book.leave(&tx);
    book.refused(&tx, &Refusal { code: 3, codespace: "ledger".into(), log: "no".into() }, 0, at_ms);
    tx
}

#[test]
fn what_was_dropped_keeps_nobody_out_and_who_has_most_of_it_loses_the_oldest() {
    let mut book = book();
    let one = refused(&mut book, 0, "modest", 0);
    let many: Vec<TxHash> = (1..80).map(|n| refused(&mut book, n, "greedy", u64::from(n))).collect();
    assert_eq!(book.sizes().txs, 80);
    assert_eq!(enter(&mut book, 999, "new"), Err(Full::Journal), "none of it is written");
    write(&mut book, 1);
    let (next, another) = (kept(&mut book, 100), kept(&mut book, 101));
    assert_eq!(book.sizes().txs, 80);
    assert_eq!([&many[0], &many[1]].map(|tx| ending(&book, tx)), [None, None]);
    assert_eq!([&one, &many[2]].map(|tx| ending(&book, tx)), [Some("failed"); 2]);
    assert_eq!([&next, &another].map(|tx| ending(&book, tx)), [Some("open"); 2]);
    // All that goes gives back what it took.
    book.executed(&next, Ending::executed(Height(6), 0, 0), false, 1);
    book.dropped(&another, &refusal(Code::Expired), 1);
    while book.sweep(u64::MAX, 9) {}
    assert_eq!((book.sizes().txs, book.sizes().bytes, book.sizes().executed), (0, 0, 0));
}

#[test]
fn a_refusal_that_never_passes_is_an_end() {
    let mut book = book();
    let tx = enter(&mut book, 1, "a").unwrap();
    book.keep(&tx, 0);
    book.leave(&tx);
    book.refused(&tx, &refusal(Code::SequenceGap), 10, 1);
    book.refused(&tx, &refusal(Code::SequenceGap), 9 + MAX_REFUSED_MS, 2);
    assert_eq!(ending(&book, &tx), Some("open"));
    book.refused(&tx, &refusal(Code::SequenceGap), 10 + MAX_REFUSED_MS, 3);
    assert_eq!((ending(&book, &tx), book.sizes().open), (Some("evicted"), 0));
}

#[test]
fn the_oldest_executed_go_when_there_are_too_many() {
    let mut book = book();
    book.quota.max_executed = 2;
    let txs: Vec<TxHash> = (0..4).map(|n| kept(&mut book, n)).collect();
    for (at_ms, tx) in (1..).zip(&txs) {
        write(&mut book, 1);
        book.executed(tx, Ending::executed(Height(6), 0, 0), false, at_ms);
        write(&mut book, 1);
    }
    let words: Vec<_> = txs.iter().map(|tx| ending(&book, tx)).collect();
    assert_eq!(words, [None, None, Some("committed"), Some("committed")]);
    assert!(enter(&mut book, 9, "a").is_ok(), "no submission is refused for that");
}

#[test]
fn what_is_handed_in_again_and_again_keeps_nothing_else_from_being_forgotten() {
    let mut book = book();
    let (held, other) = (refused(&mut book, 1, "a", 1), refused(&mut book, 2, "a", 2));
    enter(&mut book, 1, "a").unwrap();
    book.sweep(u64::MAX, 9);
    assert_eq!([&held, &other].map(|tx| ending(&book, tx)), [Some("failed"), None]);
    book.leave(&held);
    book.sweep(u64::MAX, 9);
    assert_eq!(book.sizes(), JournalSizes { file_bytes: book.sizes().file_bytes, ..Default::default() });
}

#[test]
fn what_failed_in_a_block_and_is_taken_again_is_durable_again() {
    let mut book = book();
    for is_async in [false, true] {
        let tx = kept(&mut book, 1);
        book.executed(&tx, Ending::executed(Height(6), 0, 9), false, 1);
        write(&mut book, 1);
        assert_eq!((book.sizes().txs, book.sizes().executed), (0, 1));
        let (_, bytes) = self::tx(1);
        book.enter(tx, bytes.to_vec().into(), "b", Height(8)).unwrap();
        book.leave(&tx);
        assert_eq!((ending(&book, &tx), book.sizes().txs), (Some("failed"), 0), "it was not taken");
        book.enter(tx, bytes.to_vec().into(), "b", Height(8)).unwrap();
        let batch = match is_async {
            true => book.keep_unasked(&tx, 0),
            false => {
                book.admitted(&tx, 0);
                book.keep(&tx, 0)
            }
        };
        book.leave(&tx);
        let written = book.take_batch().unwrap();
        assert!(written.sync && written.number == batch, "it waits for what is written now");
        let open = |record: &Record| matches!(record, Record::Kept(kept) if kept.ended.is_none() && *kept.bytes == bytes);
        assert!(written.records.iter().any(open));
        book.written(&written, 1, 1);
        assert_eq!((book.sizes().txs, book.sizes().executed, book.sizes().open), (1, 0, 1));
        book.executed(&tx, Ending::executed(Height(9), 0, 0), true, 2);
        write(&mut book, 1);
        assert_eq!((ending(&book, &tx), book.sizes().txs, book.sizes().executed), (None, 0, 0));
    }
}

#[test]
fn each_is_looked_at_again_at_its_own_time() {
    let mut book = book();
    let (first, second) = (kept(&mut book, 1), kept(&mut book, 2));
    assert_eq!(book.take_due(FIRST_AGAIN_MS - 1, 9, 0), (vec![], Some(FIRST_AGAIN_MS)));
    let (due, next) = book.take_due(FIRST_AGAIN_MS, 1, 0);
    assert_eq!(due.iter().map(|due| (due.tx, due.pooled)).collect::<Vec<_>>(), [(first, true)]);
    assert_eq!(next, Some(FIRST_AGAIN_MS), "the second one");
    assert_eq!(book.take_due(FIRST_AGAIN_MS, 9, 0).0[0].tx, second);
    let (_, next) = book.take_due(2 * FIRST_AGAIN_MS, 9, 0);
    assert_eq!(next, Some(4 * FIRST_AGAIN_MS), "each time after twice as long");
    book.executed(&first, Ending::executed(Height(6), 0, 0), false, 1);
    assert_eq!(book.take_due(4 * FIRST_AGAIN_MS, 9, 0).0.len(), 1);
}

#[test]
fn sending_goes_message_by_message_and_delays_no_offering() {
    let mut book = book();
    for n in 0..3u8 {
        let (tx, bytes) = (TxHash::of(&[n]), vec![n; 100 << 10]);
        book.enter(tx, bytes.into(), "", Height(5)).unwrap();
        book.admitted(&tx, 0);
        book.keep(&tx, 0);
        book.leave(&tx);
    }
    let outside = enter(&mut book, 1, "a").unwrap();
    book.keep(&outside, 0);
    book.leave(&outside);
    let now = FIRST_AGAIN_MS;
    let (due, next) = book.take_due(now, 9, 0);
    assert_eq!(due.iter().map(|due| due.pooled).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(next, Some(now), "the third one is still due");
    assert_eq!(book.take_due(now, 9, now + 200), (vec![], Some(now + 200)), "but not yet sent");
    assert_eq!(book.take_due(now + 200, 9, now + 200).0.len(), 1);
}

#[test]
fn after_a_restart_a_refusal_that_passes_ends_nothing() {
    let mut book = book();
    let tx = enter(&mut book, 1, "a").unwrap();
    book.keep(&tx, 0);
    book.leave(&tx);
    book.refused(&tx, &refusal(Code::SequenceGap), 10, 1);
    assert_eq!(ending(&book, &tx), Some("open"));
    let (due, _) = book.take_due(10 + FIRST_AGAIN_MS, 9, 0);
    assert!(!due[0].pooled, "to be offered again");
    let no = Refusal { code: 3, codespace: "ledger".into(), log: "no".into() };
    book.refused(&tx, &no, 10, 1);
    assert_eq!(ending(&book, &tx), Some("failed"));
}

#[test]
fn what_the_oldest_segment_is_needed_for_moves_and_then_it_goes() {
    let mut book = book();
    let stays = kept(&mut book, 1);
    let goes = kept(&mut book, 2);
    write(&mut book, 1);
    book.executed(&goes, Ending::executed(Height(6), 0, 0), true, 1);
    write(&mut book, 2);
    assert_eq!(book.clean(2), None, "it holds what is open, and is small");
    book.loaded(1, 1 << 30);
    assert_eq!(book.clean(2), None);
    assert_eq!(write(&mut book, 2), ["kept open"]);
    assert_eq!(book.clean(2), Some(1));
    assert_eq!((book.clean(2), ending(&book, &stays)), (None, Some("open")));
}

#[test]
fn what_was_written_is_read_as_it_was() {
    let mut book = book();
    let txs: Vec<TxHash> = (0..5).map(|n| kept(&mut book, n)).collect();
    let mut records = Vec::new();
    let mut take = |book: &mut Book| {
        while let Some(batch) = book.take_batch() {
            records.extend(batch.records.clone());
            book.written(&batch, 1, 1);
        }
    };
    take(&mut book);
    book.executed(&txs[0], Ending::executed(Height(6), 0, 0), false, 10);
    book.dropped(&txs[1], &refusal(Code::HeldFull), 20);
    book.dropped(&txs[2], &refusal(Code::HeldFull), 20);
    take(&mut book);
    enter(&mut book, 2, "a").unwrap();
    book.admitted(&txs[2], 0);
    book.keep(&txs[2], 0);
    book.follow(Height(9));
    take(&mut book);

    let mut again = Book::new(LIMITS);
    // A crash may have left them twice, too.
    for record in records.iter().chain(&records) {
        again.load(record.clone(), 1);
    }
    let words = |book: &Book| txs.iter().map(|tx| ending(book, tx)).collect::<Vec<_>>();
    assert_eq!(words(&again), words(&book));
    assert_eq!(words(&again)[..3], [Some("committed"), Some("evicted"), Some("open")]);
    assert_eq!(again.take_batch(), None, "nothing is to be written");
    let order: Vec<TxHash> = again.take_due(0, 9, 0).0.into_iter().map(|due| due.tx).collect();
    assert_eq!(order.len(), 3, "what is open is offered at once");
    assert_eq!(again.follow_from(Height(20)), Height(9));
    let JournalSizes { txs, executed, open, .. } = again.sizes();
    assert_eq!((txs, executed, open), (4, 1, 3));
    again.loaded_at(15);
    assert_eq!(words(&again)[1], Some("evicted"), "its end lies in the future: a clock was set back");
    again.sweep(15 + 100, 9);
    assert_eq!(words(&again)[..2], [None, None]);
}
