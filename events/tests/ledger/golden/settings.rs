//! Teams, products, integrations, customers.

use keyledger_events::Event;
use keyledger_events::event::customer::{CustomerForgotten, CustomerRegistered, CustomerRemoved, CustomerUpdated};
use keyledger_events::event::inbox::{Origin, Provider};
use keyledger_events::event::integration::{
    IntegrationDisabled, IntegrationEnabled, IntegrationUpdated, SecretAdded, SecretKind, SecretRetired,
};
use keyledger_events::event::metadata::MetadataEntry;
use keyledger_events::event::product::{ProductRegistered, ProductRemoved, ProductUpdated};
use keyledger_events::event::team::{
    ApiKeyCreated, ApiKeyRevoked, ApiKeyScope, BlacklistEntryAdded, BlacklistEntryRemoved, BlacklistKind,
    RemindersUpdated, ReturnedFields, SigningKeyRotated, TeamContactUpdated, TeamRegistered, TeamUpdated,
    VerificationSettingsUpdated,
};

use super::{sealed, time, uuid};
use crate::support::TestResult;

pub(super) fn samples() -> TestResult<Vec<Event>> {
    Ok([sellers()?, verification()?, described()?].concat())
}

fn verification() -> TestResult<Vec<Event>> {
    Ok(vec![
        ApiKeyRevoked { key_id: uuid(20) }.into(),
        SigningKeyRotated {
            public_key: "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0K".to_owned(),
            private_key: sealed(uuid(1))?,
        }
        .into(),
        VerificationSettingsUpdated {
            strict_customers: Some(true),
            strict_products: Some(false),
            ip_timeout_minutes: Some(1_440),
            hwid_timeout_minutes: Some(0),
            returned_fields: Some(ReturnedFields {
                license_expiration_date: true,
                license_metadata_keys: vec!["tier".to_owned()],
                ..ReturnedFields::default()
            }),
        }
        .into(),
        BlacklistEntryAdded { entry_id: uuid(23), kind: BlacklistKind::Address, value: sealed(uuid(1))? }.into(),
        BlacklistEntryRemoved { entry_id: uuid(23) }.into(),
        TeamContactUpdated { email: Some(sealed(uuid(24))?) }.into(),
        RemindersUpdated { days: Some(14), mail: Some(false) }.into(),
    ])
}

fn described() -> TestResult<Vec<Event>> {
    let note = MetadataEntry { key: "sku".to_owned(), value: "AGP-1".to_owned(), locked: true };
    Ok(vec![
        ProductUpdated {
            name: Some("Anti-Grief Ultra".to_owned()),
            url: Some("https://example.com/anti-grief".to_owned()),
            metadata: Some(vec![note]),
        }
        .into(),
        ProductRemoved {}.into(),
        CustomerUpdated {
            email_lookup: Some("fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13".to_owned()),
            email: Some(sealed(uuid(30))?),
            name: Some(sealed(uuid(30))?),
            username: Some(sealed(uuid(30))?),
            address: Some(sealed(uuid(30))?),
            metadata: Some(sealed(uuid(30))?),
        }
        .into(),
        CustomerRemoved {}.into(),
        CustomerForgotten { key_ids: vec![uuid(30), uuid(31)] }.into(),
    ])
}

fn sellers() -> TestResult<Vec<Event>> {
    let team = uuid(1);
    Ok(vec![
        TeamRegistered {
            name: "Blockworks GmbH".to_owned(),
            public_key: "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0K".to_owned(),
            private_key: sealed(team)?,
        }
        .into(),
        TeamUpdated {
            name: Some("Blockworks".to_owned()),
            mail_message: Some("Questions? Write to support@example.com.".to_owned()),
            mail_image_url: Some("https://example.com/head.png".to_owned()),
            renewal_grace_seconds: Some(10_800),
        }
        .into(),
        ApiKeyCreated {
            key_id: uuid(20),
            name: Some("the accountant's".to_owned()),
            scope: ApiKeyScope::Auditor,
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            expires_at: Some(time("2027-01-01T00:00:00Z")?),
        }
        .into(),
        ProductRegistered { name: "Anti-Grief Pro".to_owned() }.into(),
        IntegrationEnabled { provider: Provider::Stripe }.into(),
        IntegrationDisabled { provider: Provider::Polymart }.into(),
        IntegrationUpdated { provider: Provider::Stripe, api_base: Some("http://127.0.0.1:12111".to_owned()) }.into(),
        SecretAdded {
            provider: Provider::Stripe,
            secret_id: uuid(21),
            kind: SecretKind::ApiKey,
            livemode: Some(true),
            hint: "4eC39H".to_owned(),
            fingerprint: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".to_owned(),
            value: sealed(team)?,
        }
        .into(),
        SecretRetired { provider: Provider::Polymart, secret_id: uuid(22) }.into(),
        CustomerRegistered {
            provider: Origin::Stripe,
            provider_customer: Some("cus_QXg1o8vcGmoR32".to_owned()),
            email_lookup: Some("fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13".to_owned()),
            email: Some(sealed(uuid(30))?),
            name: Some(sealed(uuid(30))?),
        }
        .into(),
    ])
}
