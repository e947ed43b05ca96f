//! The query language of this dialect: conditions on events, joined by `AND`.
//!
//! ```text
//! query     = condition { "AND" condition }
//! condition = key ( "EXISTS" | "CONTAINS" text | "=" value | ( "<" | "<=" | ">" | ">=" ) number-or-time )
//! value     = text | number | time
//! text      = "'" any characters but "'" "'"
//! number    = digits [ "." digits ]
//! time      = "DATE" YYYY-MM-DD | "TIME" YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)
//! ```
//!
//! A key is an event's kind, a dot and an attribute's name: `transfer.sender`. A condition holds if one of the values under its key
//! meets it; a query, if each of its conditions holds, of whichever event. A text is compared as it is; a number with the number that
//! a value begins with (`8` meets `= 8`, and so does `8.0asset`); a time with the time that a value is.
//!
//! Subscriptions, searches and event streams share it, so that one query means one thing everywhere.

use std::collections::BTreeMap;

mod decimal;
mod events;
mod instant;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use events::indexed_parts;
pub use events::{BLOCK_HEIGHT, TM_EVENT, TX_HASH, TX_HEIGHT, TX_SENDER, attributes, indexed_attributes};
pub use parse::QueryError;

use self::{decimal::Decimal, instant::Instant};

/// Bytes of a query, at most.
pub const MAX_QUERY_BYTES: usize = 512;
/// Conditions of a query, at most.
pub const MAX_CONDITIONS: usize = 16;

/// Conditions that events meet or do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    conditions: Vec<Condition>,
}

/// Values by their keys.
pub(crate) type Values<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// These attributes, by their keys.
pub(crate) fn by_key(attributes: &[(String, String)]) -> Values<'_> {
    let mut values = Values::new();
    for (key, value) in attributes {
        values.entry(key).or_default().push(value);
    }
    values
}

/// What must hold of the values under a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    pub(crate) key: String,
    pub(crate) test: Test,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Anything.
    Exists,
    /// A text with this within it.
    Contains(String),
    /// This text.
    Is(String),
    /// A number that stands so to this one, which is well-formed.
    Number(Order, String),
    /// A day that stands so to this one.
    Date(Order, Instant),
    /// A time that stands so to this one.
    Time(Order, Instant),
}

/// How a value stands to what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Order {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::parse(text)
    }

    /// Whether these events, as (kind and name of an attribute, its value), meet every condition.
    pub fn matches<K: AsRef<str>, V: AsRef<str>>(&self, events: &[(K, V)]) -> bool {
        self.conditions.iter().all(|condition| condition.holds(events))
    }

    /// As [`Self::matches`], of values that are gathered by their keys: for many queries about the same.
    pub(crate) fn matches_any(&self, values: &Values<'_>) -> bool {
        let holds = |condition: &Condition| {
            let under = values.get(condition.key.as_str());
            under.is_some_and(|values| values.iter().any(|value| condition.test.admits(value)))
        };
        self.conditions.iter().all(holds)
    }

    pub(crate) fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Condition { key, test }) in self.conditions.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " AND " })?;
            match test {
                Test::Exists => write!(f, "{key} EXISTS")?,
                Test::Contains(part) => write!(f, "{key} CONTAINS '{part}'")?,
                Test::Is(text) => write!(f, "{key} = '{text}'")?,
                Test::Number(order, number) => write!(f, "{key} {order} {number}")?,
                Test::Date(order, date) => write!(f, "{key} {order} DATE {}", date.date())?,
                Test::Time(order, time) => write!(f, "{key} {order} TIME {time}")?,
            }
        }
        Ok(())
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Order::Less => "<",
            Order::AtMost => "<=",
            Order::Equal => "=",
            Order::AtLeast => ">=",
            Order::More => ">",
        })
    }
}

impl Condition {
    /// Whether one of these events meets it.
    pub(crate) fn holds<K: AsRef<str>, V: AsRef<str>>(&self, events: &[(K, V)]) -> bool {
        let mut values = events.iter().filter(|(key, _)| key.as_ref() == self.key);
        values.any(|(_, value)| self.test.admits(value.as_ref()))
    }
}

impl Test {
    /// The lowest and the highest whole number that meet it, if it is met by all between them and by no other. None meet it where the
    /// lowest is above the highest.
    pub(crate) fn whole_numbers(&self) -> Option<(u64, u64)> {
        const NONE: (u64, u64) = (1, 0);
        match self {
            Test::Exists => Some((0, u64::MAX)),
            Test::Is(text) => {
                let written = text.parse::<u64>().ok().filter(|number| number.to_string() == *text);
                Some(written.map_or(NONE, |number| (number, number)))
            }
            Test::Number(order, number) => {
                let (floor, whole) = Decimal::prefix(number)?.floor();
                Some(match order {
                    Order::Less if whole => floor.checked_sub(1).map_or(NONE, |high| (0, high)),
                    Order::Less | Order::AtMost => (0, floor),
                    Order::Equal if whole => (floor, floor),
                    Order::Equal => NONE,
                    Order::AtLeast if whole => (floor, u64::MAX),
                    Order::AtLeast | Order::More => floor.checked_add(1).map_or(NONE, |low| (low, u64::MAX)),
                })
            }
            Test::Contains(_) | Test::Date(..) | Test::Time(..) => None,
        }
    }

    /// Whether this value meets it.
    pub(crate) fn admits(&self, value: &str) -> bool {
        match self {
            Test::Exists => true,
            Test::Contains(part) => value.contains(part.as_str()),
            Test::Is(text) => value == text,
            Test::Number(order, number) => {
                let value = Decimal::prefix(value);
                value.zip(Decimal::prefix(number)).is_some_and(|(value, number)| order.holds(&value, &number))
            }
            Test::Date(order, date) => {
                Instant::from_date(value).is_some_and(|value| order.holds(&value, date))
            }
            Test::Time(order, time) => {
                Instant::from_time(value).is_some_and(|value| order.holds(&value, time))
            }
        }
    }
}

impl Order {
    fn holds<T: Ord>(self, value: &T, than: &T) -> bool {
        match self {
            Order::Less => value < than,
            Order::AtMost => value <= than,
            Order::Equal => value == than,
            Order::AtLeast => value >= than,
            Order::More => value > than,
        }
    }
}
