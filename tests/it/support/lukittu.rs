//! A Lukittu database: the tables and columns that its public migrations lead to, as far as they matter, and rows in
//! them as a Lukittu server writes them.

use aes_gcm::AesGcm;
use aes_gcm::aead::array::Array;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::aes::Aes256;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::postgres::TestDatabase;
use super::{Error, TestResult};

/// ENCRYPTION_KEY of the server.
pub(crate) const ENCRYPTION_KEY: &str = "an-encryption-key-of-32-letters!";

const SCHEMA: &str = r#"
CREATE TYPE "LicenseExpirationType" AS ENUM ('NEVER', 'DATE', 'DURATION');
CREATE TYPE "LicenseExpirationStart" AS ENUM ('ACTIVATION', 'CREATION');
CREATE TYPE "BlacklistType" AS ENUM ('HARDWARE_IDENTIFIER', 'IP_ADDRESS', 'COUNTRY');
CREATE TABLE "Team" ("id" text PRIMARY KEY, "name" text NOT NULL, "ownerId" text NOT NULL DEFAULT 'owner',
    "deletedAt" timestamp(3), "createdAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "KeyPair" ("id" text PRIMARY KEY, "publicKey" text NOT NULL, "privateKey" text NOT NULL,
    "teamId" text NOT NULL UNIQUE REFERENCES "Team", "createdAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "Settings" ("id" text PRIMARY KEY, "teamId" text NOT NULL UNIQUE REFERENCES "Team",
    "hwidTimeout" integer, "ipTimeout" integer, "strictCustomers" boolean NOT NULL DEFAULT false,
    "strictProducts" boolean NOT NULL DEFAULT false, "strictReleases" boolean NOT NULL DEFAULT false,
    "emailMessage" text);
CREATE TABLE "ReturnedFields" ("id" text PRIMARY KEY, "settingsId" text NOT NULL UNIQUE REFERENCES "Settings",
    "licenseIpLimit" boolean NOT NULL DEFAULT false, "licenseHwidLimit" boolean NOT NULL DEFAULT false,
    "licenseExpirationType" boolean NOT NULL DEFAULT false, "licenseExpirationStart" boolean NOT NULL DEFAULT false,
    "licenseExpirationDate" boolean NOT NULL DEFAULT false, "licenseExpirationDays" boolean NOT NULL DEFAULT false,
    "licenseMetadataKeys" text[], "customerEmail" boolean NOT NULL DEFAULT false,
    "customerFullName" boolean NOT NULL DEFAULT false, "customerUsername" boolean NOT NULL DEFAULT false,
    "customerMetadataKeys" text[], "productName" boolean NOT NULL DEFAULT false,
    "productUrl" boolean NOT NULL DEFAULT false, "productLatestRelease" boolean NOT NULL DEFAULT false,
    "productMetadataKeys" text[]);
CREATE TABLE "Blacklist" ("id" text PRIMARY KEY, "type" "BlacklistType" NOT NULL, "value" text NOT NULL,
    "hits" integer NOT NULL DEFAULT 0, "teamId" text NOT NULL REFERENCES "Team",
    "createdAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "ApiKey" ("id" text PRIMARY KEY, "key" text NOT NULL UNIQUE, "teamId" text NOT NULL REFERENCES "Team",
    "expiresAt" timestamp(3), "lastSeenAt" timestamp(3), "createdAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "StripeIntegration" ("id" text PRIMARY KEY, "teamId" text NOT NULL UNIQUE REFERENCES "Team",
    "webhookSecret" text NOT NULL, "apiKey" text NOT NULL, "active" boolean NOT NULL DEFAULT true);
CREATE TABLE "PolymartIntegration" ("id" text PRIMARY KEY, "teamId" text NOT NULL UNIQUE REFERENCES "Team",
    "webhookSecret" text NOT NULL, "signingSecret" text NOT NULL, "active" boolean NOT NULL DEFAULT true);
