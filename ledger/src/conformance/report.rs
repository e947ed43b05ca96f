//! What came of the checks.

use std::fmt;

use super::Stop;

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The application keeps the promise, as far as was seen.
    Passed,
    /// The promise is about something that the application does not do: what that is.
    NotOffered(String),
    /// It does not: what was seen.
    Failed(String),
    /// Without a plain run that is the same twice there is nothing to compare with.
    NotTried,
}

impl Outcome {
    /// In two words or less, for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passes",
            Self::NotOffered(_) => "not offered",
            Self::Failed(_) => "fails",
            Self::NotTried => "not tried",
        }
    }
}

impl From<Result<(), Stop>> for Outcome {
    fn from(seen: Result<(), Stop>) -> Self {
        match seen {
            Ok(()) => Self::Passed,
            Err(Stop::NotOffered(what)) => Self::NotOffered(what.to_owned()),
            Err(Stop::Failed(sentence)) => Self::Failed(sentence),
        }
    }
}

/// One check of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub check: &'static str,
    /// What it holds an application to.
    pub promise: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of all checks. Shown as text: a line for each, with what was seen where one failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In the order in which they were tried.
    pub lines: Vec<Line>,
}

impl Report {
    /// Whether the application keeps all promises that it makes.
    pub fn passed(&self) -> bool {
        self.lines.iter().all(|line| matches!(line.outcome, Outcome::Passed | Outcome::NotOffered(_)))
    }

    /// The checks that failed, with what was seen.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines.iter().filter_map(|line| match &line.outcome {
            Outcome::Failed(seen) => Some((line.check, seen.as_str())),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { check, promise, outcome } in &self.lines {
            write!(f, "{:<12}{check}", outcome.word())?;
            match outcome {
                Outcome::Passed | Outcome::NotTried => writeln!(f)?,
                Outcome::NotOffered(what) => writeln!(f, ": {what}")?,
                Outcome::Failed(seen) => writeln!(f, ": {seen}\n{:12}promised: {promise}", "")?,
            }
        }
        Ok(())
    }
}
