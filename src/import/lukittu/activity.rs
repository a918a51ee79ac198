//! What Lukittu knows of the use of licences, for the activity beside the ledger.

use uuid::Uuid;

use super::rows::LicenseRow;
use super::seats::Known;
use super::{Scope, Step};

/// What is noted of a licence once it is imported.
pub(super) struct Use {
    license_id: Uuid,
    last_active: keyledger_events::Timestamp,
    known: Vec<Known>,
    /// Lukittu writes the time of creation where a licence was never used.
    used: bool,
}

impl Use {
    pub(super) fn of(license_id: Uuid, row: &LicenseRow, known: Vec<Known>) -> Self {
        let used = row.last_active_at > row.created_at || !known.is_empty();
        Self { license_id, last_active: row.last_active_at, known, used }
    }

    pub(super) fn note(&self, step: &Step<'_>) {
        let scope: &Scope = step.scope;
        for known in &self.known {
            step.app.activity.seen(known.seen(scope, self.license_id));
        }
        if self.used {
            step.app.activity.used(scope.team, self.license_id, self.last_active);
        }
    }
}