CREATE TABLE "Product" ("id" text PRIMARY KEY, "name" text NOT NULL, "url" text,
    "teamId" text NOT NULL REFERENCES "Team", "createdAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "Customer" ("id" text PRIMARY KEY, "username" text, "email" text, "fullName" text,
    "teamId" text NOT NULL REFERENCES "Team", "createdAt" timestamp(3) NOT NULL DEFAULT now());
CREATE TABLE "Address" ("id" text PRIMARY KEY, "city" text, "country" text, "line1" text, "line2" text,
    "postalCode" text, "state" text, "customerId" text NOT NULL UNIQUE REFERENCES "Customer");
CREATE TABLE "License" ("id" text PRIMARY KEY, "licenseKey" text NOT NULL, "licenseKeyLookup" text NOT NULL,
    "ipLimit" integer, "hwidLimit" integer, "expirationType" "LicenseExpirationType" NOT NULL DEFAULT 'NEVER',
    "expirationStart" "LicenseExpirationStart" NOT NULL DEFAULT 'CREATION', "expirationDate" timestamp(3),
    "expirationDays" integer, "suspended" boolean NOT NULL DEFAULT false, "teamId" text NOT NULL REFERENCES "Team",
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), "lastActiveAt" timestamp(3) NOT NULL DEFAULT now(),
    UNIQUE ("teamId", "licenseKeyLookup"));
CREATE TABLE "_LicenseToProduct" ("A" text NOT NULL REFERENCES "License", "B" text NOT NULL REFERENCES "Product",
    PRIMARY KEY ("A", "B"));
CREATE TABLE "_CustomerToLicense" ("A" text NOT NULL REFERENCES "Customer", "B" text NOT NULL REFERENCES "License",
    PRIMARY KEY ("A", "B"));
CREATE TABLE "Metadata" ("id" text PRIMARY KEY, "key" text NOT NULL, "value" text NOT NULL,
    "locked" boolean NOT NULL DEFAULT false, "teamId" text NOT NULL REFERENCES "Team",
    "createdAt" timestamp(3) NOT NULL DEFAULT now(), "customerId" text, "licenseId" text, "productId" text,
    "releaseId" text, "blacklistId" text);
CREATE TABLE "HardwareIdentifier" ("id" text PRIMARY KEY, "hwid" text NOT NULL,
    "forgotten" boolean NOT NULL DEFAULT false, "lastSeenAt" timestamp(3) NOT NULL DEFAULT now(),
    "licenseId" text NOT NULL REFERENCES "License", "teamId" text NOT NULL REFERENCES "Team");
CREATE TABLE "IpAddress" ("id" text PRIMARY KEY, "ip" text NOT NULL, "forgotten" boolean NOT NULL DEFAULT false,
    "lastSeenAt" timestamp(3) NOT NULL DEFAULT now(), "country" text, "licenseId" text NOT NULL REFERENCES "License",
    "teamId" text NOT NULL REFERENCES "Team");
"#;

