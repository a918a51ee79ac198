//! The `keyledger` program: its command line is in [`keyledger::cli`].

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    keyledger::cli::run().await
}
