//! A seller's own notes on licences, customers and products, in the form that Lukittu's programs know.

use serde::{Deserialize, Serialize};

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataEntry {
    /// Its name.
    pub key: String,
    /// What it says.
    pub value: String,
    /// Whether interfaces should keep people from changing it by accident.
    pub locked: bool,
}
