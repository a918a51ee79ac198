//! The ledger's tests: golden files, one contract suite for every engine, a model test, and the races, crashes
//! and lost connections that the promise "never lost, never doubled, never mis-dated" has to survive.

mod append_only;
mod connections;
mod contract;
mod crash;
mod golden;
mod keys;
mod lost_commit;
mod model;
mod proofs;
mod restore;
mod rotation;
mod support;
mod tamper;
