//! Events of a product.

use serde::{Deserialize, Serialize};

/// A product was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductRegistered {
    /// What buyers see in mails.
    pub name: String,
}
