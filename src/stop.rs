//! Stopping in good order: tasks learn that they are to finish what is under way.

use tokio::sync::watch;

/// Tells tasks to stop.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Learns that it is time to stop. Clones learn it too.
#[derive(Debug, Clone)]
pub struct Stopping(watch::Receiver<bool>);

/// A pair of the two.
pub fn stop() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// Asks all tasks to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Stopping {
    /// Waits until it is time to stop.
    pub async fn requested(&mut self) {
        // A dropped sender means that the process is ending.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether it is time to stop.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}
