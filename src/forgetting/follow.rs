//! A server hears of everybody who is forgotten, by whichever process, and erases what only it has: the mails in its
//! folder, and what it has noted but not written down yet.

use std::time::Duration;

use keyledger_events::Position;
use keyledger_projections::view;

use super::again::{PAGE_EVENTS, of_event};
use super::erase::mails_to;
use super::{ForgettingError, erase};
use crate::app::App;
use crate::mail::FileTransport;
use crate::stop::Stopping;

/// How often the ledger is asked.
const POLL: Duration = Duration::from_millis(250);

/// Follows the ledger. Who was forgotten before this process began has been erased, unless the keys store was restored; but
/// for mails in this server's folder, which a command that knows of another does not find.
pub struct Follower {
    app: App,
    folder: Option<FileTransport>,
    seen: Position,
    /// Whether the folder is rid of the mails to those who were forgotten before.
    cleaned: bool,
    /// Whether somebody was read of whose traces are not erased yet.
    somebody: bool,
    failing: bool,
}

impl Follower {
    /// A follower that begins at the ledger's present head; at its beginning, when the keys store was restored.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn begin(app: App, folder: Option<FileTransport>) -> Result<Self, ForgettingError> {
        let seen = if app.restored { Position::START } else { app.ledger.head().await?.position };
        Ok(Self { app, folder, seen, cleaned: false, somebody: false, failing: false })
    }

    /// Follows until told to stop.
    pub async fn run(mut self, mut stopping: Stopping) {
        loop {
            match self.pass().await {
                Ok(()) => self.failing = false,
                Err(error) => self.tell(&error),
            }
            if tokio::time::timeout(POLL, stopping.requested()).await.is_ok() {
                break;
            }
        }
    }

    async fn pass(&mut self) -> Result<(), ForgettingError> {
        if !self.cleaned {
            self.clean().await?;
            (self.cleaned, self.somebody) = (true, false);
        }
        loop {
            let page = self.app.ledger.forgotten(self.seen, PAGE_EVENTS).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.somebody = true;
            for recorded in page {
                if let Some(forgotten) = of_event(&recorded)? {
                    erase(&self.app, self.folder.as_ref(), &forgotten).await?;
                    tracing::info!(team = %recorded.team, customer = %recorded.stream.id, "a forgotten customer's traces are erased here");
                }
                self.seen = recorded.position;
            }
            self.somebody = false;
        }
    }

    /// Deletes the mails to those who were forgotten before this server began, all at once: the folder may be large.
    async fn clean(&mut self) -> Result<(), ForgettingError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let (mut after, mut ids) = (Position::START, Vec::new());
        while after < self.seen {
            let page = self.app.ledger.forgotten(after, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            self.somebody = true;
            self.app.catch_up(&[view::CUSTOMERS, view::DELIVERIES]).await?;
            for recorded in page.iter().take_while(|recorded| recorded.position <= self.seen) {
                if let Some(forgotten) = of_event(recorded)? {
                    ids.extend(mails_to(&self.app, &forgotten).await?);
                }
            }
        }
        let deleted = if ids.is_empty() { 0 } else { folder.forget(&ids).await.map_err(ForgettingError::Mail)? };
        if deleted > 0 {
            tracing::info!(deleted, "mails to customers who had been forgotten are deleted");
        }
        Ok(())
    }

    /// Says so once. Where nobody is known to have been forgotten, nothing of theirs is left either.
    fn tell(&mut self, error: &ForgettingError) {
        if self.failing {
            return;
        }
        self.failing = true;
        if self.somebody {
            tracing::warn!(%error, "a forgotten customer's traces cannot be erased yet; this is tried again all the time");
        } else {
            tracing::warn!(%error, "the ledger cannot be asked who was forgotten; this is tried again all the time");
        }
    }
}
