//! Where things are: the database, the master key.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

/// The variable that holds the master key itself. There is no option for it: arguments are for all to see.
pub const MASTER_KEY_VARIABLE: &str = "KEYLEDGER_MASTER_KEY";

/// Where the ledger lives: `sqlite:<folder>` or `postgres://…`.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// Files in a folder.
    Sqlite(PathBuf),
    /// A PostgreSQL database; the address holds its password.
    Postgres(PostgresAddress),
}

/// A PostgreSQL address, which does not print its password.
#[derive(Debug, Clone)]
pub struct PostgresAddress(SecretString);

impl PostgresAddress {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A text that names no database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no database: expected sqlite:<folder> or postgres://user:password@host/database")]
pub struct DatabaseUrlError(String);

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(folder) = text.strip_prefix("sqlite:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            // What follows a question mark is meant for a driver, and is no part of a folder's name.
            return if folder.is_empty() || folder.contains('?') {
                Err(DatabaseUrlError(text.to_owned()))
            } else {
                Ok(Self::Sqlite(PathBuf::from(folder)))
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(PostgresAddress(SecretString::from(text.to_owned()))));
        }
        // A password may stand in what was meant to be an address: show the scheme only.
        Err(DatabaseUrlError(text.split_once(':').map_or(text, |(scheme, _)| scheme).to_owned()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            Self::Postgres(address) => {
                let rest = address
                    .as_str()
                    .rsplit_once('@')
                    .map_or_else(|| address.as_str().split_once("://").map_or("", |(_, rest)| rest), |(_, rest)| rest);
                write!(f, "postgres://{rest}")
            }
        }
    }
}

impl DatabaseUrl {
    /// The folder for files that belong to the database but are not in it: the master key and mails.
    pub fn folder(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.clone(),
            Self::Postgres(_) => PathBuf::from("data"),
        }
    }
}

/// Where the master key comes from.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// Given as 64 hexadecimal digits.
    Hex(HexKey),
    /// A file, made on the first start.
    File(PathBuf),
}

/// A key's text, which does not print itself.
#[derive(Clone)]
pub struct HexKey(SecretString);

impl HexKey {
    /// Keeps the text.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

impl std::ops::Deref for HexKey {
    type Target = str;
    fn deref(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for HexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_addresses_are_read_and_never_show_passwords() -> Result<(), DatabaseUrlError> {
        assert_eq!("sqlite:./data".parse::<DatabaseUrl>()?.to_string(), "sqlite:./data");
        assert_eq!("sqlite:///var/lib/x".parse::<DatabaseUrl>()?.to_string(), "sqlite:/var/lib/x");
        let postgres: DatabaseUrl = "postgres://me:hunter2@db:5432/ledger".parse()?;
        assert_eq!(postgres.to_string(), "postgres://db:5432/ledger");
        assert!(!format!("{postgres:?}").contains("hunter2"));
        let error = "mysql://me:hunter2@db/x".parse::<DatabaseUrl>().map(|_| ());
        assert!(error.is_err_and(|error| !error.to_string().contains("hunter2")));
        assert!("sqlite:".parse::<DatabaseUrl>().is_err());
        assert!("sqlite:data?mode=ro".parse::<DatabaseUrl>().is_err());
        Ok(())
    }
}
