//! Forms that set several things at once: whoever opened one before a colleague changed the same must not undo that
//! unawares.

use std::fmt::Debug;

use sha2::{Digest as _, Sha256};

use super::fields::Fields;
use super::problem::Problem;

/// The hidden field with what the form showed.
const FIELD: &str = "shown";

/// What a form shows, in short, for its hidden field.
pub(super) fn mark(shown: &impl Debug) -> String {
    hex::encode(Sha256::digest(format!("{shown:?}")))
}

/// Refuses a form that was opened when something else was so than `now`.
///
/// # Errors
/// When it was changed meanwhile.
pub(super) fn refuse_stale(fields: &Fields, now: &impl Debug) -> Result<(), Problem> {
    match fields.text(FIELD) {
        Some(shown) if shown != mark(now) => Err(Problem::unusable(
            "Somebody changed this after you had opened the page, so nothing was saved. Open the page again to see what \
             is so now; to save once more what you filled in takes its place.",
        )),
        _ => Ok(()),
    }
}
