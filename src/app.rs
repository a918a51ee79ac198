//! Everything that a process shares: the ledger and its Writer, the keys, the views and their runner.
//!
//! A command and a server open the same database the same way; several of them may do so at once.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyledger_events::keys::{KeyRing, KeyVault, MasterKey, MasterKeyError, PostgresKeys, SharedKeyVault, SqliteKeys};
use keyledger_events::store::{
    LedgerError, MigrationError, PostgresLedger, RestoreDoor, SharedProofStore, SqliteLedger, postgres_pool,
};
use keyledger_events::{Ledger, Position, SharedClock, SharedLedger, TeamId, Writer, open_private};
use keyledger_projections::{CatchUpError, OpenError, Runner, ViewStore, view};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinHandle;

use crate::activity::{self, Activity};
use crate::backup::Archive;
use crate::config::{DatabaseUrl, MASTER_KEY_VARIABLE, MasterKeySource};
use crate::directory::{Directory, DirectoryError, Team};
use crate::forgetting::{self, ForgettingError};
use crate::presence;
use crate::providers::crowd::Crowd;
use crate::providers::stripe::api::StripeConnections;
use crate::verification::LicenseCache;

/// How long a reader waits for the views to reach the ledger's head before it gives up.
pub const CATCH_UP_MAX: Duration = Duration::from_secs(5);
/// The file of the ledger in a folder.
pub(crate) const LEDGER_FILE: &str = "ledger.db";
/// The file of its keys.
const KEYS_FILE: &str = "keys.db";
/// How long a command, which may find views that have never been built, waits for the same.
const COMMAND_CATCH_UP_MAX: Duration = Duration::from_secs(3_600);
/// How long it is tried to connect in order to learn why nobody can.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(3);
/// Connections for views and keys per process on PostgreSQL.
const POSTGRES_CONNECTIONS_MAX: u32 = 12;

