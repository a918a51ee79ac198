//! Teams: settings, provider connections and API keys, one document a team.

mod config;
mod projection;
mod query;

pub use config::{ApiKey, Integration, RENEWAL_GRACE_SECONDS, Secret, TeamConfig};
pub use projection::TeamsFold;
