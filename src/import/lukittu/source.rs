//! Reading a Lukittu database: one connection, one transaction that sees one moment and cannot write.

use std::collections::{BTreeSet, HashMap};

use keyledger_events::event::metadata::MetadataEntry;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use super::error::ImportError;
use super::license_key::EncryptionKey;
use super::rows::{ApiKeyRow, BlacklistRow, CustomerRow, IntegrationRow, LicenseRow, ProductRow, SeenRow, TeamRow};
use crate::config::PostgresAddress;

/// Rows that are read at once.
const PAGE_ROWS: i64 = 250;
/// Licence keys that are tried before an encryption key is called wrong.
const KEYS_TRIED: i64 = 20;

/// Microseconds in place of a time that is none here.
const NO_TIME: i64 = i64::MAX;

/// The tables and columns that are read.
const COLUMNS: &[(&str, &[&str])] = &[
    ("Team", &["id", "name", "deletedAt", "createdAt"]),
    ("KeyPair", &["teamId", "publicKey", "privateKey"]),
    ("Settings", &["id", "teamId", "hwidTimeout", "ipTimeout", "strictCustomers", "strictProducts", "emailMessage"]),
    ("ReturnedFields", &["settingsId", "licenseHwidLimit", "licenseMetadataKeys", "customerEmail", "productName"]),
    ("Blacklist", &["id", "type", "value", "teamId", "createdAt"]),
    ("ApiKey", &["id", "key", "teamId", "expiresAt", "createdAt"]),
    ("StripeIntegration", &["id", "teamId", "webhookSecret", "apiKey", "active"]),
    ("PolymartIntegration", &["id", "teamId", "webhookSecret", "signingSecret", "active"]),
    ("Product", &["id", "name", "url", "teamId", "createdAt"]),
    ("Customer", &["id", "username", "email", "fullName", "teamId", "createdAt"]),
    ("Address", &["customerId", "city", "country", "line1", "line2", "postalCode", "state"]),
    (
        "License",
        &[
            "id",
            "licenseKey",
            "ipLimit",
            "hwidLimit",
            "expirationType",
            "expirationStart",
            "expirationDate",
            "expirationDays",
            "suspended",
            "teamId",
            "createdAt",
            "lastActiveAt",
        ],
    ),
    ("_LicenseToProduct", &["A", "B"]),
    ("_CustomerToLicense", &["A", "B"]),
    ("Metadata", &["id", "key", "value", "locked", "createdAt", "customerId", "licenseId", "productId"]),
    ("HardwareIdentifier", &["id", "hwid", "forgotten", "lastSeenAt", "licenseId"]),
    ("IpAddress", &["id", "ip", "forgotten", "lastSeenAt", "country", "licenseId"]),
];

/// A Lukittu database at one moment.
pub(super) struct Source {
    connection: PgConnection,
}

/// A time as microseconds since the Unix epoch; Lukittu stores UTC. What is infinite or beyond the year 9999 is a number
/// that no time has.
fn microseconds(column: &str, name: &str) -> String {
    format!(
        "CASE WHEN isfinite({column}) AND {column} < '10000-01-01' THEN (extract(epoch FROM {column}) * 1000000)::bigint \
         WHEN {column} IS NOT NULL THEN {NO_TIME} END AS \"{name}\""
    )
}

impl Source {
    pub(super) async fn open(address: &PostgresAddress) -> Result<Self, ImportError> {
        let mut connection = PgConnection::connect(address.as_str()).await?;
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok(Self { connection })
    }

    /// Names every table and column that is not there.
    pub(super) async fn check_schema(&mut self) -> Result<(), ImportError> {
        let rows = sqlx::query(
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = ANY(current_schemas(false)::text[])",
        );
        let rows = rows.fetch_all(&mut self.connection).await?;
        let there: BTreeSet<(String, String)> =
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?;
        let wanted = COLUMNS.iter().flat_map(|(table, columns)| columns.iter().map(move |column| (*table, *column)));
        let is_there = |(table, column): &(&str, &str)| there.contains(&((*table).to_owned(), (*column).to_owned()));
        let missing: Vec<_> =
            wanted.filter(|it| !is_there(it)).map(|(table, column)| format!("{table}.{column}")).collect();
        if missing.is_empty() { Ok(()) } else { Err(ImportError::Schema(missing)) }
    }

    /// Tries the key on some licence keys before anything is imported.
    pub(super) async fn check_key(&mut self, key: &EncryptionKey) -> Result<(), ImportError> {
        let sample = sqlx::query("SELECT \"licenseKey\" FROM \"License\" ORDER BY \"id\" LIMIT $1").bind(KEYS_TRIED);
        let rows = sample.fetch_all(&mut self.connection).await?;
        let stored: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        if !stored.is_empty() && stored.iter().all(|stored| key.open(stored).is_err()) {
            return Err(ImportError::WrongKey);
        }
        Ok(())
    }

