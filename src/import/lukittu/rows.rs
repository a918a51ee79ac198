//! Rows of a Lukittu database, as they are read.

use keyledger_events::Timestamp;
use keyledger_events::clock::from_microseconds;
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::event::team::ReturnedFields;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

/// A team with its settings and its key pair.
#[derive(Debug, Clone)]
pub(super) struct TeamRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) deleted: bool,
    pub(super) created_at: Timestamp,
    /// Public and private key, as PEM texts.
    pub(super) key_pair: Option<(String, String)>,
    pub(super) mail_message: Option<String>,
    pub(super) strict_customers: bool,
    pub(super) strict_products: bool,
    pub(super) ip_timeout_minutes: Option<u32>,
    pub(super) hwid_timeout_minutes: Option<u32>,
    pub(super) returned_fields: Option<ReturnedFields>,
}

/// A time of the query, in microseconds.
pub(super) fn time(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    let time = maybe_time(row, column)?.map_err(sqlx::Error::Protocol)?;
    time.ok_or_else(|| sqlx::Error::ColumnNotFound(column.to_owned()))
}

/// A time that may be absent, or say what is wrong with it.
type MaybeTime = Result<Option<Timestamp>, String>;

fn maybe_time(row: &PgRow, column: &str) -> Result<MaybeTime, sqlx::Error> {
    let microseconds: Option<i64> = row.try_get(column)?;
    let bad = || format!("{column} is infinite or beyond the year 9999");
    Ok(microseconds.map(|at| from_microseconds(at).ok_or_else(bad)).transpose())
}

/// A number of minutes; `None` for what is none.
fn minutes(row: &PgRow, column: &str) -> Result<Option<u32>, sqlx::Error> {
    let minutes: Option<i32> = row.try_get(column)?;
    Ok(minutes.and_then(|minutes| u32::try_from(minutes).ok()))
}

impl TeamRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let (public, private): (Option<String>, Option<String>) =
            (row.try_get("publicKey")?, row.try_get("privateKey")?);
        let flag = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<bool>, _>(name)?.unwrap_or(false));
        let names = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<Option<Vec<String>>, _>(name)?.unwrap_or_default());
        let has_fields: bool = row.try_get("hasFields")?;
        let returned_fields = has_fields
            .then(|| {
                Ok::<_, sqlx::Error>(ReturnedFields {
                    license_ip_limit: flag("licenseIpLimit")?,
                    license_hwid_limit: flag("licenseHwidLimit")?,
                    license_expiration_type: flag("licenseExpirationType")?,
                    license_expiration_start: flag("licenseExpirationStart")?,
                    license_expiration_date: flag("licenseExpirationDate")?,
                    license_expiration_days: flag("licenseExpirationDays")?,
                    license_metadata_keys: names("licenseMetadataKeys")?,
                    customer_email: flag("customerEmail")?,
                    customer_full_name: flag("customerFullName")?,
                    customer_username: flag("customerUsername")?,
                    customer_metadata_keys: names("customerMetadataKeys")?,
                    product_name: flag("productName")?,
                    product_url: flag("productUrl")?,
                    product_metadata_keys: names("productMetadataKeys")?,
                })
            })
            .transpose()?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            deleted: row.try_get("deleted")?,
            created_at: time(row, "createdAt")?,
            key_pair: public.zip(private),
            mail_message: row.try_get("emailMessage")?,
            strict_customers: flag("strictCustomers")?,
            strict_products: flag("strictProducts")?,
            ip_timeout_minutes: minutes(row, "ipTimeout")?,
            hwid_timeout_minutes: minutes(row, "hwidTimeout")?,
            returned_fields,
        })
    }
}

/// An entry of a team's blacklist.
#[derive(Debug, Clone)]
pub(super) struct BlacklistRow {
    pub(super) id: String,
    /// IP_ADDRESS, HARDWARE_IDENTIFIER or COUNTRY.
    pub(super) kind: String,
    pub(super) value: String,
    pub(super) created_at: Timestamp,
}

impl BlacklistRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let created_at = time(row, "createdAt")?;
        Ok(Self { id: row.try_get("id")?, kind: row.try_get("kind")?, value: row.try_get("value")?, created_at })
    }
}

/// An API key of a team.
#[derive(Debug, Clone)]
pub(super) struct ApiKeyRow {
    pub(super) id: String,
    /// Hex of the key's SHA-256.
    pub(super) sha256: String,
    pub(super) expires_at: MaybeTime,
    pub(super) created_at: Timestamp,
}

