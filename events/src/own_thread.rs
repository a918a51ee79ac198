//! Tasks that keep their thread busy, or wait on it for the disk, and so must not hold up the others.

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Runs a task on a thread of its own, with the timers and sockets of the runtime that it is called in. The handle is
/// done when the task is; the task ends early, as others do, when the runtime does.
///
/// # Panics
/// Outside a runtime, and when the system gives no thread.
pub fn spawn_on_own_thread(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let runtime = Handle::current();
    let (done, ended) = oneshot::channel::<()>();
    let (alive, shut_down) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = task => {}
                _ = shut_down => {}
            }
        });
        drop(done);
    });
    tokio::spawn(async move {
        // Nothing is ever sent: it is the end of the other side that tells.
        let _ = ended.await;
        drop(alive);
    })
}

/// What work that nobody waits for is behind other work by: of a processor that both want it gets a quarter.
const NICE: i32 = 5;

/// From here on, the thread it is called on gives way to others; for threads with work that nobody waits for.
pub fn give_way() {
    // Only Linux knows threads of different priority within a process; elsewhere it would be the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the priority of a thread cannot be lowered");
    }
}
