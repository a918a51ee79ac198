//! The keys store as the Writer sees it: a key that was wrapped just before the master key was rotated is wrapped anew
//! instead of being refused.

use async_trait::async_trait;
use uuid::Uuid;

use super::vault::StaleMaster;
use super::{KeyLink, KeyRing, KeyStore, WrappedKey};

/// Rotations that one insert may meet at most.
const ROTATIONS_MAX: u32 = 4;

/// A ring as a plain keys store.
pub(super) struct GuardedStore(pub(super) KeyRing);

#[async_trait]
impl KeyStore for GuardedStore {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        let mut inserted = self.0.vault().insert(keys, links).await;
        for _ in 0..ROTATIONS_MAX {
            match inserted {
                Err(error) if StaleMaster::is(&error) => {
                    let refused = |error| sqlx::Error::Configuration(Box::new(error));
                    let keys = self.0.rewrapped(keys).await.map_err(refused)?;
                    inserted = self.0.vault().insert(&keys, links).await;
                }
                other => return other,
            }
        }
        inserted
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        self.0.vault().find(id).await
    }
}
