use keyledger_events::event::license::{ExpirationStart, Offer};

use super::*;
use crate::providers::offer::EXPIRATION_DAYS_MAX;

const FIRST: Uuid = Uuid::from_u128(0x0197_c5a2_0000_7000_8000_0000_0000_0001);
const SECOND: Uuid = Uuid::from_u128(0x0197_c5a2_0000_7000_8000_0000_0000_0002);

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn check(pairs: &[(&str, &str)], kind: SaleKind) -> Result<Option<OfferDraft>, Vec<String>> {
    let first = FIRST.to_string();
    let mut all = map(&[("product_id", &first)]);
    all.extend(map(pairs));
    read_offer(&all, kind)
}

fn draft(offer: Offer, warnings: &[&str]) -> Result<Option<OfferDraft>, Vec<String>> {
    let offer = Offer { product_ids: vec![FIRST], ..offer };
    Ok(Some(OfferDraft { offer, warnings: warnings.iter().map(|text| (*text).to_owned()).collect() }))
}

fn errors(texts: &[&str]) -> Result<Option<OfferDraft>, Vec<String>> {
    Err(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn a_product_without_our_key_is_not_ours_whatever_else_it_says() {
    assert_eq!(read_offer(&map(&[("ip_limit", "bad"), ("colour", "red")]), SaleKind::OneOff), Ok(None));
}

#[test]
fn a_full_offer() {
    let pairs = [
        ("ip_limit", " 2 "),
        ("hwid_limit", "003"),
        ("expiration_days", "30"),
        ("expiration_start", "Activation"),
        ("colour", "red"),
    ];
    let offer = Offer {
        ip_limit: Some(2),
        hwid_limit: Some(3),
        expiration_days: Some(30),
        expiration_start: ExpirationStart::Activation,
        ..Offer::default()
    };
    assert_eq!(check(&pairs, SaleKind::OneOff), draft(offer, &[]));
}

#[test]
fn validity_starts_with_the_purchase_unless_said_otherwise() {
    let offer = Offer { expiration_days: Some(1), ..Offer::default() };
    assert_eq!(offer.expiration_start, ExpirationStart::Creation);
    assert_eq!(check(&[("expiration_days", "1")], SaleKind::OneOff), draft(offer, &[]));
}

#[test]
fn several_products_are_folded_and_keep_their_order() {
    let list = format!("{SECOND},\t{FIRST} ,, {}\n, {SECOND}", FIRST.to_string().to_uppercase());
    let ids =
        read_offer(&map(&[("product_id", &list)]), SaleKind::OneOff).map(|read| read.map(|d| d.offer.product_ids));
    assert_eq!(ids, Ok(Some(vec![SECOND, FIRST])));
}

#[test]
fn each_malformed_product_is_named() {
    let list = format!("abc,{FIRST},0197c5a2");
    assert_eq!(
        check(&[("product_id", &list)], SaleKind::OneOff),
        errors(&[
            "`product_id` names \"abc\", which is not a UUID",
            "`product_id` names \"0197c5a2\", which is not a UUID"
        ])
    );
    assert_eq!(
        check(&[("product_id", " , ")], SaleKind::Subscription),
        errors(&["`product_id` is \" , \", which names no product"])
    );
}

#[test]
fn limits_are_whole_numbers_from_one() {
    for bad in ["5abc", "0", "-1", "+1", "1.5", "", "  ", "1e3", "4294967296", "٣", "1 2", "infinite"] {
        for key in ["ip_limit", "hwid_limit", "seats", "expiration_days"] {
            let max = if key == "expiration_days" { EXPIRATION_DAYS_MAX } else { u32::MAX };
            let error = format!("`{key}` is {bad:?}; expected a whole number from 1 to {max}");
            assert_eq!(check(&[(key, bad)], SaleKind::OneOff), errors(&[&error]));
        }
    }
    let most = Offer { ip_limit: Some(u32::MAX), ..Offer::default() };
    assert_eq!(check(&[("ip_limit", "4294967295")], SaleKind::OneOff), draft(most, &[]));
}

#[test]
fn a_validity_beyond_the_limit_is_refused() {
    let longest = Offer { expiration_days: Some(EXPIRATION_DAYS_MAX), ..Offer::default() };
    assert_eq!(check(&[("expiration_days", "36500")], SaleKind::OneOff), draft(longest, &[]));
    assert!(check(&[("expiration_days", "36501")], SaleKind::OneOff).is_err());
}

#[test]
fn seats_is_the_older_name_and_gives_way() {
    let with = |limit| Offer { hwid_limit: Some(limit), ..Offer::default() };
    assert_eq!(check(&[("seats", "4")], SaleKind::OneOff), draft(with(4), &[]));
    assert_eq!(check(&[("seats", "bad"), ("hwid_limit", "5")], SaleKind::OneOff), draft(with(5), &[]));
}

#[test]
fn a_start_without_days_has_no_effect() {
    assert_eq!(
        check(&[("expiration_start", "ACTIVATION")], SaleKind::OneOff),
        draft(Offer::default(), &["`expiration_start` has no effect without `expiration_days`"])
    );
    assert_eq!(
        check(&[("expiration_start", "later")], SaleKind::OneOff),
        errors(&["`expiration_start` is \"later\"; expected ACTIVATION or CREATION"])
    );
}

#[test]
fn a_subscription_ignores_expiration_good_or_bad() {
    let warnings = [
        "`expiration_days` is ignored on a subscription: its paid periods decide when it expires",
        "`expiration_start` is ignored on a subscription: its paid periods decide when it expires",
    ];
    let pairs = [("expiration_days", "soon"), ("expiration_start", "later"), ("ip_limit", "1")];
    let offer = Offer { ip_limit: Some(1), ..Offer::default() };
    assert_eq!(check(&pairs, SaleKind::Subscription), draft(offer, &warnings));
}

#[test]
fn all_that_is_bad_is_told_at_once() {
    let pairs = [("product_id", "x"), ("ip_limit", "0"), ("seats", "-1"), ("expiration_start", "y")];
    assert_eq!(check(&pairs, SaleKind::OneOff).map_err(|errors| errors.len()), Err(4));
}
