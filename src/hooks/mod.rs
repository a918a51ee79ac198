//! Outgoing webhooks, signed as [Standard Webhooks](https://www.standardwebhooks.com) says.
//!
//! Which hooks are owed is a view of the ledger; [`worker`] sends them. Each attempt is claimed by an event and concluded
//! by another one, as mails are, so that of several nodes one sends, and what a crash cut off is sent again under the
//! same `webhook-id`. [`limits`] tells of refused verifications, which are not in the ledger and leave nothing there.
//! [`Poster`] posts, and to nobody but whom it may.

mod body;
mod error;
mod letter;
pub mod limits;
mod network;
mod post;
mod retry;
mod signature;
mod target;
pub mod worker;

pub use error::DeliverError;
pub use network::{AllowPrivate, AllowPrivateError};
pub use post::{Poster, PosterError};
pub use signature::{generate_secret, is_secret};
pub use target::{TargetError, parse_url};
