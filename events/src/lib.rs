//! What can happen in keyledger, and how it is kept.
//!
//! The types in [`event`] name everything that can happen. An [`envelope::NewEvent`] goes through the
//! [`writer::Writer`], the only door, into a [`store::Ledger`]: an append-only table with gapless
//! positions and an RFC 6962 Merkle tree over its rows. Personal data and licence keys enter as
//! [`sealed::Sealed`] values, whose data keys live apart in a [`keys::KeyStore`].
//!
//! This crate knows neither views nor HTTP.

pub mod clock;
pub mod envelope;
pub mod event;
pub mod id;
pub mod keys;
mod own_thread;
mod private;
pub mod sealed;
pub mod store;
pub mod writer;

pub use keyledger_proof::merkle;

pub use clock::{Clock, ManualClock, SharedClock, SystemClock, Timestamp};
pub use envelope::{NewEvent, Provenance, RecordedEvent};
pub use event::Event;
pub use id::{Position, StreamId, StreamKind, TeamId};
pub use own_thread::{give_way, spawn_on_own_thread};
pub use private::{create_private, open_private};
pub use sealed::Sealed;
pub use store::{Change, Ledger, LedgerError, SharedLedger};
pub use writer::{AppendOutcome, AppendRequest, Expected, Observer, Writer, WriterError};
