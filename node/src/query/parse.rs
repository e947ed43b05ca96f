//! From text to a query. What is wrong is said with the place where it is.

use super::{Condition, Instant, MAX_CONDITIONS, MAX_QUERY_BYTES, Order, Query, Test, decimal::prefix_len};

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Longer than any query may be.
    #[error("a query of {0} bytes, at most {MAX_QUERY_BYTES} are taken")]
    TooLong(usize),
    /// More conditions than any query may have.
    #[error("more than {MAX_CONDITIONS} conditions")]
    TooMany,
    /// Something else stands there than may.
    #[error("at byte {at}: expected {expected}, found {found}")]
    Unexpected {
        /// Where it begins, counted from 0.
        at: usize,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
}

/// What is left of the text.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(QueryError::TooLong(text.len()));
    }
    let mut reader = Reader { text, at: 0 };
    let mut conditions = vec![reader.condition()?];
    let mut count = 1;
    while !reader.rest().is_empty() {
        if !reader.word("AND") {
            return Err(reader.unexpected("AND, or the query's end"));
        }
        if count == MAX_CONDITIONS {
            return Err(QueryError::TooMany);
        }
        count += 1;
        let condition = reader.condition()?;
        // Said again it is no more to do.
        if !conditions.contains(&condition) {
            conditions.push(condition);
        }
    }
    Ok(Query { conditions })
}

impl<'a> Reader<'a> {
    /// What is left, behind the next spaces.
    fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn unexpected(&mut self, expected: &'static str) -> QueryError {
        let rest = self.rest();
        let found: String = rest.chars().take(20).collect();
        let found = if found.is_empty() { "the query's end".to_owned() } else { format!("{found:?}") };
        QueryError::Unexpected { at: self.at, expected, found }
    }

    /// Takes this word, if it stands there by itself.
    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_of_a_key));
        self.at += if found { word.len() } else { 0 };
        found
    }

    /// Takes these signs, if they stand there.
    fn sign(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    fn condition(&mut self) -> Result<Condition, QueryError> {
        let rest = self.rest();
        let len = rest.find(|sign| !is_of_a_key(sign)).unwrap_or(rest.len());
        let key = &rest[..len];
        if key.is_empty() || ["AND", "EXISTS", "CONTAINS", "DATE", "TIME"].contains(&key) {
            return Err(self.unexpected("a key such as transfer.sender"));
        }
        self.at += len;
        Ok(Condition { key: key.to_owned(), test: self.test()? })
    }

    fn test(&mut self) -> Result<Test, QueryError> {
        if self.word("EXISTS") {
            return Ok(Test::Exists);
        }
        if self.word("CONTAINS") {
            return Ok(Test::Contains(self.text_in_quotes()?.to_owned()));
        }
        let orders = [
            ("<=", Order::AtMost),
            (">=", Order::AtLeast),
            ("<", Order::Less),
            (">", Order::More),
            ("=", Order::Equal),
        ];
        let Some((_, order)) = orders.into_iter().find(|(sign, _)| self.sign(sign)) else {
            return Err(self.unexpected("=, <, <=, >, >=, CONTAINS or EXISTS"));
        };
        if order == Order::Equal && self.rest().starts_with('\'') {
            return Ok(Test::Is(self.text_in_quotes()?.to_owned()));
        }
        if self.word("DATE") {
            let date = Instant::from_date(self.run());
            return self.taken(date, "YYYY-MM-DD").map(|date| Test::Date(order, date));
        }
        if self.word("TIME") {
            let time = Instant::from_time(self.run());
            return self.taken(time, "YYYY-MM-DDThh:mm:ssZ").map(|time| Test::Time(order, time));
        }
        let run = self.run();
        let number = Some(run.to_owned()).filter(|_| !run.is_empty() && prefix_len(run) == run.len());
        let expected = match order {
            Order::Equal => "a text in single quotes, a number, DATE or TIME",
            _ => "a number, DATE or TIME",
        };
        self.taken(number, expected).map(|number| Test::Number(order, number))
    }

    /// What stands up to the next space.
    fn run(&mut self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len())]
    }

    /// Goes on behind the run that this was read from.
    fn taken<T>(&mut self, read: Option<T>, expected: &'static str) -> Result<T, QueryError> {
        let read = read.ok_or_else(|| self.unexpected(expected))?;
        self.at += self.run().len();
        Ok(read)
    }

    fn text_in_quotes(&mut self) -> Result<&'a str, QueryError> {
        let inner = self.rest().strip_prefix('\'').and_then(|rest| rest.split_once('\''));
        let (text, _) = inner.ok_or_else(|| self.unexpected("a text in single quotes"))?;
        self.at += text.len() + 2;
        Ok(text)
    }
}

/// Whatever has no meaning in a query may be of a key: the names are the applications'.
fn is_of_a_key(sign: char) -> bool {
    !(sign.is_whitespace() || "\\()\"'=><".contains(sign))
}
