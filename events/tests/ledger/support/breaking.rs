//! A keys store whose process is killed at a chosen moment: before or after any of its changes.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use keyledger_events::keys::{KeyLink, KeyStore, KeyVault, MasterRecord, ServerKeyRecord, SharedKeyVault, WrappedKey};
use uuid::Uuid;

/// Lets a number of moments pass and then answers nothing any more.
pub(crate) struct BreakingKeys {
    inner: SharedKeyVault,
    left: AtomicI64,
}

impl BreakingKeys {
    /// One that breaks after `moments`: two for each change, one before and one after it.
    pub(crate) fn after(moments: i64, inner: SharedKeyVault) -> Self {
        Self { inner, left: AtomicI64::new(moments) }
    }

    /// Whether it broke.
    pub(crate) fn broke(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn moment(&self) -> Result<(), sqlx::Error> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(sqlx::Error::WorkerCrashed) }
    }

    async fn change<T>(&self, change: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        self.moment()?;
        let done = change.await?;
        self.moment()?;
        Ok(done)
    }
}

#[async_trait]
impl KeyStore for BreakingKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        self.change(self.inner.insert(keys, links)).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        self.inner.find(id).await
    }
}

#[async_trait]
impl KeyVault for BreakingKeys {
    async fn linked(&self, customers: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        self.inner.linked(customers).await
    }

    async fn existing(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        self.inner.existing(keys).await
    }

    async fn destroy(&self, keys: &[Uuid], customers: &[Uuid]) -> Result<u64, sqlx::Error> {
        self.change(self.inner.destroy(keys, customers)).await
    }

    async fn page(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<WrappedKey>, sqlx::Error> {
        self.inner.page(after, limit).await
    }

    async fn master(&self) -> Result<Option<MasterRecord>, sqlx::Error> {
        self.inner.master().await
    }

    async fn register_master(&self, id: Uuid) -> Result<(), sqlx::Error> {
        self.inner.register_master(id).await
    }

    async fn begin_rotation(
        &self,
        before: Uuid,
        next: Uuid,
        handed_over: &[u8],
        keys: &[WrappedKey],
    ) -> Result<bool, sqlx::Error> {
        self.change(self.inner.begin_rotation(before, next, handed_over, keys)).await
    }

    async fn rewrap(&self, keys: &[(WrappedKey, WrappedKey)]) -> Result<(), sqlx::Error> {
        self.change(self.inner.rewrap(keys)).await
    }

    async fn finish_rotation(&self, id: Uuid) -> Result<bool, sqlx::Error> {
        self.change(self.inner.finish_rotation(id)).await
    }

    async fn server_keys(&self) -> Result<Vec<ServerKeyRecord>, sqlx::Error> {
        self.inner.server_keys().await
    }

    async fn add_server_key(
        &self,
        key: &ServerKeyRecord,
        seeds: &[WrappedKey],
        known: usize,
    ) -> Result<bool, sqlx::Error> {
        self.change(self.inner.add_server_key(key, seeds, known)).await
    }
}
