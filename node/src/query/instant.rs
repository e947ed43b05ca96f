//! Days and times by RFC 3339, as points in time.

use std::fmt;

/// A point in time, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instant {
    /// Since the first day of year 0.
    seconds: i64,
    nanoseconds: u32,
}

const DAY: i64 = 86_400;

impl Instant {
    /// The beginning of the day `YYYY-MM-DD`.
    pub(super) fn from_date(text: &str) -> Option<Self> {
        Some(Self { seconds: days(text)? * DAY, nanoseconds: 0 })
    }

    /// `YYYY-MM-DDThh:mm:ss`, perhaps with a fraction, and `Z` or the offset `±hh:mm`.
    pub(super) fn from_time(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T')?;
        let (clock, rest) = time.split_at_checked(8)?;
        let (hour, minute, second) = (number(clock, 0, 2)?, number(clock, 3, 2)?, number(clock, 6, 2)?);
        let separators = clock.as_bytes().get(2) == Some(&b':') && clock.as_bytes().get(5) == Some(&b':');
        if !separators || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let (nanoseconds, zone) = match rest.strip_prefix('.') {
            None => (0, rest),
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (fraction, zone) = rest.split_at(digits);
                if !(1..=9).contains(&digits) {
                    return None;
                }
                (format!("{fraction:0<9}").parse().ok()?, zone)
            }
        };
        let seconds = days(date)? * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
        // An offset may lead out of the years that can be written.
        let written = 0..days_before(10_000, 1)? * DAY;
        written.contains(&seconds).then_some(Self { seconds, nanoseconds })
    }

    /// Its day.
    pub(super) fn date(&self) -> String {
        let (year, month, day) = date(self.seconds.div_euclid(DAY));
        format!("{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let nanoseconds = self.nanoseconds;
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z", self.date())
    }
}

/// Seconds that `Z` or `±hh:mm` is ahead.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'Z' if zone.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hour, minute) = (number(zone, 1, 2)?, number(zone, 4, 2)?);
    let fits = zone.len() == 6 && zone.as_bytes()[3] == b':' && hour <= 23 && minute <= 59;
    fits.then_some(sign * (hour * 3600 + minute * 60))
}

/// Days from the first one of year 0 to `YYYY-MM-DD`.
fn days(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 2)?, number(text, 8, 2)?);
    let before = days_before(year, month)?;
    let next = if month == 12 { days_before(year + 1, 1)? } else { days_before(year, month + 1)? };
    (1..=next - before).contains(&day).then_some(before + day - 1)
}

/// Days from the first one of year 0 to the first one of this month.
fn days_before(year: i64, month: i64) -> Option<i64> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_years = |years: i64| (years + 3) / 4 - (years + 99) / 100 + (years + 399) / 400;
    let leap_day = month > 2 && leap_years(year + 1) > leap_years(year);
    let month = BEFORE.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    Some(year * 365 + leap_years(year) + month + i64::from(leap_day))
}

/// The date so many days after the first one of year 0.
fn date(days: i64) -> (i64, i64, i64) {
    let mut year = days / 366;
    while days_before(year + 1, 1).is_some_and(|next| next <= days) {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_before(year, *month).is_some_and(|first| first <= days));
    let month = month.unwrap_or(1);
    (year, month, days - days_before(year, month).unwrap_or(days) + 1)
}

/// The number of these digits.
fn number(text: &str, at: usize, digits: usize) -> Option<i64> {
    let digits = text.get(at..at + digits)?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}