    pub(super) async fn teams(&mut self) -> Result<Vec<TeamRow>, ImportError> {
        let sql = format!(
            "SELECT t.\"id\", t.\"name\", t.\"deletedAt\" IS NOT NULL AS \"deleted\", {created}, \
             k.\"publicKey\", k.\"privateKey\", s.\"emailMessage\", s.\"strictCustomers\", s.\"strictProducts\", \
             s.\"ipTimeout\", s.\"hwidTimeout\", r.\"settingsId\" IS NOT NULL AS \"hasFields\", \
             r.\"licenseIpLimit\", r.\"licenseHwidLimit\", r.\"licenseExpirationType\", r.\"licenseExpirationStart\", \
             r.\"licenseExpirationDate\", r.\"licenseExpirationDays\", r.\"licenseMetadataKeys\", r.\"customerEmail\", \
             r.\"customerFullName\", r.\"customerUsername\", r.\"customerMetadataKeys\", r.\"productName\", \
             r.\"productUrl\", r.\"productMetadataKeys\" \
             FROM \"Team\" t LEFT JOIN \"KeyPair\" k ON k.\"teamId\" = t.\"id\" \
             LEFT JOIN \"Settings\" s ON s.\"teamId\" = t.\"id\" \
             LEFT JOIN \"ReturnedFields\" r ON r.\"settingsId\" = s.\"id\" ORDER BY t.\"createdAt\", t.\"id\"",
            created = microseconds("t.\"createdAt\"", "createdAt"),
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await?;
        Ok(rows.iter().map(TeamRow::read).collect::<Result<_, _>>()?)
    }

    pub(super) async fn blacklist(&mut self, team: &str) -> Result<Vec<BlacklistRow>, ImportError> {
        let sql = format!(
            "SELECT \"id\", \"type\"::text AS \"kind\", \"value\", {} FROM \"Blacklist\" WHERE \"teamId\" = $1 \
             ORDER BY \"id\"",
            microseconds("\"createdAt\"", "createdAt"),
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(team).fetch_all(&mut self.connection).await?;
        Ok(rows.iter().map(BlacklistRow::read).collect::<Result<_, _>>()?)
    }

    pub(super) async fn api_keys(&mut self, team: &str) -> Result<Vec<ApiKeyRow>, ImportError> {
        let sql = format!(
            "SELECT \"id\", \"key\", {}, {} FROM \"ApiKey\" WHERE \"teamId\" = $1 ORDER BY \"id\"",
            microseconds("\"expiresAt\"", "expiresAt"),
            microseconds("\"createdAt\"", "createdAt"),
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(team).fetch_all(&mut self.connection).await?;
        Ok(rows.iter().map(ApiKeyRow::read).collect::<Result<_, _>>()?)
    }

    pub(super) async fn stripe(&mut self, team: &str) -> Result<Option<IntegrationRow>, ImportError> {
        self.integration("\"apiKey\" AS \"other\" FROM \"StripeIntegration\"", team).await
    }

    pub(super) async fn polymart(&mut self, team: &str) -> Result<Option<IntegrationRow>, ImportError> {
        self.integration("\"signingSecret\" AS \"other\" FROM \"PolymartIntegration\"", team).await
    }

    async fn integration(&mut self, from: &str, team: &str) -> Result<Option<IntegrationRow>, ImportError> {
        let sql = format!("SELECT \"id\", \"webhookSecret\", \"active\", {from} WHERE \"teamId\" = $1");
        let row = sqlx::query(AssertSqlSafe(sql)).bind(team).fetch_optional(&mut self.connection).await?;
        Ok(row.as_ref().map(IntegrationRow::read).transpose()?)
    }

    /// Products behind an id, in order of their ids.
    pub(super) async fn products(&mut self, team: &str, after: &str) -> Result<Vec<ProductRow>, ImportError> {
        let columns = format!("r.\"name\", r.\"url\", {}", microseconds("r.\"createdAt\"", "createdAt"));
        let rows = self.page(&columns, "\"Product\" r", team, after).await?;
        let mut found: Vec<ProductRow> = rows.iter().map(ProductRow::read).collect::<Result<_, _>>()?;
        let mut notes = self.notes("productId", found.iter().map(|row| row.id.clone()).collect()).await?;
        for row in &mut found {
            row.notes = notes.remove(&row.id).unwrap_or_default();
        }
        Ok(found)
    }

    /// Customers behind an id, in order of their ids.
    pub(super) async fn customers(&mut self, team: &str, after: &str) -> Result<Vec<CustomerRow>, ImportError> {
        let columns = format!(
            "r.\"username\", r.\"email\", r.\"fullName\", a.\"customerId\" IS NOT NULL AS \"hasAddress\", a.\"city\", \
             a.\"country\", a.\"line1\", a.\"line2\", a.\"postalCode\", a.\"state\", {}",
            microseconds("r.\"createdAt\"", "createdAt"),
        );
        let from = "\"Customer\" r LEFT JOIN \"Address\" a ON a.\"customerId\" = r.\"id\"";
        let rows = self.page(&columns, from, team, after).await?;
        let mut found: Vec<CustomerRow> = rows.iter().map(CustomerRow::read).collect::<Result<_, _>>()?;
        let mut notes = self.notes("customerId", found.iter().map(|row| row.id.clone()).collect()).await?;
        for row in &mut found {
            row.notes = notes.remove(&row.id).unwrap_or_default();
        }
        Ok(found)
    }

    /// Licences behind an id, in order of their ids, each with what hangs on it.
    pub(super) async fn licenses(&mut self, team: &str, after: &str) -> Result<Vec<LicenseRow>, ImportError> {
        let columns = format!(
            "r.\"licenseKey\", r.\"ipLimit\", r.\"hwidLimit\", r.\"expirationType\"::text AS \"expirationType\", \
             r.\"expirationStart\"::text AS \"expirationStart\", r.\"expirationDays\", r.\"suspended\", {}, {}, {}, \
             ARRAY(SELECT p.\"B\" FROM \"_LicenseToProduct\" p WHERE p.\"A\" = r.\"id\" ORDER BY p.\"B\") AS \"products\", \
             ARRAY(SELECT c.\"A\" FROM \"_CustomerToLicense\" c WHERE c.\"B\" = r.\"id\" ORDER BY c.\"A\") AS \"customers\"",
            microseconds("r.\"expirationDate\"", "expirationDate"),
            microseconds("r.\"lastActiveAt\"", "lastActiveAt"),
            microseconds("r.\"createdAt\"", "createdAt"),
        );
        let rows = self.page(&columns, "\"License\" r", team, after).await?;
        let mut found: Vec<LicenseRow> = rows.iter().map(LicenseRow::read).collect::<Result<_, _>>()?;
        let ids: Vec<String> = found.iter().map(|row| row.id.clone()).collect();
        let mut notes = self.notes("licenseId", ids.clone()).await?;
        let mut devices = self.seen("\"hwid\"", "NULL::text", "\"HardwareIdentifier\"", ids.clone()).await?;
        let mut addresses = self.seen("\"ip\"", "\"country\"", "\"IpAddress\"", ids).await?;
        for row in &mut found {
            row.notes = notes.remove(&row.id).unwrap_or_default();
            row.devices = devices.remove(&row.id).unwrap_or_default();
            row.addresses = addresses.remove(&row.id).unwrap_or_default();
        }
        Ok(found)
    }

    async fn page(&mut self, columns: &str, from: &str, team: &str, after: &str) -> Result<Vec<PgRow>, ImportError> {
        let sql = format!(
            "SELECT r.\"id\", {columns} FROM {from} WHERE r.\"teamId\" = $1 AND r.\"id\" > $2 ORDER BY r.\"id\" LIMIT $3"
        );
        let page = sqlx::query(AssertSqlSafe(sql)).bind(team).bind(after).bind(PAGE_ROWS);
        Ok(page.fetch_all(&mut self.connection).await?)
    }

    /// The notes on these things, by the thing's id.
    async fn notes(&mut self, of: &str, ids: Vec<String>) -> Result<HashMap<String, Vec<MetadataEntry>>, ImportError> {
        let sql = format!(
            "SELECT \"{of}\" AS \"of\", \"key\", \"value\", \"locked\" FROM \"Metadata\" WHERE \"{of}\" = ANY($1) \
             ORDER BY \"createdAt\", \"id\""
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(ids).fetch_all(&mut self.connection).await?;
        let mut found: HashMap<String, Vec<MetadataEntry>> = HashMap::new();
        for row in rows {
            let note = MetadataEntry {
                key: row.try_get("key")?,
                value: row.try_get("value")?,
                locked: row.try_get("locked")?,
            };
            found.entry(row.try_get("of")?).or_default().push(note);
        }
        Ok(found)
    }

    /// Who was seen with these licences, the latest first.
    async fn seen(
        &mut self,
        identifier: &str,
        country: &str,
        table: &str,
        ids: Vec<String>,
    ) -> Result<HashMap<String, Vec<SeenRow>>, ImportError> {
        let sql = format!(
            "SELECT \"licenseId\", \"id\", {identifier} AS \"identifier\", {country} AS \"country\", {} FROM {table} \
             WHERE \"licenseId\" = ANY($1) AND NOT \"forgotten\" ORDER BY {table}.\"lastSeenAt\" DESC, \"id\"",
            microseconds("\"lastSeenAt\"", "lastSeenAt"),
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(ids).fetch_all(&mut self.connection).await?;
        let mut found: HashMap<String, Vec<SeenRow>> = HashMap::new();
        for row in rows {
            found.entry(row.try_get("licenseId")?).or_default().push(SeenRow::read(&row)?);
        }
        Ok(found)
    }
}
