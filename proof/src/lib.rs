//! Proving that nobody rewrote a ledger.
//!
//! Everything that an auditor's check rests on, and nothing else: the bytes under a leaf ([`leaf`]), the Merkle tree
//! over the leaves ([`merkle`]), which hashes a proof consists of ([`path`]) and how they are kept ([`tile`]), checking
//! proofs ([`check`]), signed notes ([`note`]) and checkpoints ([`checkpoint`]), and exports that verify without the
//! ledger ([`bundle`]).
//!
//! This crate knows no database, no network and no clock, so that it can be read in an hour. Its program
//! `keyledger-verify` checks a bundle.

pub mod bundle;
pub mod check;
pub mod checkpoint;
pub mod leaf;
pub mod merkle;
pub mod note;
pub mod path;
pub mod tile;

pub use checkpoint::Checkpoint;
pub use leaf::Leaf;
pub use merkle::{Frontier, Hash};
pub use note::{NoteSigner, VerifierKey};
