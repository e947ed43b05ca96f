//! Answers as text: fields one below the other, lists as tables.

use std::collections::BTreeSet;

use serde_json::Value;

/// The text of an answer.
pub(in crate::cli) fn text(answer: &Value) -> String {
    match answer {
        Value::Null => "none".to_owned(),
        Value::Array(items) => table(items),
        Value::Object(fields) => {
            let (lists, plain): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, value)| is_list_of_objects(value));
            // Of a page without a next one nothing is to be said.
            let plain = plain.into_iter().filter(|(name, value)| !(*name == "next" && value.is_null()));
            let plain: Vec<Vec<String>> =
                plain.map(|(name, value)| vec![name.clone(), cell(value)]).collect();
            let lists = lists.into_iter().map(|(_, value)| text(value)).collect::<Vec<_>>();
            let blocks = [aligned(&plain)].into_iter().chain(lists).filter(|block| !block.is_empty());
            blocks.collect::<Vec<_>>().join("\n")
        }
        other => cell(other),
    }
}

/// Also an empty one, where it is that of a page.
fn is_list_of_objects(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}

/// A table of objects, of all fields that one of them has.
fn table(items: &[Value]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    // Some may have a field that others have not.
    let fields = items.iter().filter_map(Value::as_object).flat_map(|item| item.keys().cloned());
    let head: Vec<String> = fields.collect::<BTreeSet<_>>().into_iter().collect();
    let row = |item: &Value| head.iter().map(|name| cell(&item[name.as_str()])).collect();
    let rows: Vec<Vec<String>> = [head.clone()].into_iter().chain(items.iter().map(row)).collect();
    aligned(&rows)
}

/// A value on one line: `-` for nothing, `claimed height=7 …` for a variant with its fields.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        // Text of others goes to a terminal: as one line, and what would change how it looks escaped; quotes would not.
        Value::String(text) => text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'"),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let part = |(name, value): (&String, &Value)| match value {
                Value::Object(_) => format!("{name} {}", cell(value)),
                _ => format!("{name}={}", cell(value)),
            };
            fields.iter().map(part).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Rows whose columns are as wide as their widest cell.
fn aligned(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column).unwrap_or(0)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_stand_below_one_another_and_lists_are_tables() {
        for (answer, expected) in [
            (json!(null), "none"),
            (json!([]), "none"),
            (json!({ "items": [], "next": null }), "items  none"),
            (
                json!({ "sequence": "7", "roles": ["issuer", "member"] }),
                "roles     issuer member\nsequence  7",
            ),
            (json!({ "cap": "0", "text": "a\u{1b}b\nc" }), "cap   0\ntext  a\\u{1b}b\\nc"),
            (json!({ "text": "Bob's \"ö\" \\ \\\"" }), "text  Bob's \"ö\" \\\\ \\\\\""),
            (
                json!({ "text": "\u{202e}a\u{2066}b\u{200b}c\u{feff}\u{85}" }),
                "text  \\u{202e}a\\u{2066}b\\u{200b}c\\u{feff}\\u{85}",
            ),
            (json!([{ "a": "1" }, { "a": "2", "b": "3" }]), "a  b\n1  -\n2  3"),
            (
                json!({ "items": [{ "a": "1", "b": true }, { "a": "100", "b": false }], "next": "100" }),
                "next  100\na    b\n1    true\n100  false",
            ),
            (
                json!({ "state": { "claimed": { "height": "7", "preimage": "00" } }, "z": "" }),
                "state  claimed height=7 preimage=00\nz      -",
            ),
        ] {
            assert_eq!(text(&answer), expected, "{answer}");
        }
    }
}
