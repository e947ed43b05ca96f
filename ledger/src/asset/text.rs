//! How numbers and byte strings stand in JSON.

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Deserializer, Serializer, de};

/// Whole numbers as text of decimal digits, since many JSON readers round numbers past 2^53.
pub(crate) fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// One number has one text: digits only, no sign, no leading zero.
pub(crate) fn parse<T: FromStr>(text: &str) -> Result<T, String> {
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    let number = if canonical { text.parse().ok() } else { None };
    number.ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        format!("{shown:?} is not a whole number in decimal digits, or it is too large")
    })
}

/// So many bytes, as hexadecimal digits.
pub(crate) mod hex_array {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; N], D::Error> {
        let (text, mut bytes) = (String::deserialize(deserializer)?, [0; N]);
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|error| de::Error::custom(format!("not {} hexadecimal digits: {error}", 2 * N)))?;
        Ok(bytes)
    }
}

/// Bytes that may be there or not, as hexadecimal digits.
pub(crate) mod optional_hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&hex::encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| hex::decode(text).map_err(de::Error::custom)).transpose()
    }
}
