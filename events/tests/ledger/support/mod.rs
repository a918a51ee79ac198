//! What the tests share: databases of their own, requests that read like a story, and independent checks.

mod breaking;
mod check;
mod gate;
mod home;
mod memory;
mod memory_keys;
mod proxy;
mod request;

pub(crate) use breaking::BreakingKeys;
pub(crate) use check::{check_ledger, envelope};
pub(crate) use gate::{CountingLedger, GatedKeys};
pub(crate) use home::{Engine, Home, run, serving_pool};
pub(crate) use memory::{LostCommit, MemoryLedger};
pub(crate) use memory_keys::MemoryKeys;
pub(crate) use proxy::{Cut, Proxy};
pub(crate) use request::{event, noon, on_any, on_version, queue_up, request, stream};

/// What a test answers.
pub(crate) type TestResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
