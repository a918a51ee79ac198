//! What was said about the ledger's beginnings: checkpoints that it stores, and checkpoints that were kept elsewhere.

use std::collections::VecDeque;

use keyledger_events::LedgerError;
use keyledger_events::store::SharedProofStore;
use keyledger_events::store::proofs::{PROOF_ROWS_MAX, StoredCheckpoint};
use keyledger_proof::merkle::Hash;
use keyledger_proof::{Checkpoint, VerifierKey};

use super::kept::KeptNote;
use super::walk::Walk;
use super::{Problem, Stopped};

/// Claims about the ledger's first events, the fewest first.
pub(super) struct Claims {
    proofs: SharedProofStore,
    key: VerifierKey,
    /// Stored ones that are over more were signed after the verification began.
    newest: u64,
    stored: VecDeque<StoredCheckpoint>,
    /// Everything up to this size is in `stored`, or was.
    read: u64,
    kept: VecDeque<KeptNote>,
    /// The most events that a claim agreed about.
    agreed: u64,
    agreed_stored: u64,
    agreed_kept: u64,
}

impl Claims {
    pub(super) fn new(proofs: SharedProofStore, key: &VerifierKey, mut kept: Vec<KeptNote>) -> Self {
        kept.sort_by_key(|note| note.checkpoint.size);
        Self {
            proofs,
            key: key.clone(),
            newest: 0,
            stored: VecDeque::new(),
            read: 0,
            kept: kept.into(),
            agreed: 0,
            agreed_stored: 0,
            agreed_kept: 0,
        }
    }

    /// Looks which claims there are.
    pub(super) async fn begin(&mut self) -> Result<(), LedgerError> {
        self.newest = self.proofs.newest_checkpoint().await?.map_or(0, |newest| newest.size);
        Ok(())
    }

    /// How many stored and kept claims agreed.
    pub(super) fn agreed(&self) -> (u64, u64) {
        (self.agreed_stored, self.agreed_kept)
    }

    /// Reads the stored claims about at most so many events.
    pub(super) async fn read_until(&mut self, position: i64) -> Result<(), Stopped> {
        let until = position.unsigned_abs().min(self.newest);
        while self.read < until {
            let page = self.proofs.checkpoints(self.read, PROOF_ROWS_MAX.min(1_000)).await?;
            self.read = page.last().map_or(self.newest, |last| last.size);
            self.stored.extend(page.into_iter().filter(|one| one.size <= self.newest));
        }
        Ok(())
    }

    /// Compares the claims about exactly the events that were walked.
    pub(super) fn compare(&mut self, walk: &Walk) -> Result<(), Problem> {
        let size = walk.position().unsigned_abs();
        while let Some(stored) = self.stored.pop_front_if(|stored| stored.size <= size) {
            self.stored(&stored, walk)?;
            (self.agreed, self.agreed_stored) = (size, self.agreed_stored + 1);
        }
        while let Some(kept) = self.kept.pop_front_if(|kept| kept.checkpoint.size <= size) {
            // Everybody agrees about nothing.
            if kept.checkpoint.size > 0 && kept.checkpoint.root != walk.root() {
                return Err(self.rewritten(size, &format!("the checkpoint in {}", kept.name)));
            }
            (self.agreed, self.agreed_kept) = (size, self.agreed_kept + 1);
        }
        Ok(())
    }

    fn stored(&self, stored: &StoredCheckpoint, walk: &Walk) -> Result<(), Problem> {
        let size = stored.size;
        let wrong =
            |what: String| Problem::new(position(size), format!("the stored checkpoint over {size} events: {what}"));
        let signed = Checkpoint::open(&self.key, &stored.note).map_err(|error| wrong(error.to_string()))?;
        if (signed.size, signed.root) != (size, stored.root) {
            return Err(wrong("its note says something else than its row".to_owned()));
        }
        if walk.recorded_at().is_some_and(|recorded_at| stored.signed_at < recorded_at) {
            return Err(wrong("it was signed before its last event was recorded".to_owned()));
        }
        let root: Hash = walk.root();
        if signed.root == root { Ok(()) } else { Err(self.rewritten(size, "the stored checkpoint")) }
    }

    /// Events were changed somewhere after the last claim that agreed.
    fn rewritten(&self, size: u64, by: &str) -> Problem {
        let first = self.agreed + 1;
        let what = format!("history was rewritten: positions {first} to {size} are not what was signed ({by})");
        Problem::new(position(first), what)
    }

    /// Nothing may be claimed about more events than there are.
    pub(super) fn end(&self, head: i64) -> Result<(), Problem> {
        let missing = |size: u64, by: &str| {
            let what = format!("history was cut off: {size} events were signed ({by}), but the ledger has {head}");
            Err(Problem::new(head + 1, what))
        };
        if self.newest > head.unsigned_abs() {
            return missing(self.newest, "the stored checkpoint");
        }
        match self.kept.back() {
            Some(kept) if kept.checkpoint.size > head.unsigned_abs() => {
                missing(kept.checkpoint.size, &format!("the checkpoint in {}", kept.name))
            }
            _ => Ok(()),
        }
    }
}

fn position(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