impl ApiKeyRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let (expires_at, created_at) = (maybe_time(row, "expiresAt")?, time(row, "createdAt")?);
        Ok(Self { id: row.try_get("id")?, sha256: row.try_get("key")?, expires_at, created_at })
    }
}

/// A product.
#[derive(Debug, Clone)]
pub(super) struct ProductRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) url: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) notes: Vec<MetadataEntry>,
}

impl ProductRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let (created_at, notes) = (time(row, "createdAt")?, Vec::new());
        Ok(Self { id: row.try_get("id")?, name: row.try_get("name")?, url: row.try_get("url")?, created_at, notes })
    }
}

/// A customer with their address.
#[derive(Debug, Clone)]
pub(super) struct CustomerRow {
    pub(super) id: String,
    pub(super) username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) full_name: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) address: Option<crate::admin::customers::Address>,
    pub(super) notes: Vec<MetadataEntry>,
}

impl CustomerRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let has_address: bool = row.try_get("hasAddress")?;
        let address = crate::admin::customers::Address {
            street: None,
            line1: row.try_get("line1")?,
            line2: row.try_get("line2")?,
            city: row.try_get("city")?,
            state: row.try_get("state")?,
            country: row.try_get("country")?,
            postal_code: row.try_get("postalCode")?,
        };
        Ok(Self {
            id: row.try_get("id")?,
            username: row.try_get("username")?,
            email: row.try_get("email")?,
            full_name: row.try_get("fullName")?,
            created_at: time(row, "createdAt")?,
            address: Some(address).filter(|_| has_address),
            notes: Vec::new(),
        })
    }
}

/// A licence with what hangs on it.
#[derive(Debug, Clone)]
pub(super) struct LicenseRow {
    pub(super) id: String,
    /// Encrypted.
    pub(super) license_key: String,
    pub(super) ip_limit: Option<i32>,
    pub(super) hwid_limit: Option<i32>,
    pub(super) expiration_type: String,
    pub(super) expiration_start: String,
    pub(super) expiration_date: MaybeTime,
    pub(super) expiration_days: Option<i32>,
    pub(super) suspended: bool,
    pub(super) last_active_at: Timestamp,
    pub(super) created_at: Timestamp,
    pub(super) products: Vec<String>,
    pub(super) customers: Vec<String>,
    pub(super) notes: Vec<MetadataEntry>,
    pub(super) devices: Vec<SeenRow>,
    pub(super) addresses: Vec<SeenRow>,
}

impl LicenseRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            license_key: row.try_get("licenseKey")?,
            ip_limit: row.try_get("ipLimit")?,
            hwid_limit: row.try_get("hwidLimit")?,
            expiration_type: row.try_get("expirationType")?,
            expiration_start: row.try_get("expirationStart")?,
            expiration_date: maybe_time(row, "expirationDate")?,
            expiration_days: row.try_get("expirationDays")?,
            suspended: row.try_get("suspended")?,
            last_active_at: time(row, "lastActiveAt")?,
            created_at: time(row, "createdAt")?,
            products: row.try_get("products")?,
            customers: row.try_get("customers")?,
            notes: Vec::new(),
            devices: Vec::new(),
            addresses: Vec::new(),
        })
    }
}

/// A device or an address that was seen with a licence, and was not forgotten since.
#[derive(Debug, Clone)]
pub(super) struct SeenRow {
    pub(super) id: String,
    pub(super) identifier: String,
    pub(super) country: Option<String>,
    pub(super) last_seen: Timestamp,
}

impl SeenRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let last_seen = time(row, "lastSeenAt")?;
        let (identifier, country) = (row.try_get("identifier")?, row.try_get("country")?);
        Ok(Self { id: row.try_get("id")?, identifier, country, last_seen })
    }
}

/// A connection to a provider.
#[derive(Debug, Clone)]
pub(super) struct IntegrationRow {
    pub(super) id: String,
    pub(super) webhook_secret: String,
    /// Stripe's API key, or Polymart's signing secret.
    pub(super) other_secret: String,
    pub(super) active: bool,
}

impl IntegrationRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let (id, active) = (row.try_get("id")?, row.try_get("active")?);
        Ok(Self { id, active, webhook_secret: row.try_get("webhookSecret")?, other_secret: row.try_get("other")? })
    }
}
