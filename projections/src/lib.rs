//! What is known: views computed from keyledger's events.
//!
//! A view is a fold over events into the rows of one table. The [`runner::Runner`] reads each page of events once
//! and applies it to every view, rows and checkpoint in one transaction; [`rebuild`] fills a view anew beside the
//! serving one and switches. A view sees no clock, no network and no mailer: event in, rows out. So all of them
//! may be thrown away, and are when they do not fit the ledger.
//!
//! Reading goes through [`TeamViews`], which is bound to one team; only lists of work to do
//! ([`ViewStore::pending_inbox`], [`ViewStore::pending_deliveries`], [`ViewStore::due_expirations`],
//! [`ViewStore::reminding_teams`], [`ViewStore::endpoints_waiting`]) and finding who signs in
//! ([`ViewStore::members_by_email`], [`ViewStore::member_by_invitation`], [`ViewStore::any_member`]) cross teams.

mod bookkeeping;
pub mod customers;
pub mod db;
pub mod deliveries;
mod digest;
mod due;
mod error;
mod fold;
pub mod inbox;
pub mod license_keys;
pub mod licenses;
pub mod members;
mod page;
pub mod placeholders;
pub mod products;
mod projection;
pub mod rebuild;
pub mod runner;
mod sealed_field;
pub mod seats;
pub mod statistics;
mod table;
mod team_views;
pub mod teams;
pub mod timeline;
pub mod view;
pub mod webhooks;

#[cfg(test)]
mod tests;

pub use bookkeeping::{BuildStatus, Fault};
pub use customers::Customer;
pub use db::{Database, OpenError, Row, Value, ViewStore};
pub use deliveries::{Delivery, DeliveryState};
pub use digest::Digest;
pub use due::is_due;
pub use error::{ApplyError, QueryError};
pub use fold::{Fold, Folded, Key, chunks, from_json, to_json};
pub use inbox::{InboxEntry, InboxFilter, Outcome, Outcomes};
pub use licenses::{Expiration, License, LicenseCounts, LicenseFilter, LicenseStatus, Reminder, Standing};
pub use members::{Invitation, Member};
pub use page::{NumberedPage, Order, Page};
pub use products::Product;
pub use projection::{Applied, Decoded, Projection};
pub use rebuild::{Progress, RebuildError, Rebuilt, Verified, Watcher};
pub use runner::{
    CatchUpError, FaultReport, FaultedEvent, PassOutcome, Runner, RunnerError, RunnerStatus, Standstill, ViewProgress,
    ViewReport,
};
pub use sealed_field::SealedField;
pub use seats::{Seat, SeatKind, Seats};
pub use statistics::DayCounts;
pub use table::{Column, Index, Table, insert_into, tuples};
pub use team_views::TeamViews;
pub use teams::{ApiKey, BlacklistEntry, EarlierKey, Integration, Reminders, Secret, TeamConfig, VerificationSettings};
pub use timeline::{Day, Subject};
pub use webhooks::{Endpoint, Hook, HookSource, HookState};
