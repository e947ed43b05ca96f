//! Decimal numbers of any length, compared digit by digit: the values are an application's, and a float would take two large ones for
//! the same.

/// A number that is not negative, in the order of numbers: first by how many digits stand before the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Decimal<'a> {
    digits: usize,
    /// Without zeros in front.
    whole: &'a str,
    /// Without zeros at the end.
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    /// The number that this text begins with, if it begins with a digit.
    pub(super) fn prefix(text: &'a str) -> Option<Self> {
        let text = &text[..prefix_len(text)];
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = Some(whole).filter(|whole| !whole.is_empty())?.trim_start_matches('0');
        Some(Self { digits: whole.len(), whole, fraction: fraction.trim_end_matches('0') })
    }

    /// The whole number below or at it, as far as 64 bits hold it, and whether it is that number.
    pub(super) fn floor(&self) -> (u64, bool) {
        match self.whole {
            "" => (0, self.fraction.is_empty()),
            whole => whole.parse().map_or((u64::MAX, false), |whole| (whole, self.fraction.is_empty())),
        }
    }
}

/// How many bytes of the text are the number that it begins with: digits, then perhaps a point with digits behind it.
pub(super) fn prefix_len(text: &str) -> usize {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    match (whole, fraction) {
        (0, _) => 0,
        (whole, 0) => whole,
        (whole, fraction) => whole + 1 + fraction,
    }
}
