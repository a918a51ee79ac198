//! Checkpoints and proofs: what the log tells the world about its tree, signed, and how anyone sees that it is true.
//!
//! The Writer keeps the tree's frontier; here the tree's hashes are kept as tiles, independently of it, and a checkpoint
//! is signed only when both agree and the tree continues the one that was signed last.

mod checkpointer;
mod error;
mod log_key;
mod prove;
#[cfg(test)]
mod tests;
mod tree;

pub use checkpointer::{run, sign_now};
pub use error::ProofsError;
pub use log_key::LogKey;
pub use prove::{CheckpointJson, Consistency, Inclusion, checkpoint_json, consistency, inclusion};
pub use tree::Tree;
