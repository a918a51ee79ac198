//! What a Polymart webhook's URL offers: the settings of the licence, as query parameters.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::providers::json::quote;
use crate::providers::offer::{Names, OfferDraft, Reader};

const PRODUCT_ID: &str = "productId";

const NAMES: Names = Names {
    ip_limit: "ipLimit",
    hwid_limit: "hwidLimit",
    expiration_days: "expirationDays",
    expiration_start: "expirationStart",
};

/// The offer that the query describes. Parameters that are not ours are passed over.
///
/// # Errors
/// Every bad parameter with its value, all at once. Whether the product exists is for the caller to check.
pub fn read_offer(query: &BTreeMap<String, String>) -> Result<OfferDraft, Vec<String>> {
    let mut reader = Reader::new(query, &NAMES);
    match product_id(query) {
        Ok(id) => reader.offer.product_ids = vec![id],
        Err(error) => reader.errors.push(error),
    }
    reader.limits();
    reader.expiration();
    reader.finish()
}

fn product_id(query: &BTreeMap<String, String>) -> Result<Uuid, String> {
    let text = query.get(PRODUCT_ID).ok_or_else(|| format!("`{PRODUCT_ID}` is missing; it names our product"))?;
    Uuid::parse_str(text.trim()).map_err(|_| format!("`{PRODUCT_ID}` is {}, which is not a UUID", quote(text)))
}

#[cfg(test)]
mod tests {
    use keyledger_events::event::license::{ExpirationStart, Offer};

    use super::*;

    const PRODUCT: &str = "0197c5a2-0000-7000-8000-000000000001";

    fn check(pairs: &[(&str, &str)]) -> Result<OfferDraft, Vec<String>> {
        read_offer(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_full_query_is_a_full_offer() {
        let expected = Offer {
            product_ids: vec![Uuid::from_u128(0x0197_c5a2_0000_7000_8000_0000_0000_0001)],
            ip_limit: Some(2),
            hwid_limit: Some(3),
            expiration_days: Some(30),
            expiration_start: ExpirationStart::Activation,
        };
        let draft = check(&[
            ("productId", PRODUCT),
            ("ipLimit", "2"),
            ("hwidLimit", "3"),
            ("seats", "9"),
            ("expirationDays", "30"),
            ("expirationStart", "activation"),
            ("utm_source", "x"),
        ]);
        assert_eq!(draft, Ok(OfferDraft { offer: expected, warnings: Vec::new() }));
    }

    #[test]
    fn a_product_alone_is_enough_and_seats_is_the_older_name() {
        let plain =
            check(&[("productId", PRODUCT)]).map(|draft| (draft.offer.hwid_limit, draft.offer.expiration_start));
        assert_eq!(plain, Ok((None, ExpirationStart::Creation)));
        let seats = check(&[("productId", PRODUCT), ("seats", "4")]).map(|draft| draft.offer.hwid_limit);
        assert_eq!(seats, Ok(Some(4)));
    }

    #[test]
    fn a_start_without_days_is_only_a_warning() {
        let draft = check(&[("productId", PRODUCT), ("expirationStart", "ACTIVATION")]);
        assert_eq!(
            draft.map(|draft| (draft.offer.expiration_start, draft.warnings)),
            Ok((
                ExpirationStart::Creation,
                vec!["`expirationStart` has no effect without `expirationDays`".to_owned()]
            ))
        );
    }

    #[test]
    fn every_bad_parameter_is_named_with_its_value() {
        let errors = check(&[
            ("productId", "nope"),
            ("ipLimit", ""),
            ("seats", "0"),
            ("expirationDays", "36501"),
            ("expirationStart", "never"),
        ]);
        assert_eq!(
            errors,
            Err(vec![
                "`productId` is \"nope\", which is not a UUID".to_owned(),
                "`ipLimit` is \"\"; expected a whole number from 1 to 4294967295".to_owned(),
                "`seats` is \"0\"; expected a whole number from 1 to 4294967295".to_owned(),
                "`expirationDays` is \"36501\"; expected a whole number from 1 to 36500".to_owned(),
                "`expirationStart` is \"never\"; expected ACTIVATION or CREATION".to_owned(),
            ])
        );
        assert_eq!(check(&[]), Err(vec!["`productId` is missing; it names our product".to_owned()]));
    }
}
