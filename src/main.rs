//! The `keyledger` program: its command line is in [`keyledger::cli`].

use std::num::NonZero;
use std::process::ExitCode;

use anyhow::Context as _;

/// Threads for each processor that requests are worked on. They wait as well: SQLite is read and locks are taken on the
/// spot. With one for each, all requests wait where one of two does (`scripts/bench verify`, `stripe`).
const WORKERS_A_PROCESSOR: usize = 2;

fn main() -> anyhow::Result<ExitCode> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    keep_memory_together(processors);
    let workers = WORKERS_A_PROCESSOR * processors;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    Ok(runtime.with_context(|| format!("starting {workers} threads to work on"))?.block_on(keyledger::cli::run()))
}

/// Has the allocator keep as many pools as there are processors, not eight times as many. Threads that mostly wait for
/// the disk would each keep what another one freed: a third of the memory of a server (`scripts/bench memory`).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_memory_together(processors: usize) {
    /// One for the threads that compute, one for the others.
    const POOLS_MIN: usize = 2;
    let pools = i32::try_from(processors.max(POOLS_MIN)).unwrap_or(i32::MAX);
    #[expect(unsafe_code, reason = "glibc knows no other way but a variable that is read before the program begins")]
    // SAFETY: it takes two numbers and sets one; no other thread is there yet. Refused, it changes nothing.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, pools) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn keep_memory_together(_processors: usize) {}
