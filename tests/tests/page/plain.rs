//! What is the same in each run of a page.

use std::collections::BTreeMap;

/// Columns and fields that hold heights.
const HEIGHTS: [&str; 3] = ["height", "since", "expiry_height"];

/// Takes out of texts what is another one in each run.
#[derive(Default)]
pub(crate) struct Plain {
    names: BTreeMap<String, usize>,
}

impl Plain {
    /// The lines of one command's output.
    pub(crate) fn lines(&mut self, lines: &[String]) -> Vec<String> {
        let mut head: Vec<bool> = Vec::new();
        let mut plain: Vec<String> = Vec::new();
        // That a command waits is not its output: it does so on a slow machine only.
        for line in lines.iter().filter(|line| !line.starts_with("waiting for a header")) {
            let mut cells: Vec<String> =
                line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
            if cells.iter().skip(1).any(|cell| HEIGHTS.contains(&cell.as_str())) {
                head = cells.iter().map(|cell| HEIGHTS.contains(&cell.as_str())).collect();
            } else if cells.len() == 2 && HEIGHTS.contains(&cells[0].as_str()) {
                cells[1] = "_".to_owned();
            } else if cells.len() == head.len() {
                cells
                    .iter_mut()
                    .zip(&head)
                    .filter(|(_, height)| **height)
                    .for_each(|(cell, _)| *cell = "_".to_owned());
            }
            plain.push(self.words(&cells.join("  ")));
        }
        plain.sort();
        plain
    }

    fn words(&mut self, line: &str) -> String {
        let (mut plain, mut word, mut before) = (String::new(), String::new(), String::new());
        for c in line.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() {
                word.push(c);
                continue;
            }
            plain += &self.word(&before, &word);
            plain.push(c);
            if !word.is_empty() {
                before = std::mem::take(&mut word);
            }
        }
        plain
    }

    fn word(&mut self, before: &str, word: &str) -> String {
        let number = !word.is_empty() && word.bytes().all(|c| c.is_ascii_digit());
        if number && word.len() < 20 && ["height", "header", "view", "block", "is", "to"].contains(&before) {
            return "_".to_owned();
        }
        let hexadecimal = (word.len() >= 40 || [16, 32].contains(&word.len()))
            && word.bytes().all(|c| c.is_ascii_hexdigit());
        let address = word.len() == 41 && word.starts_with("al1");
        if !(hexadecimal || address) {
            return word.to_owned();
        }
        let next = self.names.len();
        format!("#{}", self.names.entry(word.to_lowercase()).or_insert(next))
    }
}
