//! The `keyledger` program: its command line is in [`keyledger::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    keep_memory_together();
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    keyledger::cli::run().await
}

/// Has the allocator keep as many pools as there are processors, not eight times as many. Threads that mostly wait for
/// the disk would each keep what another one freed: a third of the memory of a server (`scripts/bench memory`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_memory_together() {
    /// One for the threads that compute, one for the others.
    const POOLS_MIN: usize = 2;
    let processors = std::thread::available_parallelism().map_or(POOLS_MIN, usize::from);
    let pools = i32::try_from(processors.max(POOLS_MIN)).unwrap_or(i32::MAX);
    #[expect(unsafe_code, reason = "glibc knows no other way but a variable that is read before the program begins")]
    // SAFETY: it takes two numbers and sets one; no other thread is there yet. Refused, it changes nothing.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, pools) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_memory_together() {}
