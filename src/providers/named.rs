//! Whom a delivery names, whatever it is about: its data key goes when one of them is forgotten.

use std::collections::BTreeSet;
use std::fmt;

use keyledger_events::TeamId;
use keyledger_events::event::inbox::Provider;
use keyledger_events::keys::KeyRing;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use super::person;

/// People of one delivery at most. A body has room for more only where it is no delivery of a sale.
const NAMED_MAX: usize = 1_000;
/// The longest mail address, in bytes (RFC 5321 section 4.5.3.1, with the separator).
const ADDRESS_BYTES_MAX: usize = 320;
/// What Stripe's ids of customers begin with.
const STRIPE_CUSTOMER: &str = "cus_";

/// The customers, known here or not, whom a body names by a mail address or by Stripe's id of them. Every text of it is
/// looked at, because providers put addresses in many places.
pub(super) fn named(keys: &KeyRing, team: TeamId, body: &[u8]) -> Vec<Uuid> {
    let names = names(body);
    let ids = names.iter().filter_map(|name| match name.contains('@') {
        true => person::of_email(keys, team, name),
        false => Some(person::of_provider(team, Provider::Stripe.as_str(), name)),
    });
    ids.collect()
}

fn names(body: &[u8]) -> BTreeSet<String> {
    match std::str::from_utf8(body) {
        Ok(plain) if !plain.contains('\\') => of_plain(plain),
        _ => of_escaped(body),
    }
}

/// Where nothing is escaped every quote begins or ends a text, and what lies between texts names nobody.
fn of_plain(body: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    body.split('"').for_each(|text| look(text, &mut names));
    names
}

fn of_escaped(body: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    if Texts(&mut |text: &str| look(text, &mut names)).deserialize(&mut reader).is_err() {
        // Not JSON to its end: it was signed and is kept all the same.
        look(&String::from_utf8_lossy(body), &mut names);
    }
    names
}

/// Notes the names in a text: the text itself, and what looks like an address within it.
fn look(text: &str, names: &mut BTreeSet<String>) {
    let mut note = |name: &str| {
        if names.len() < NAMED_MAX {
            names.insert(name.to_owned());
        }
    };
    let whole = text.trim();
    if whole.starts_with(STRIPE_CUSTOMER) && whole.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return note(whole);
    }
    if !text.contains('@') {
        return;
    }
    if whole.len() <= ADDRESS_BYTES_MAX {
        note(&whole.to_lowercase());
    }
    let around = |c: char| c.is_whitespace() || c.is_control() || "<>()[]{},;:\"'\\/|`".contains(c);
    for word in text.split(around) {
        let word = word.trim_matches('.');
        let sides = word.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if sides.is_some() && word.len() <= ADDRESS_BYTES_MAX {
            note(&word.to_lowercase());
        }
    }
}

/// Shows every text of a document, keys of objects too, without keeping the document.
struct Texts<'f, F>(&'f mut F);

impl<'de, F: FnMut(&str)> DeserializeSeed<'de> for Texts<'_, F> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(&str)> Visitor<'de> for Texts<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.0)(text);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Texts(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(Texts(self.0))?.is_some() {
            map.next_value_seed(Texts(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{Home, TestResult, stories};

    stories!(an_address_that_begins_like_an_id_is_an_address);

    async fn an_address_that_begins_like_an_id_is_an_address(home: Home) -> TestResult {
        let (keys, team) = (&home.app.keys, home.team);
        let ids = |body: &str| named(keys, team, body.as_bytes());
        let by_address = person::of_email(keys, team, "cus_ada@example.com").ok_or("no id")?;
        assert_eq!(ids(r#"{"email":"cus_ada@example.com"}"#), [by_address]);
        assert_eq!(ids(r#"{"customer":"cus_1"}"#), [person::of_provider(team, "stripe", "cus_1")]);
        Ok(())
    }

    fn check(body: &str) -> Vec<String> {
        names(body.as_bytes()).into_iter().collect()
    }

    fn document() -> impl Strategy<Value = serde_json::Value> {
        let text = || "(cus_)?[a-c1@., <>:{}\\[\\]é×-]{0,12}";
        let leaf = prop_oneof![text().prop_map_into(), any::<i32>().prop_map_into(), any::<bool>().prop_map_into()];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let list = prop::collection::vec(inner.clone(), 0..4).prop_map_into();
            let object = prop::collection::vec((text(), inner), 0..4);
            prop_oneof![list, object.prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect()))]
        })
    }

    proptest! {
        #[test]
        fn whoever_is_named_is_found_with_escapes_and_without(document in document(), pretty: bool) {
            let printed = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
            let body = printed.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(of_plain(&body), of_escaped(body.as_bytes()));
        }
    }

    #[test]
    fn everybody_is_found_wherever_they_stand() {
        assert_eq!(
            check(r#"{"customer":"cus_1","customer_details":{"email":" Ada@Example.com "},"n":[1,-2,3.5,true,null]}"#),
            ["ada@example.com", "cus_1"]
        );
        assert_eq!(check(r#"{"customer":{"id":"cus_2","object":"customer"}}"#), ["cus_2"]);
        // Escapes are read, and addresses stand within texts and as keys.
        assert_eq!(check(r#"{"a":"ada\u0040example.com"}"#), ["ada@example.com"]);
        assert!(check(r#"{"d":"For Ada <ada@example.com>, thanks"}"#).contains(&"ada@example.com".to_owned()));
        assert_eq!(check(r#"{"bob@example.com":{}}"#), ["bob@example.com"]);
        // What breaks off is searched as text.
        assert!(check(r#"{"email":"ada@example.com","x":"#).contains(&"ada@example.com".to_owned()));
        assert_eq!(check(r#"{"customer":"cus_","d":"cus_1 or so","x":"@"}"#), ["@", "cus_"]);
    }
}
