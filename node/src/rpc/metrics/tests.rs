use std::{collections::BTreeSet, path::Path};

use super::*;

/// `ALTHING_WRITE_DOCS=1` writes it anew.
#[test]
fn documents_are_those_of_the_metrics() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- metrics: made from the code -->\n", "<!-- end of metrics -->");
    let (before, rest) = text.split_once(begin).expect("a mark before the table");
    let (_, after) = rest.split_once(end).expect("a mark after the table");
    let mut table = "| name | type | labels | what it is |\n|---|---|---|---|\n".to_owned();
    for Family { name, kind, labels, help } in FAMILIES {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        table.push_str(&format!("| `{name}` | {} | {} | {help} |\n", kind.name(), labels.join(" ")));
    }
    let made = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("ALTHING_WRITE_DOCS").is_some() {
        fs::write(&path, made).unwrap();
    } else {
        assert!(
            text == made,
            "stale: ALTHING_WRITE_DOCS=1 cargo test -p althing-node --lib documents_are_those"
        );
    }
}

#[test]
fn names_go_by_the_conventions() {
    let mut seen = BTreeSet::new();
    for Family { name, kind, labels, help } in FAMILIES {
        assert!(seen.insert(name), "{name} is there twice");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'));
        assert_eq!(*kind == Type::Counter, name.ends_with("_total"), "{name}");
        assert!(*kind != Type::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(!help.is_empty() && !help.ends_with('.') && !help.contains(['|', '\n']), "{name}");
        assert!(!labels.contains(&"le"), "{name}");
    }
}

#[test]
fn a_page_is_text_that_prometheus_reads() {
    let mut page = Page::default();
    page.many(&REQUESTS, [(["a\"b\\c\nd".to_owned()], 7)]);
    let histogram = Histogram::default();
    histogram.took(std::time::Duration::from_micros(1_500));
    page.histogram(&EXECUTION, &histogram);
    assert!(page.0.contains("# TYPE althing_rpc_requests_total counter\nalthing_rpc_requests_total{method=\"a\\\"b\\\\c\\nd\"} 7\n"));
    for line in [
        "althing_application_execution_seconds_bucket{le=\"0.001\"} 0\n",
        "althing_application_execution_seconds_bucket{le=\"0.002\"} 1\n",
        "althing_application_execution_seconds_bucket{le=\"5\"} 1\n",
        "althing_application_execution_seconds_bucket{le=\"+Inf\"} 1\n",
        "althing_application_execution_seconds_sum 0.0015\n",
        "althing_application_execution_seconds_count 1\n",
    ] {
        assert!(page.0.contains(line), "{line} in {}", page.0);
    }
}

#[test]
fn what_grows_in_a_home_is_measured() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("data/state")).unwrap();
    for (name, len) in
        [("data/chain.redb", 5), ("data/state/a", 2), ("data/state/b", 3), ("safety", 7), ("config.toml", 9)]
    {
        fs::write(home.path().join(name), vec![0; len]).unwrap();
    }
    let expected = [("data/chain.redb", 5), ("data/state", 5), ("safety", 7)];
    assert_eq!(sizes(home.path()), expected.map(|(name, bytes)| (name.to_owned(), bytes)));
}

/// Whether every family is on a page once, and every line is of the format.
pub(in crate::rpc) fn check(page: &str) {
    let types: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let expected: Vec<_> = FAMILIES.iter().map(|one| format!("{} {}", one.name, one.kind.name())).collect();
    assert_eq!(types, expected);
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        let name = name.split('{').next().unwrap();
        let family = FAMILIES.iter().find(|family| {
            let rest = name.strip_prefix(family.name);
            rest == Some("")
                || family.kind == Type::Histogram
                    && rest.is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        });
        assert!(family.is_some(), "{line}");
    }
}
