//! Teams: settings, provider connections and API keys, one document a team.

mod config;
mod projection;
mod query;

pub use config::{
    ApiKey, BlacklistEntry, EarlierKey, Integration, REMINDER_DAYS, RENEWAL_GRACE_SECONDS, Reminders, Secret,
    TeamConfig, VerificationSettings,
};
pub use projection::TeamsFold;
