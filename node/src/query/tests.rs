//! What queries mean, and what is none.

use super::*;

const EVENTS: [(&str, &str); 8] = [
    ("tm.event", "Tx"),
    ("tx.height", "5"),
    ("transfer.sender", "alice"),
    ("transfer.sender", "bob"),
    ("transfer.amount", "8.045stake"),
    ("block.time", "2024-02-29T12:00:00.5+02:00"),
    ("block.day", "2024-02-29"),
    ("reward.large", "18446744073709551616000000000000000001"),
];

fn matches(query: &str) -> bool {
    let query = Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let events = EVENTS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let matches = query.matches(&EVENTS);
    assert_eq!(query.matches_any(&by_key(&events)), matches, "{query}");
    matches
}

#[test]
fn conditions_hold_of_any_value_under_their_key() {
    for query in [
        "tm.event='Tx'",
        "tm.event = 'Tx' AND tx.height = 5",
        "tx.height=5 AND transfer.sender = 'bob'",
        "transfer.sender='alice' AND transfer.sender='bob'",
        "transfer.sender CONTAINS 'lic'",
        "transfer.sender CONTAINS ''",
        "transfer.sender EXISTS",
        "tx.height > 4 AND tx.height < 6 AND tx.height >= 5 AND tx.height <= 5",
        "tx.height = 5.00",
        "tx.height = '5'",
        "tx.height > 4.999999999999999999999999",
        "transfer.amount = 8.045",
        "transfer.amount > 8.0449",
        "transfer.amount < 8.05",
        "transfer.amount < 10",
        "reward.large > 18446744073709551616000000000000000000",
        "reward.large < 18446744073709551616000000000000000001.5",
        "block.time = TIME 2024-02-29T10:00:00.500Z",
        "block.time > TIME 2024-02-29T10:00:00Z",
        "block.time < TIME 2024-03-01T00:00:00+13:59",
        "block.day = DATE 2024-02-29",
        "block.day < DATE 2024-03-01",
        "  tm.event\t=\n'Tx'  ",
    ] {
        assert!(matches(query), "{query}");
    }
    for query in [
        "tm.event='tx'",
        "tx.height = 50",
        "tx.height > 5",
        "tx.height < 5",
        "tx.height = 5 AND transfer.sender = 'carol'",
        "transfer.recipient EXISTS",
        "transfer.sender > 0",
        "transfer.amount = 8.0450001",
        "transfer.amount = '8.045'",
        "reward.large = 18446744073709551616000000000000000000",
        "block.time > TIME 2024-02-29T10:00:00.5Z",
        "block.time = DATE 2024-02-29",
        "block.day > DATE 2024-02-29",
        "transfer.sender CONTAINS 'alice '",
    ] {
        assert!(!matches(query), "{query}");
    }
}

#[test]
fn what_is_no_query_is_refused_with_the_place() {
    let cases = [
        ("", "at byte 0: expected a key such as transfer.sender, found the query's end"),
        ("   ", "at byte 3: expected a key"),
        ("tx.height", "at byte 9: expected =, <"),
        ("tx.height =", "at byte 11: expected a text in single quotes, a number"),
        (
            "tx.height = five",
            "at byte 12: expected a text in single quotes, a number, DATE or TIME, found \"five\"",
        ),
        ("tx.height = 5x", "found \"5x\""),
        ("tx.height = 5.", "found \"5.\""),
        ("tx.height = -5", "found \"-5\""),
        ("tx.height > '5'", "expected a number, DATE or TIME"),
        (
            "tx.height = 5 OR tx.height = 6",
            "at byte 14: expected AND, or the query's end, found \"OR tx.height = 6\"",
        ),
        ("tx.height = 5 AND", "at byte 17: expected a key"),
        ("tx.height = 5 ANDtx.height = 6", "expected AND"),
        ("a = 'b", "expected a text in single quotes, found \"'b\""),
        ("a CONTAINS 5", "expected a text in single quotes"),
        ("a = DATE 2023-02-29", "expected YYYY-MM-DD"),
        ("a = DATE 2023-13-01", "expected YYYY-MM-DD"),
        ("a = TIME 2023-02-28T24:00:00Z", "expected YYYY-MM-DDThh:mm:ssZ"),
        ("a = TIME 0000-01-01T00:30:00+01:00", "expected YYYY-MM-DDThh:mm:ssZ"),
        ("a = TIME 2023-02-28", "expected YYYY-MM-DDThh:mm:ssZ"),
        ("AND = 5", "expected a key"),
        ("(a = 5)", "expected a key"),
    ];
    for (text, expected) in cases {
        let error = Query::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: expected {expected:?} in {error:?}");
    }
}

#[test]
fn a_query_is_bounded() {
    let of = |count: usize| vec!["a = 1"; count].join(" AND ");
    assert!(Query::parse(&of(MAX_CONDITIONS)).is_ok());
    let twice = Query::parse("a.b > 1 AND a.c EXISTS AND a.b > 1").unwrap();
    assert_eq!(twice.conditions().len(), 2, "what is said twice is tested once");
    assert_eq!(Query::parse(&of(MAX_CONDITIONS + 1)), Err(QueryError::TooMany));
    let long = format!("a = '{}'", "x".repeat(MAX_QUERY_BYTES - 6));
    assert!(Query::parse(&long).is_ok());
    assert_eq!(Query::parse(&format!("{long} ")), Err(QueryError::TooLong(MAX_QUERY_BYTES + 1)));
}

#[test]
fn a_query_written_out_is_the_same_query() {
    for text in [
        "a = '5' AND b >= 007.50 AND c EXISTS AND d CONTAINS 'x y'",
        "a < DATE 1970-01-01 AND a > DATE 2024-02-29 AND a <= DATE 9999-12-31 AND a = DATE 0000-01-01",
        "a = TIME 2000-12-31T23:59:59.000000001Z AND b = TIME 2001-01-01T00:30:00+01:00",
        "a > TIME 1900-03-01T00:00:00Z",
    ] {
        let query = Query::parse(text).unwrap();
        assert_eq!(Query::parse(&query.to_string()), Ok(query.clone()), "{query}");
    }
}

#[test]
fn the_whole_numbers_that_a_test_admits_are_a_range() {
    let of = |text: &str| Query::parse(text).unwrap().conditions()[0].test.whole_numbers();
    for text in [
        "h = 5",
        "h = 5.5",
        "h = 5.0",
        "h < 5",
        "h < 5.5",
        "h < 0",
        "h <= 5",
        "h <= 5.5",
        "h > 5",
        "h > 5.5",
        "h >= 5",
        "h >= 5.5",
        "h = '5'",
        "h = '05'",
        "h = 'x'",
        "h EXISTS",
        "h > 99999999999999999999",
        "h < 99999999999999999999",
    ] {
        let query = Query::parse(text).unwrap();
        let (low, high) = of(text).unwrap();
        for number in 0..9u64 {
            let within = low <= number && number <= high;
            assert_eq!(query.matches(&[("h", number.to_string())]), within, "{text} and {number}");
        }
    }
    assert_eq!((of("h CONTAINS '5'"), of("h = DATE 2024-01-01")), (None, None));
}