/// Why the ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenAppError {
    /// The data folder cannot be made or locked.
    #[error("the data folder {folder}: {source}; choose another with --database-url sqlite:<folder>")]
    Folder {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Keys are there, and the ledger that they belong to is not.
    #[error(
        "{folder} has keys ({KEYS_FILE}) and no ledger: put {LEDGER_FILE} back, or restore a backup into an empty folder"
    )]
    LedgerLost {
        /// The folder.
        folder: String,
    },
    /// A ledger is there, and the keys of what it has sealed are not.
    #[error(
        "the ledger has {events} events and its keys store is empty: nobody can open what is sealed in them. Put the keys \
         back ({KEYS_FILE}, or the keys' schema of the database), or restore a backup of both"
    )]
    KeysLost {
        /// How many there are.
        events: Position,
    },
    /// The database cannot be reached or brought up to date.
    #[error("the database {url}: {source}")]
    Database {
        /// Which, without its password.
        url: String,
        /// What went wrong.
        source: MigrationError,
    },
    /// The views cannot be opened.
    #[error(transparent)]
    Views(#[from] OpenError),
    /// The master key is not there or not right.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// People who were forgotten could not be forgotten again.
    #[error(transparent)]
    Forgetting(#[from] ForgettingError),
    /// The ledger does not answer, or is half restored.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why the views could not be brought up to the ledger's head.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A view is faulted or too far behind.
    #[error(transparent)]
    CatchUp(#[from] CatchUpError),
    /// The views do not answer.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// What a process shares. Clones share it.
#[derive(Clone)]
pub struct App {
    /// Reading history.
    pub ledger: SharedLedger,
    /// Checkpoints and tiles, and rows that are not believed.
    pub proofs: SharedProofStore,
    /// The only way to add to it.
    pub writer: Writer,
    /// Data keys.
    pub keys: KeyRing,
    /// What is known.
    pub views: ViewStore,
    /// Keeps the views up to date.
    pub runner: Runner,
    /// Teams with their opened secrets.
    pub directory: Directory,
    /// Deliveries that wait for their answer.
    pub crowd: Crowd,
    /// The way to Stripe.
    pub stripe: StripeConnections,
    /// Licences as verifications need them, in memory.
    pub licenses: LicenseCache,
    /// What was seen and asked, which is neither history nor derivable.
    pub activity: Activity,
    /// Whether the keys store held keys of people who were forgotten: it was restored from a copy of before.
    pub restored: bool,
    /// The one clock.
    pub clock: SharedClock,
}

/// What a ledger is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be used: it must be whole.
    Use,
    /// To be audited: what is wrong with its head row is for the audit to tell.
    Audit,
}

struct Stores {
    ledger: SharedLedger,
    proofs: SharedProofStore,
    keys: SharedKeyVault,
    views: ViewStore,
    activity: Activity,
}

/// Half a ledger must not be taken for a whole one.
async fn refuse_half(ledger: &(impl Ledger + RestoreDoor), purpose: Purpose) -> Result<(), OpenAppError> {
    let audit = purpose == Purpose::Audit;
    let target = match ledger.restoring().await {
        Err(LedgerError::HeadLost | LedgerError::Corrupt { .. }) if audit => return Ok(()),
        restoring => restoring?,
    };
    let Some(target) = target else { return Ok(()) };
    match ledger.head().await {
        // No restore has more than it works towards: this mark is none of ours.
        Ok(head) if audit && head.position > target.position => Ok(()),
        Err(LedgerError::Frontier(_)) if audit => Ok(()),
        head => Err(LedgerError::Restoring { position: head?.position, target: target.position }.into()),
    }
}

/// A keys store without keys, beside a ledger in use, is not the one that the ledger had.
pub(crate) async fn refuse_without_keys(
    ledger: &(impl Ledger + ?Sized),
    keys: &(impl KeyVault + ?Sized),
) -> Result<(), OpenAppError> {
    // In this order: whoever appends first has told of a master key before.
    let events = match ledger.head().await {
        Ok(head) => head.position,
        // What is wrong with the row is for an audit to tell, which opens the ledger, too.
        Err(LedgerError::Frontier(_) | LedgerError::Corrupt { .. } | LedgerError::HeadLost) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if events > Position::START && !keys.is_in_use().await.map_err(MasterKeyError::from)? {
        return Err(OpenAppError::KeysLost { events });
    }
    Ok(())
}

impl App {
    /// Opens the database, bringing it up to date first. The Writer's task ends when the last clone is dropped.
    ///
    /// # Errors
    /// When folder, database or master key are not usable.
    pub async fn open(
        url: &DatabaseUrl,
        master: &MasterKeySource,
        clock: SharedClock,
    ) -> Result<(Self, JoinHandle<()>), OpenAppError> {
        Self::open_for(Purpose::Use, url, master, clock).await
    }

    /// As [`App::open`], for an audit: a head row that is gone, or marked as no restore marks it, is for the audit to tell.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_to_audit(
        url: &DatabaseUrl,
        master: &MasterKeySource,
        clock: SharedClock,
    ) -> Result<(Self, JoinHandle<()>), OpenAppError> {
        Self::open_for(Purpose::Audit, url, master, clock).await
    }

    async fn open_for(
        purpose: Purpose,
        url: &DatabaseUrl,
        master: &MasterKeySource,
        clock: SharedClock,
    ) -> Result<(Self, JoinHandle<()>), OpenAppError> {
        let stores = match url {
            DatabaseUrl::Sqlite(folder) => open_folder(folder, url, purpose).await?,
            DatabaseUrl::Postgres(address) => open_postgres(address.as_str(), url, purpose).await?,
        };
        refuse_without_keys(&*stores.ledger, &*stores.keys).await?;
        let keys = match master {
            MasterKeySource::Hex(text) => {
                let master = MasterKey::from_hex(text, MASTER_KEY_VARIABLE)?;
                KeyRing::open_with_key(master, MASTER_KEY_VARIABLE, stores.keys).await?
            }
            MasterKeySource::File(path) => KeyRing::open_with_file(path, stores.keys).await?,
        };
        let restored = forgetting::again(&keys, &stores.ledger).await? > 0;
        let licenses = LicenseCache::new(stores.ledger.clone());
        let observer = Arc::new(licenses.clone());
        let (writer, task) = Writer::start_observed(stores.ledger.clone(), keys.store(), clock.clone(), observer);
        let runner = Runner::new(stores.ledger.clone(), stores.views.clone(), clock.clone());
        let directory = Directory::new(stores.ledger.clone(), stores.views.clone(), runner.clone(), keys.clone());
        let Stores { ledger, proofs, views, activity, .. } = stores;
        let crowd = Crowd::default();
        let stripe = StripeConnections::default();
        let app = Self {
            ledger,
            proofs,
            writer,
            keys,
            views,
            runner,
            directory,
            crowd,
            stripe,
            licenses,
            activity,
            restored,
            clock,
        };
        Ok((app, task))
    }

    /// Waits until the named views (all, if none is named) have passed the ledger's present head, so that what
    /// they then deny is denied by the ledger.
    ///
    /// # Errors
    /// When a view is faulted, or not there within [`CATCH_UP_MAX`].
    pub async fn catch_up(&self, views: &[&str]) -> Result<Position, FreshError> {
        self.catch_up_within(views, CATCH_UP_MAX).await
    }

    /// The team as the ledger has it now: `None` means that there is none.
    ///
    /// # Errors
    /// As [`App::catch_up`], and when the views do not answer.
    pub async fn fresh_team(&self, id: TeamId) -> Result<Option<Arc<Team>>, FreshError> {
        self.catch_up(&[view::TEAMS, view::PRODUCTS]).await?;
        Ok(self.directory.team(id).await?)
    }

    /// As [`App::catch_up`], for commands: they may be the first to build the views. A view that stands still is not waited
    /// for: what needs it asks for it by its name.
    ///
    /// # Errors
    /// When a view is not there in time.
    pub async fn catch_up_patiently(&self) -> Result<Position, FreshError> {
        let mut names = view::ALL.to_vec();
        loop {
            match self.catch_up_within(&names, COMMAND_CATCH_UP_MAX).await {
                Err(FreshError::CatchUp(CatchUpError::Faulted { view, .. })) if names.len() > 1 => {
                    names.retain(|name| *name != view);
                }
                done => return done,
            }
        }
    }

    /// As [`App::catch_up`], with a bound of one's own.
    ///
    /// # Errors
    /// When a view is faulted, or not there in time.
    pub async fn catch_up_within(&self, views: &[&str], limit: Duration) -> Result<Position, FreshError> {
        let head = self.ledger.head().await?.position;
        self.runner.catch_up(head, views, limit).await?;
        Ok(head)
    }
}

/// Opens the ledger and its keys, and nothing that is computed from them, half restored or whole.
pub(crate) async fn open_archive(url: &DatabaseUrl) -> Result<Archive, OpenAppError> {
    match url {
        DatabaseUrl::Sqlite(folder) => {
            let (ledger, keys, _lock) = open_files(folder, url).await?;
            let ledger = Arc::new(ledger);
            Ok(Archive { ledger: ledger.clone(), door: ledger, keys: Arc::new(keys) })
        }
        DatabaseUrl::Postgres(address) => {
            let (ledger, keys, _) = open_schemas(address.as_str(), url).await?;
            let ledger = Arc::new(ledger);
            Ok(Archive { ledger: ledger.clone(), door: ledger, keys: Arc::new(keys) })
        }
    }
}

/// Opens ledger and keys of a folder under its start-up lock.
async fn open_files(folder: &Path, url: &DatabaseUrl) -> Result<(SqliteLedger, SqliteKeys, File), OpenAppError> {
    let at = |source| OpenAppError::Folder { folder: folder.display().to_string(), source };
    let database = |source: MigrationError| OpenAppError::Database { url: url.to_string(), source };
    make_private_folder(folder).map_err(at)?;
    let lock = folder.join("start.lock");
    let lock = open_private(&lock).map_err(at)?;
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let lock = lock.map_err(|error| at(std::io::Error::other(error)))?.map_err(at)?;
    let (ledger, keys) = (folder.join(LEDGER_FILE), folder.join(KEYS_FILE));
    // The ledger's file is made first.
    if keys.try_exists().map_err(at)? && !ledger.try_exists().map_err(at)? {
        return Err(OpenAppError::LedgerLost { folder: folder.display().to_string() });
    }
    let ledger = SqliteLedger::open(&ledger).await.map_err(database)?;
    if !keys.try_exists().map_err(at)? {
        // Nothing may be made where it is to be put back: a log of changes that is not its own would spoil it.
        let events = ledger.head().await?.position;
        if events > Position::START {
            return Err(OpenAppError::KeysLost { events });
        }
    }
    let keys = SqliteKeys::open(&keys).await.map_err(database)?;
    Ok((ledger, keys, lock))
}

/// Opens the files of a folder under its start-up lock, which the system releases even after a crash.
async fn open_folder(folder: &Path, url: &DatabaseUrl, purpose: Purpose) -> Result<Stores, OpenAppError> {
    let database = |source: MigrationError| OpenAppError::Database { url: url.to_string(), source };
    let (ledger, keys, lock) = open_files(folder, url).await?;
    refuse_half(&ledger, purpose).await?;
    let activity = activity::open_sqlite(&folder.join("activity.db")).await.map_err(database)?;
    let views = ViewStore::open_sqlite(folder).await?;
    drop(lock);
    let ledger = Arc::new(ledger);
    Ok(Stores { ledger: ledger.clone(), proofs: ledger, keys: Arc::new(keys), views, activity })
}

/// The folder holds keys: nobody else may look into it.
pub(crate) fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens ledger and keys of a database.
async fn open_schemas(
    address: &str,
    url: &DatabaseUrl,
) -> Result<(PostgresLedger, PostgresKeys, sqlx::PgPool), OpenAppError> {
    let database = |source: MigrationError| OpenAppError::Database { url: url.to_string(), source };
    let options = postgres_pool(POSTGRES_CONNECTIONS_MAX, "");
    let named = presence::connect_options(address).map_err(|error| database(error.into()))?;
    let pool = match options.connect_with(named).await {
        // It tried several times; what became of one try says more than that.
        Err(sqlx::Error::PoolTimedOut) => Err(unreachable(address).await),
        connected => connected,
    };
    let pool = pool.map_err(|error| database(error.into()))?;
    let ledger = PostgresLedger::open(&pool).await.map_err(database)?;
    let keys = PostgresKeys::open(pool.clone()).await.map_err(database)?;
    Ok((ledger, keys, pool))
}

/// Why a server cannot be reached, as far as that is told in time.
async fn unreachable(address: &str) -> sqlx::Error {
    match tokio::time::timeout(ACQUIRE_WAIT_MAX, PgConnection::connect(address)).await {
        Ok(Err(error)) => error,
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut,
    }
}

async fn open_postgres(address: &str, url: &DatabaseUrl, purpose: Purpose) -> Result<Stores, OpenAppError> {
    let database = |source: MigrationError| OpenAppError::Database { url: url.to_string(), source };
    let (ledger, keys, pool) = open_schemas(address, url).await?;
    refuse_half(&ledger, purpose).await?;
    let activity = activity::open_postgres(pool.clone()).await.map_err(database)?;
    let views = ViewStore::open_postgres(pool).await?;
    let ledger = Arc::new(ledger);
    Ok(Stores { ledger: ledger.clone(), proofs: ledger, keys: Arc::new(keys), views, activity })
}
