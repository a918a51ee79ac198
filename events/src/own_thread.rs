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
