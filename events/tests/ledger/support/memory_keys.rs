//! A keys store in memory: its contract in the plainest form.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use keyledger_events::keys::{
    KeyLink, KeyStore, KeyVault, MasterRecord, ServerKeyRecord, StaleMaster, WRAPPED_BYTES, WrappedKey,
};
use uuid::Uuid;

#[derive(Default)]
struct State {
    keys: BTreeMap<Uuid, Vec<u8>>,
    links: BTreeSet<(Uuid, Uuid)>,
    master: Option<MasterRecord>,
    server_keys: Vec<ServerKeyRecord>,
}

/// A keys store in memory.
#[derive(Default)]
pub(crate) struct MemoryKeys(Mutex<State>);

impl MemoryKeys {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn insert(&mut self, keys: &[WrappedKey]) -> Result<(), sqlx::Error> {
        if let Some(master) = &self.master
            && keys.iter().any(|key| key.master() != Some(master.id))
        {
            return Err(sqlx::Error::Configuration(Box::new(StaleMaster(master.id))));
        }
        for key in keys {
            if self.keys.entry(key.id).or_insert_with(|| key.wrapped.clone()) != &key.wrapped {
                return Err(sqlx::Error::Protocol(format!("data key {} is another one", key.id)));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn insert(&self, keys: &[WrappedKey], links: &[KeyLink]) -> Result<(), sqlx::Error> {
        let mut state = self.state();
        state.insert(keys)?;
        state.links.extend(links.iter().map(|link| (link.customer_id, link.key_id)));
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<Option<WrappedKey>, sqlx::Error> {
        Ok(self.state().keys.get(&id).map(|wrapped| WrappedKey { id, wrapped: wrapped.clone() }))
    }
}

#[async_trait]
impl KeyVault for MemoryKeys {
    async fn linked(&self, customers: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        let state = self.state();
        let of_them = state.links.iter().filter(|(customer, _)| customers.contains(customer));
        Ok(of_them.map(|(_, key)| *key).collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn existing(&self, keys: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
        let state = self.state();
        Ok(keys.iter().filter(|key| state.keys.contains_key(key)).copied().collect())
    }

    async fn destroy(&self, keys: &[Uuid], customers: &[Uuid]) -> Result<u64, sqlx::Error> {
        let mut state = self.state();
        let before = state.keys.len();
        state.keys.retain(|id, _| !keys.contains(id));
        let State { keys, links, .. } = &mut *state;
        links.retain(|(customer, key)| !customers.contains(customer) || keys.contains_key(key));
        Ok((before - keys.len()) as u64)
    }

    async fn page(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<WrappedKey>, sqlx::Error> {
        let state = self.state();
        let rest = state.keys.iter().filter(|(id, _)| after.is_none_or(|after| **id > after));
        let page = rest.take(limit as usize);
        Ok(page.map(|(id, wrapped)| WrappedKey { id: *id, wrapped: wrapped.clone() }).collect())
    }

    async fn master(&self) -> Result<Option<MasterRecord>, sqlx::Error> {
        Ok(self.state().master.clone())
    }

    async fn register_master(&self, id: Uuid) -> Result<(), sqlx::Error> {
        self.state().master.get_or_insert(MasterRecord { id, handed_over: None });
        Ok(())
    }

    async fn begin_rotation(
        &self,
        before: Uuid,
        next: Uuid,
        handed_over: &[u8],
        keys: &[WrappedKey],
    ) -> Result<bool, sqlx::Error> {
        let mut state = self.state();
        if state.master != Some(MasterRecord { id: before, handed_over: None }) {
            return Ok(false);
        }
        state.master = Some(MasterRecord { id: next, handed_over: Some((before, handed_over.to_vec())) });
        state.insert(keys)?;
        Ok(true)
    }

    async fn rewrap(&self, keys: &[(WrappedKey, WrappedKey)]) -> Result<(), sqlx::Error> {
        let mut state = self.state();
        for (old, new) in keys {
            if let Some(wrapped) = state.keys.get_mut(&old.id).filter(|wrapped| **wrapped == old.wrapped) {
                wrapped.clone_from(&new.wrapped);
            }
        }
        Ok(())
    }

    async fn finish_rotation(&self, id: Uuid) -> Result<bool, sqlx::Error> {
        let mut state = self.state();
        let of_others =
            |wrapped: &&Vec<u8>| i64::try_from(wrapped.len()) != Ok(WRAPPED_BYTES) || wrapped[..16] != *id.as_bytes();
        if state.keys.values().any(|wrapped| of_others(&wrapped)) {
            return Ok(false);
        }
        match state.master.as_mut().filter(|master| master.id == id) {
            Some(master) => master.handed_over = None,
            None => return Ok(false),
        }
        Ok(true)
    }

    async fn server_keys(&self) -> Result<Vec<ServerKeyRecord>, sqlx::Error> {
        Ok(self.state().server_keys.clone())
    }

    async fn add_server_key(
        &self,
        key: &ServerKeyRecord,
        seeds: &[WrappedKey],
        known: usize,
    ) -> Result<bool, sqlx::Error> {
        let mut state = self.state();
        if state.server_keys.len() != known {
            return Ok(false);
        }
        state.insert(seeds)?;
        state.server_keys.push(key.clone());
        Ok(true)
    }
}
