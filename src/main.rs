//! The `keyledger` program: its command line is in [`keyledger::cli`].

use std::process::ExitCode;

/// Bodies, rows and answers are many small pieces of memory: this allocator is faster with them than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    keyledger::cli::run().await
}
