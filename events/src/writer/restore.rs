//! Restoring a ledger from a copy: the Writer's second door, for events that have happened already. They keep their
//! positions, times and ids; every leaf is checked on the way in, and the root at the end.
//!
//! The first transaction writes into the head row which copy is being restored, each further one inserts a batch and
//! moves the head, and the last one takes the mark away. So a restore that was interrupted goes on with the same copy,
//! and until it has come to its end nobody can append to what is there.

use std::sync::Arc;

use crate::envelope::{HashMismatch, RecordedEvent};
use crate::id::Position;
use crate::store::{Head, LedgerError, RestoreDoor, RestoreTarget};

/// Events of one batch at most.
pub const RESTORE_BATCH_EVENTS_MAX: usize = 512;

/// Why a restore does not go on. What was restored so far stays marked as half a ledger.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a ledger already.
    #[error(
        "there is a ledger with {0} events already, and a copy is restored only into an empty one; \
         name another folder or database"
    )]
    NotEmpty(Position),
    /// Another copy is being restored.
    #[error(
        "the restore of another copy (of {target} events) was interrupted here after {position} events; \
         restore that copy to its end, or start over with an empty folder or database"
    )]
    Other {
        /// The last position that is there.
        position: Position,
        /// The last position of the other copy.
        target: Position,
    },
    /// Somebody else restores at the same time.
    #[error("another process is restoring here at the same time; wait for it")]
    Concurrent,
    /// An event is not the next one.
    #[error("the copy's next event should have position {expected} but has {found}")]
    Gap {
        /// What should come.
        expected: Position,
        /// What came.
        found: Position,
    },
    /// An event was changed after it was written.
    #[error(transparent)]
    Hash(#[from] HashMismatch),
    /// The time of record goes back.
    #[error("the time of record goes back at position {0}: this is no copy of a ledger")]
    Time(Position),
    /// The events are not those that the copy promised.
    #[error("the restored events end at position {position} with another Merkle root than the copy says")]
    Root {
        /// The last position that is there.
        position: Position,
    },
    /// The store does not do it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A restore under way.
pub struct Restore {
    door: Arc<dyn RestoreDoor>,
    target: RestoreTarget,
    head: Head,
}

impl Restore {
    /// Begins in an empty ledger, or goes on with the same copy where an interrupted restore ended.
    ///
    /// # Errors
    /// When there is a ledger already, or half of another one.
    pub async fn begin(door: Arc<dyn RestoreDoor>, target: RestoreTarget) -> Result<Self, RestoreError> {
        let (mut tx, under_way) = door.begin_restore().await?;
        let head = tx.head().clone();
        admit(&head, under_way, target)?;
        if under_way.is_none() {
            tx.mark(Some(target)).await?;
            tx.commit().await?;
        }
        Ok(Self { door, target, head })
    }

    /// The last position that is there: the next event to give follows it.
    pub fn position(&self) -> Position {
        self.head.position
    }

    /// Appends the next events of the copy, at most [`RESTORE_BATCH_EVENTS_MAX`] in a transaction.
    ///
    /// # Errors
    /// When they are not the next ones or were changed, and when the store does not take them. The rest of the copy
    /// can be given to a new [`Restore::begin`].
    pub async fn append(&mut self, events: &[RecordedEvent]) -> Result<(), RestoreError> {
        for batch in events.chunks(RESTORE_BATCH_EVENTS_MAX) {
            let mut head = self.head.clone();
            batch.iter().try_for_each(|event| step(&mut head, event))?;
            let (mut tx, under_way) = self.door.begin_restore().await?;
            if *tx.head() != self.head || under_way != Some(self.target) {
                return Err(RestoreError::Concurrent);
            }
            tx.insert(batch, &head).await?;
            tx.commit().await?;
            self.head = head;
        }
        Ok(())
    }

    /// Checks that everything is there, and opens the ledger for use.
    ///
    /// # Errors
    /// When events are missing, or the root is not the copy's.
    pub async fn finish(self) -> Result<Head, RestoreError> {
        let (mut tx, under_way) = self.door.begin_restore().await?;
        if *tx.head() != self.head || under_way != Some(self.target) {
            return Err(RestoreError::Concurrent);
        }
        let Head { position, frontier, .. } = &self.head;
        if *position != self.target.position || frontier.root() != self.target.root {
            return Err(RestoreError::Root { position: *position });
        }
        tx.mark(None).await?;
        tx.commit().await?;
        Ok(self.head)
    }
}

/// Whether a restore may begin or go on here. Pure.
fn admit(head: &Head, under_way: Option<RestoreTarget>, target: RestoreTarget) -> Result<(), RestoreError> {
    match under_way {
        None if head.position == Position::START => Ok(()),
        None => Err(RestoreError::NotEmpty(head.position)),
        Some(other) if other == target => Ok(()),
        Some(other) => Err(RestoreError::Other { position: head.position, target: other.position }),
    }
}

/// Moves the head over the next event of the copy. Pure.
fn step(head: &mut Head, event: &RecordedEvent) -> Result<(), RestoreError> {
    let expected = head.position.next();
    if event.position != expected {
        return Err(RestoreError::Gap { expected, found: event.position });
    }
    event.check_hash()?;
    if event.recorded_at < head.recorded_at {
        return Err(RestoreError::Time(event.position));
    }
    head.position = event.position;
    head.recorded_at = event.recorded_at;
    head.frontier.push(event.leaf_hash);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::merkle::Frontier;

    fn head(position: i64) -> Head {
        Head { position: Position(position), recorded_at: Timestamp::UNIX_EPOCH, frontier: Frontier::default() }
    }

    #[test]
    fn a_copy_goes_into_an_empty_ledger_or_on_into_its_own_half() {
        let one = RestoreTarget { position: Position(9), root: [1; 32] };
        let other = RestoreTarget { position: Position(9), root: [2; 32] };
        assert!(admit(&head(0), None, one).is_ok());
        assert!(matches!(admit(&head(3), None, one), Err(RestoreError::NotEmpty(Position(3)))));
        assert!(admit(&head(3), Some(one), one).is_ok());
        assert!(matches!(admit(&head(3), Some(other), one), Err(RestoreError::Other { .. })));
    }
}