/// A Lukittu database with one team.
pub(crate) struct Lukittu {
    database: TestDatabase,
    connection: PgConnection,
    pub(crate) team: String,
    pub(crate) product: String,
    pub(crate) customer: String,
    /// Base64 of the PEM, as client programs hold it.
    pub(crate) public_key: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// As the server encrypts a licence key.
fn encrypted(key: &str) -> Result<String, Error> {
    let iv: [u8; 16] = rand::random();
    let cipher = AesGcm::<Aes256, U16>::new_from_slice(ENCRYPTION_KEY.as_bytes()).map_err(|_| "no key of 32 bytes")?;
    let mut text = key.as_bytes().to_vec();
    let sealing = cipher.encrypt_inout_detached(&Array::from(iv), &[], text.as_mut_slice().into());
    let tag = sealing.map_err(|_| "not encrypted")?;
    Ok(format!("{}:{}:{}", hex::encode(iv), hex::encode(text), hex::encode(tag)))
}

/// A licence key that no other has.
fn key() -> String {
    let text = Uuid::new_v4().simple().to_string().to_uppercase();
    (0..5).map(|group| &text[group * 5..group * 5 + 5]).collect::<Vec<_>>().join("-")
}

impl Lukittu {
    pub(crate) async fn start() -> Result<Self, Error> {
        let database = TestDatabase::create().await?;
        let mut connection = PgConnection::connect(database.url()).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
        let id = || Uuid::new_v4().to_string();
        let (team, product, customer) = (id(), id(), id());
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| "no key pair")?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| "no private key")?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| "no public key")?;
        let (public, private) = (pem("PUBLIC KEY", public.as_ref()), pem("PRIVATE KEY", private.as_ref()));
        let public_key = BASE64.encode(&public);
        let mut all = Self { database, connection, team, product, customer, public_key };
        let Self { team, product, customer, .. } = &all;
        let rows = format!(
            r#"INSERT INTO "Team" ("id", "name", "createdAt") VALUES ('{team}', 'Example Software', '2025-01-02 03:04:05.678');
            INSERT INTO "KeyPair" ("id", "publicKey", "privateKey", "teamId") VALUES ('kp', '{public}', '{private}', '{team}');
            INSERT INTO "Product" ("id", "name", "url", "teamId") VALUES ('{product}', 'Plugin', 'https://example.com', '{team}');
            INSERT INTO "Customer" ("id", "email", "fullName", "username", "teamId")
                VALUES ('{customer}', 'Ada@Example.com', 'Ada Buyer', 'ada', '{team}');
            INSERT INTO "Address" ("id", "city", "country", "customerId") VALUES ('ad', 'Espoo', 'FIN', '{customer}');
            INSERT INTO "Metadata" ("id", "key", "value", "teamId", "customerId") VALUES ('m1', 'tier', 'gold', '{team}', '{customer}');
            INSERT INTO "Metadata" ("id", "key", "value", "teamId", "productId") VALUES ('m2', 'engine', 'v2', '{team}', '{product}');"#
        );
        all.run(rows).await?;
        Ok(all)
    }

    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    /// Changes the database.
    pub(crate) async fn run(&mut self, sql: impl Into<String>) -> TestResult {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.connection).await?;
        Ok(())
    }

    /// A licence of the customer for the product: its id and its key. `columns` and `values` say more of it.
    pub(crate) async fn license(&mut self, columns: &str, values: &str) -> Result<(String, String), Error> {
        let (id, key) = (Uuid::new_v4().to_string(), key());
        let (comma, stored) = (if columns.is_empty() { "" } else { ", " }, encrypted(&key)?);
        let Self { team, product, customer, .. } = &self;
        let rows = format!(
            r#"INSERT INTO "License" ("id", "licenseKey", "licenseKeyLookup", "teamId"{comma}{columns})
                VALUES ('{id}', '{stored}', '{id}', '{team}'{comma}{values});
            INSERT INTO "_LicenseToProduct" VALUES ('{id}', '{product}');
            INSERT INTO "_CustomerToLicense" VALUES ('{customer}', '{id}');"#
        );
        self.run(rows).await?;
        Ok((id, key))
    }

    /// A note on a licence.
    pub(crate) async fn note(&mut self, license: &str, key: &str, value: &str) -> TestResult {
        let (id, team) = (Uuid::new_v4(), &self.team);
        self.run(format!(
            r#"INSERT INTO "Metadata" ("id", "key", "value", "locked", "teamId", "licenseId")
                VALUES ('{id}', '{key}', '{value}', true, '{team}', '{license}')"#
        ))
        .await
    }

    /// A device that was seen with a licence; `more` says when, or that it was forgotten.
    pub(crate) async fn device(&mut self, license: &str, device: &str, columns: &str, values: &str) -> TestResult {
        let (id, team) = (Uuid::new_v4(), &self.team);
        let comma = if columns.is_empty() { "" } else { ", " };
        self.run(format!(
            r#"INSERT INTO "HardwareIdentifier" ("id", "hwid", "licenseId", "teamId"{comma}{columns})
                VALUES ('{id}', '{device}', '{license}', '{team}'{comma}{values})"#
        ))
        .await
    }
}
