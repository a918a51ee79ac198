//! Teams as the edges need them: settings, products and opened secrets, kept in memory until a view changes.
//!
//! What is found here may be used at once. What is *not* found may only be denied after `App::fresh_team`
//! has caught up with the ledger, because another process may have just added it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;
use keyledger_events::keys::{KeyRing, KeyRingError};
use keyledger_events::{LedgerError, Position, SharedLedger, StreamId, StreamKind, TeamId};
use keyledger_projections::{BlacklistEntry, Product, QueryError, Runner, Secret, TeamConfig, ViewStore, view};
use secrecy::SecretString;
use uuid::Uuid;

use crate::verification::{Blacklist, Probe};

/// Teams kept in memory at most; beyond that the directory starts over.
const CACHED_TEAMS_MAX: usize = 4_096;

/// Why a team cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The views do not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A secret cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
}

/// A secret in the clear, for as long as it is needed.
#[derive(Debug, Clone)]
pub struct OpenedSecret {
    /// Whose secret.
    pub provider: Provider,
    /// What it is for.
    pub kind: SecretKind,
    /// For API keys: live or test mode.
    pub livemode: Option<bool>,
    /// The secret.
    pub value: SecretString,
}

/// A team with its products and opened secrets.
#[derive(Debug, Clone)]
pub struct Team {
    /// Settings and integrations.
    pub config: TeamConfig,
    /// The products that it sells.
    pub products: BTreeMap<Uuid, Product>,
    /// Those that it sells no longer: licences of them are what they were.
    removed_products: BTreeMap<Uuid, Product>,
    /// Where verifications are refused from.
    pub blacklist: Blacklist,
    secrets: Vec<OpenedSecret>,
}

impl Team {
    /// A product, no matter whether it is still sold.
    pub fn product_ever(&self, id: Uuid) -> Option<&Product> {
        self.products.get(&id).or_else(|| self.removed_products.get(&id))
    }

    /// The secrets of a provider that are in force for a purpose.
    pub fn secrets(&self, provider: Provider, kind: SecretKind) -> impl Iterator<Item = &OpenedSecret> {
        self.secrets.iter().filter(move |secret| secret.provider == provider && secret.kind == kind)
    }

    /// The API key of a provider for live or test mode; a key whose mode its prefix does not tell serves both.
    pub fn api_key(&self, provider: Provider, livemode: Option<bool>) -> Option<&SecretString> {
        let mut keys: Vec<_> = self.secrets(provider, SecretKind::ApiKey).collect();
        keys.retain(|key| key.livemode.is_none() || livemode.is_none() || key.livemode == livemode);
        // The newest first: it replaces those before it.
        keys.reverse();
        keys.sort_by_key(|key| key.livemode != livemode);
        keys.first().map(|key| &key.value)
    }

    /// Whether the provider's connection is on.
    pub fn is_enabled(&self, provider: Provider) -> bool {
        self.config.integration(provider).is_some_and(|integration| integration.enabled)
    }
}

/// The versions of the views that an entry was read from.
type Stamp = (Position, Position);

/// Teams that were read, each with what it was read from.
type Entries = HashMap<TeamId, (Stamp, Arc<Team>)>;

/// Teams by id. Clones share it.
#[derive(Clone)]
pub struct Directory {
    views: ViewStore,
    runner: Runner,
    keys: KeyRing,
    ledger: SharedLedger,
    teams: Arc<Mutex<Entries>>,
    /// Asks the ledger for the version of an integration's stream.
    probes: Arc<Mutex<HashMap<StreamId, Arc<Probe<i64>>>>>,
}

impl Directory {
    /// An empty directory over the views.
    pub fn new(ledger: SharedLedger, views: ViewStore, runner: Runner, keys: KeyRing) -> Self {
        Self { views, runner, keys, ledger, teams: Arc::default(), probes: Arc::default() }
    }

    /// Whether what `team` says of a provider's integration is what the ledger says at the time of asking: a secret
    /// may have been retired, or the connection switched off, by another process.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn is_current(&self, team: &Team, provider: Provider) -> Result<bool, LedgerError> {
        let Some(integration) = team.config.integration(provider) else { return Ok(false) };
        Ok(self.version(team.config.id, integration.stream).await? == integration.version)
    }

    /// Whether what `team` says of its settings and API keys is what the ledger says at the time of asking.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn is_team_current(&self, team: &Team) -> Result<bool, LedgerError> {
        let stream = StreamId::new(StreamKind::Team, team.config.id.0);
        Ok(self.version(team.config.id, stream).await? == team.config.version)
    }

    async fn version(&self, team: TeamId, stream: StreamId) -> Result<i64, LedgerError> {
        let probe = {
            let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
            if probes.len() >= CACHED_TEAMS_MAX {
                probes.clear();
            }
            probes.entry(stream).or_default().clone()
        };
        probe.ask(async || self.ledger.stream_version(team, stream).await).await
    }

    /// The team as the views show it now; `None` says nothing yet.
    ///
    /// # Errors
    /// When the views do not answer or a secret does not open.
    pub async fn team(&self, id: TeamId) -> Result<Option<Arc<Team>>, DirectoryError> {
        let stamp = self.stamp();
        match self.cached(id, stamp) {
            Some(team) => Ok(Some(team)),
            // A place of its own, for it is rare and large.
            None => Box::pin(self.read(id, stamp)).await,
        }
    }

    async fn read(&self, id: TeamId, stamp: Stamp) -> Result<Option<Arc<Team>>, DirectoryError> {
        let scope = self.views.team(id);
        let Some(config) = scope.config().await? else { return Ok(None) };
        let all = scope.products_ever().await?.into_iter().map(|product| (product.id, product));
        let (removed_products, products) = all.partition(|(_, product)| product.removed);
        let mut blacklist = Blacklist::default();
        for entry in &config.blacklist {
            let context = entry.value.context(id, BlacklistEntry::VALUE_FIELD);
            let value = self.keys.open(context, &entry.value.value).await?;
            blacklist.add(entry.kind, &String::from_utf8_lossy(&value));
        }
        let mut secrets = Vec::new();
        for integration in config.integrations.values() {
            for secret in integration.secrets.iter().filter(|secret| !secret.retired) {
                secrets.push(self.open(id, integration.provider, secret).await?);
            }
        }
        let team = Arc::new(Team { config, products, removed_products, blacklist, secrets });
        self.keep(id, stamp, team.clone());
        Ok(Some(team))
    }

    async fn open(&self, team: TeamId, provider: Provider, secret: &Secret) -> Result<OpenedSecret, DirectoryError> {
        let context = secret.value.context(team, Secret::VALUE_FIELD);
        let bytes = self.keys.open(context, &secret.value.value).await?;
        Ok(OpenedSecret {
            provider,
            kind: secret.kind,
            livemode: secret.livemode,
            value: SecretString::from(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    fn stamp(&self) -> Stamp {
        let status = self.runner.status();
        let status = status.borrow();
        let changed = |name| status.views.get(name).map_or(Position::START, |view| view.changed_position);
        (changed(view::TEAMS), changed(view::PRODUCTS))
    }

    fn cached(&self, id: TeamId, stamp: Stamp) -> Option<Arc<Team>> {
        let teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);
        teams.get(&id).filter(|(of, _)| *of == stamp).map(|(_, team)| team.clone())
    }

    fn keep(&self, id: TeamId, stamp: Stamp, team: Arc<Team>) {
        let mut teams = self.teams.lock().unwrap_or_else(PoisonError::into_inner);
        if teams.len() >= CACHED_TEAMS_MAX {
            teams.clear();
        }
        teams.insert(id, (stamp, team));
    }
}
