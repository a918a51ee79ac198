//! What is measured. Each file holds one comparison and its bar.

mod append;
mod audit;
mod flat;
mod group_commit;
mod history;
mod memory;
mod pages;
mod references;
mod verify;
mod verify_challenge;
mod verify_flat;
mod verify_memory;
mod webhooks;

use super::item::Item;

/// All items, in the order in which they run.
pub(crate) const ALL: &[Item] = &[
    Item { name: "references", about: "bare, hmac and durable HTTP references", measure: references::measure },
    Item { name: "stripe", about: "Stripe deliveries acknowledged, 64 connections", measure: webhooks::stripe },
    Item { name: "polymart", about: "Polymart purchases answered, 64 connections", measure: webhooks::polymart },
    Item { name: "group-commit", about: "64 connections and 1, each sync 1 ms slower", measure: group_commit::measure },
    Item { name: "flat", about: "100,000 licences and 1,000", measure: flat::measure },
    Item { name: "append-sqlite", about: "appends in batches of 100 and raw inserts", measure: append::sqlite },
    Item { name: "append-postgres", about: "16 tasks and 16 raw connections", measure: append::postgres },
    Item { name: "replay", about: "decode and fold of a ledger", measure: history::replay },
    Item { name: "audit-verify", about: "audit verify of a million events and bare hashing", measure: audit::measure },
    Item { name: "rebuild", about: "rebuild of the licences view and raw upserts", measure: history::rebuild },
    Item { name: "memory", about: "serve with a million events", measure: memory::measure },
    Item { name: "verify", about: "verifications and a bare server, 64 connections", measure: verify::measure },
    Item { name: "verify-challenge", about: "signed answers and RSA alone", measure: verify_challenge::measure },
    Item { name: "verify-flat", about: "100,000 licences in use and 1,000", measure: verify_flat::measure },
    Item { name: "verify-memory", about: "serve with a million licences", measure: verify_memory::measure },
    Item { name: "pages", about: "the dashboard with a million licences and a thousand", measure: pages::measure },
];
