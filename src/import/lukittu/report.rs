//! What an import came to.

use serde::Serialize;

/// Problems that are listed at most; further ones are only counted.
const PROBLEMS_LISTED_MAX: usize = 1_000;

/// What became of the rows of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows that were read.
    pub found: u64,
    /// Rows that were imported, or in a dry run would be.
    pub imported: u64,
    /// Rows that were here already.
    pub present: u64,
    /// Rows that were not imported, because something is wrong with them.
    pub skipped: u64,
}

/// Something that was not imported, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Lukittu's table.
    pub table: &'static str,
    /// Lukittu's id of the row.
    pub id: String,
    /// What is wrong.
    pub problem: String,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing was appended.
    pub dry_run: bool,
    /// Teams.
    pub teams: Counts,
    /// Products.
    pub products: Counts,
    /// Customers.
    pub customers: Counts,
    /// Licences.
    pub licenses: Counts,
    /// Connections to Stripe and Polymart.
    pub integrations: Counts,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// Notes a problem.
    pub(super) fn problem(&mut self, table: &'static str, id: &str, problem: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_LISTED_MAX {
            self.problems.push(Problem { table, id: id.to_owned(), problem: problem.into() });
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Lukittu's table.
    pub table: &'static str,
    /// Rows of it that were dealt with, in all teams.
    pub done: u64,
}
