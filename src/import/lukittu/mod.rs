//! Importing a Lukittu database: teams with their key pairs and settings, products, customers, licences with their keys
//! and who uses them. Users and their passwords are not imported.
//!
//! The ids of events are derived from Lukittu's ids, and everything that is told of one row is one append: a row is
//! imported wholly or not at all, and an import that is run again imports only what is missing. Ids are kept where they
//! are UUIDs, which Lukittu's are, so client programs go on with the URLs and ids that they have.
//!
//! Facts about the schema come from Lukittu's public migrations; the licence keys in it are encrypted with AES-256-GCM
//! under the environment variable `ENCRYPTION_KEY` of the Lukittu server.

mod activity;
mod append;
mod countries;
mod customer;
mod error;
mod expiry;
mod ids;
mod integration;
mod key_pair;
mod license;
mod license_key;
mod product;
mod report;
mod rows;
mod sale;
mod seats;
mod source;
mod team;

pub use error::ImportError;
pub use license_key::EncryptionKey;
pub use report::{Counts, Problem, Progress, Report};

use std::collections::BTreeMap;

use keyledger_events::{StreamId, StreamKind, TeamId};
use keyledger_projections::view;

use crate::app::App;
use crate::config::PostgresAddress;
use source::Source;

/// What is written as who did it.
pub const ACTOR: &str = "import:lukittu";

/// What is imported.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only these teams, by Lukittu's ids; all when there are none.
    pub teams: Vec<String>,
    /// Teams whose things go to a team that is there already: Lukittu's id and ours.
    pub team_map: BTreeMap<String, TeamId>,
    /// Count and check, and append nothing.
    pub dry_run: bool,
}

/// Imports a Lukittu database.
///
/// # Errors
/// When one of the two databases does not answer, or it is no Lukittu database, or the encryption key is another one.
/// What is wrong with single rows is in the report.
pub async fn import(
    app: &App,
    from: &PostgresAddress,
    key: &EncryptionKey,
    options: &Options,
    mut progress: impl FnMut(Progress),
) -> Result<Report, ImportError> {
    let mut source = Source::open(from).await?;
    source.check_schema().await?;
    source.check_key(key).await?;
    let mut report = Report::new(options.dry_run);
    let mut teams = source.teams().await?;
    check_named(options, &teams)?;
    teams.retain(|team| !team.deleted && (options.teams.is_empty() || options.teams.contains(&team.id)));
    app.catch_up_patiently().await?;
    for team in &teams {
        let Some(scope) = team::import(app, &mut source, team, options, &mut report).await? else { continue };
        let mut step = Step { app, source: &mut source, scope: &scope, report: &mut report, progress: &mut progress };
        product::import(&mut step).await?;
        customer::import(&mut step).await?;
        // Who a customer is decides under which key their devices are sealed, and a key that is known opens what it opens.
        app.catch_up_patiently().await?;
        app.catch_up(&[view::CUSTOMERS, view::LICENSES, view::LICENSE_KEYS]).await?;
        license::import(&mut step, key).await?;
        integration::import(&mut step).await?;
        app.activity.flush().await?;
    }
    app.catch_up_patiently().await?;
    Ok(report)
}

/// A team that is named but not there is a slip of the pen.
fn check_named(options: &Options, teams: &[rows::TeamRow]) -> Result<(), ImportError> {
    let mut named = options.teams.iter().chain(options.team_map.keys());
    match named.find(|id| !teams.iter().any(|team| team.id == **id)) {
        Some(unknown) => Err(ImportError::NoTeam(unknown.clone())),
        None => Ok(()),
    }
}

/// The team that things are imported into.
pub(in crate::import) struct Scope {
    /// Lukittu's id.
    lukittu: String,
    /// Ours.
    team: TeamId,
    /// The team's data key.
    key: keyledger_events::sealed::DataKey,
    /// How long past the paid period a subscription's licence stays valid, in seconds.
    grace_seconds: u32,
    /// Minutes after which an address or a device that is not seen has no seat in Lukittu.
    ip_timeout_minutes: Option<u32>,
    hwid_timeout_minutes: Option<u32>,
    /// Whether it had things of its own before: keys and connections may be there already.
    shared: bool,
    dry_run: bool,
}

impl Scope {
    /// The stream of something of Lukittu's.
    fn stream(&self, kind: StreamKind, id: &str) -> StreamId {
        StreamId::new(kind, ids::of(self.team, kind, id))
    }
}

/// A part of an import: everything of one kind in one team.
pub(in crate::import) struct Step<'s> {
    app: &'s App,
    source: &'s mut Source,
    scope: &'s Scope,
    report: &'s mut Report,
    progress: &'s mut dyn FnMut(Progress),
}
