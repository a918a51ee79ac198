//! Events of a product.

use serde::{Deserialize, Serialize};

use super::metadata::MetadataEntry;

/// A product was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductRegistered {
    /// What buyers see in mails.
    pub name: String,
}

/// A product's description was changed; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProductUpdated {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address on the web; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The seller's notes on it, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Vec<MetadataEntry>>,
}

/// A product is no longer sold. Licences that were sold stay what they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProductRemoved {}
