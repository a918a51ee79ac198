//! A list as it is found: for machines its elements go out at once, for people the table when it is complete.

use std::io::{BufWriter, Stdout};

use comfy_table::Table;
use serde::Serialize;

use super::cell;
use super::output::{JsonArray, Output, OutputError};

/// A list that is being said, with `N` columns for people.
pub(super) enum List<'o, const N: usize> {
    /// For machines.
    Json(JsonArray<'o, BufWriter<Stdout>>),
    /// For people.
    Table(&'o mut Output, Box<Table>),
}

impl<'o, const N: usize> List<'o, N> {
    /// Begins it.
    pub(super) fn begin(output: &'o mut Output, columns: [&str; N]) -> Self {
        if output.json {
            return Self::Json(output.array());
        }
        Self::Table(output, Box::new(cell::table(&columns)))
    }

    /// A further element: a document for machines, a row for people.
    pub(super) fn push(
        &mut self,
        document: &impl Serialize,
        row: impl FnOnce() -> [String; N],
    ) -> Result<(), OutputError> {
        match self {
            Self::Json(array) => array.push(document)?,
            Self::Table(_, table) => {
                table.add_row(row());
            }
        }
        Ok(())
    }

    /// The end. People hear of an empty list by `if_empty`.
    pub(super) fn finish(self, if_empty: &str) -> Result<(), OutputError> {
        match self {
            Self::Json(array) => array.finish(),
            Self::Table(output, table) => output.table(&table, if_empty),
        }
    }
}
