//! What the metrics count, in the words that a page of them shows.

use metrics::{describe_counter, describe_gauge};

/// Says of every metric what it is. A recorder must be there.
pub(crate) fn describe() {
    describe_counter!("keyledger_deliveries_total", "Deliveries of providers, by how they were answered");
    describe_counter!("keyledger_unsigned_deliveries_total", "Deliveries that were not or wrongly signed");
    describe_counter!("keyledger_verifications_total", "Verifications and heartbeats, by the code of the answer");
    describe_counter!("keyledger_requests_log_dropped_total", "Verifications for which the log had no room");
    describe_counter!("keyledger_expirations_total", "Licences that were told to have expired");
    describe_counter!("keyledger_reminders_total", "Licences that were told to expire soon");
    describe_counter!("keyledger_mails_total", "Attempts to send a mail, by what came of them");
    describe_counter!("keyledger_hooks_total", "Attempts to post a webhook, by what came of them");
    describe_counter!("keyledger_webhooks_disabled_total", "Webhooks that were disabled because nobody took them");
    describe_counter!("keyledger_limit_hooks_total", "Webhooks about a limit that was reached");
    describe_counter!("keyledger_limit_hooks_dropped_total", "The same that were not posted, by why");
    describe_gauge!("keyledger_ledger_head_position", "The position of the ledger's last event");
    describe_gauge!("keyledger_checkpoint_events", "Events under the newest signed checkpoint");
    describe_gauge!("keyledger_view_position", "How far a view is");
    describe_gauge!("keyledger_view_lag_events", "Events that a view is behind the ledger");
    describe_gauge!("keyledger_view_faulted", "1 while a view stands still at an event that it cannot read");
}
