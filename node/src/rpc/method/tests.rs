//! The table itself, and the documents that are made from it.

use std::{fs, path::Path};

use super::{documents, *};

#[test]
fn rows_are_ordered_and_say_what_they_are() {
    assert!(METHODS.is_sorted_by(|one, next| one.name < next.name), "by name, each once");
    for method in METHODS {
        assert!(method.cost > 0 && !method.summary.is_empty() && !method.summary.ends_with('.'));
        assert!(!method.summary.contains('|'), "{} is a row of a table", method.name);
        assert!(method.params.iter().all(|param| !param.doc.is_empty()), "{}", method.name);
        let first_optional = method.params.iter().position(|param| !param.required);
        let last_required = method.params.iter().rposition(|param| param.required);
        assert!(first_optional.zip(last_required).is_none_or(|(optional, required)| required < optional));
    }
}

/// `ALTHING_WRITE_DOCS=1` writes them anew.
#[test]
fn documents_are_those_of_the_code() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let openrpc = serde_json::to_string_pretty(&discover()).unwrap() + "\n";
    held(&docs.join("openrpc.json"), |_| openrpc.clone());
    held(&docs.join("rpc.md"), |text| {
        let (begin, end) = ("<!-- methods: made from the code -->\n", "<!-- end of methods -->");
        let (before, rest) = text.split_once(begin).expect("a mark before the table");
        let (_, after) = rest.split_once(end).expect("a mark after the table");
        format!("{before}{begin}{}{end}{after}", documents::table())
    });
}

fn held(path: &Path, made: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let made = made(&text);
    if std::env::var_os("ALTHING_WRITE_DOCS").is_some() {
        fs::write(path, made).unwrap();
    } else {
        let stale = "is stale: ALTHING_WRITE_DOCS=1 cargo test -p althing-node --lib documents_are_those";
        assert!(text == made, "{} {stale}", path.display());
    }
}
