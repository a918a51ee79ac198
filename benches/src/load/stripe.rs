//! Stripe deliveries, in the layout of API version 2025-03-31.basil and later.
//!
//! The mix is what the setup guide subscribes to, in the shares of a shop with subscriptions: for each buyer one
//! subscription begun (its first invoice and its creation), one change of it, one renewal, and one one-off purchase.
//! So four deliveries of five issue, change or prolong a licence, and two of five make the interpreter ask Stripe.

/// Deliveries of one buyer's story.
const STORY: u64 = 5;
/// Different products on Stripe.
const PRODUCTS: u64 = 20;
const MONTH_S: i64 = 30 * 24 * 3_600;

/// The delivery with this number; every number gives an event of its own.
pub(crate) fn delivery(number: u64, now: i64) -> String {
    let buyer = number / STORY;
    match number % STORY {
        0 => event(number, now, "invoice.paid", &invoice(number, buyer, "subscription_create", now)),
        1 => event(number, now, "customer.subscription.created", &subscription(buyer, "active", now)),
        2 => event(number, now, "customer.subscription.updated", &subscription(buyer, "active", now)),
        3 => event(number, now, "invoice.paid", &invoice(number, buyer, "subscription_cycle", now + MONTH_S)),
        _ => event(number, now, "checkout.session.completed", &checkout(buyer, now)),
    }
}

fn event(number: u64, now: i64, event_type: &str, object: &str) -> String {
    format!(
        r#"{{"id":"evt_bench{number:016x}","object":"event","api_version":"2025-06-30.basil","created":{now},"data":{{"object":{object}}},"livemode":false,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"{event_type}"}}"#
    )
}

fn product(buyer: u64) -> u64 {
    buyer % PRODUCTS
}

fn invoice(number: u64, buyer: u64, reason: &str, start: i64) -> String {
    let end = start + MONTH_S;
    let product = product(buyer);
    format!(
        r#"{{"id":"in_bench{number:016x}","object":"invoice","account_country":"US","account_name":"Bench Ltd","amount_due":1000,"amount_paid":1000,"amount_remaining":0,"attempt_count":1,"attempted":true,"auto_advance":false,"automatic_tax":{{"enabled":false,"liability":null,"status":null}},"billing_reason":"{reason}","collection_method":"charge_automatically","created":{start},"currency":"usd","customer":"cus_bench{buyer:012x}","customer_email":"buyer-{buyer}@example.com","customer_name":"Buyer {buyer}","default_payment_method":null,"description":null,"discounts":[],"hosted_invoice_url":"https://invoice.stripe.com/i/acct_bench/test_{number:032x}","lines":{{"object":"list","data":[{{"id":"il_bench{number:016x}","object":"line_item","amount":1000,"currency":"usd","description":"1 × Bench Plugin (at $10.00 / month)","discountable":true,"discounts":[],"invoice":"in_bench{number:016x}","livemode":false,"metadata":{{}},"parent":{{"type":"subscription_item_details","invoice_item_details":null,"subscription_item_details":{{"invoice_item":null,"proration":false,"proration_details":{{"credited_items":null}},"subscription":"sub_bench{buyer:012x}","subscription_item":"si_bench{buyer:012x}"}}}},"period":{{"end":{end},"start":{start}}},"pricing":{{"type":"price_details","price_details":{{"price":"price_bench{product:02}","product":"prod_bench{product:02}"}},"unit_amount_decimal":"1000"}},"quantity":1,"taxes":[]}}],"has_more":false,"total_count":1,"url":"/v1/invoices/in_bench{number:016x}/lines"}},"livemode":false,"metadata":{{}},"number":"BENCH-{number}","parent":{{"type":"subscription_details","quote_details":null,"subscription_details":{{"metadata":{{}},"subscription":"sub_bench{buyer:012x}"}}}},"period_end":{start},"period_start":{start},"status":"paid","status_transitions":{{"finalized_at":{start},"marked_uncollectible_at":null,"paid_at":{start},"voided_at":null}},"subtotal":1000,"total":1000}}"#
    )
}

fn subscription(buyer: u64, status: &str, start: i64) -> String {
    let end = start + MONTH_S;
    let product = product(buyer);
    format!(
        r#"{{"id":"sub_bench{buyer:012x}","object":"subscription","application":null,"automatic_tax":{{"enabled":false,"liability":null}},"billing_cycle_anchor":{start},"billing_mode":{{"type":"classic"}},"cancel_at":null,"cancel_at_period_end":false,"canceled_at":null,"collection_method":"charge_automatically","created":{start},"currency":"usd","customer":"cus_bench{buyer:012x}","default_payment_method":"pm_bench{buyer:012x}","description":null,"discounts":[],"ended_at":null,"items":{{"object":"list","data":[{{"id":"si_bench{buyer:012x}","object":"subscription_item","created":{start},"current_period_end":{end},"current_period_start":{start},"discounts":[],"metadata":{{}},"price":{{"id":"price_bench{product:02}","object":"price","active":true,"billing_scheme":"per_unit","created":1721948530,"currency":"usd","livemode":false,"lookup_key":null,"metadata":{{}},"nickname":null,"product":"prod_bench{product:02}","recurring":{{"interval":"month","interval_count":1,"meter":null,"trial_period_days":null,"usage_type":"licensed"}},"type":"recurring","unit_amount":1000,"unit_amount_decimal":"1000"}},"quantity":1,"subscription":"sub_bench{buyer:012x}","tax_rates":[]}}],"has_more":false,"total_count":1,"url":"/v1/subscription_items?subscription=sub_bench{buyer:012x}"}},"latest_invoice":"in_bench{buyer:016x}","livemode":false,"metadata":{{}},"pause_collection":null,"schedule":null,"start_date":{start},"status":"{status}","test_clock":null,"trial_end":null,"trial_start":null}}"#
    )
}

fn checkout(buyer: u64, now: i64) -> String {
    format!(
        r#"{{"id":"cs_test_bench{buyer:024x}","object":"checkout.session","allow_promotion_codes":null,"amount_subtotal":2000,"amount_total":2000,"automatic_tax":{{"enabled":false,"liability":null,"status":null}},"cancel_url":"https://example.com/cancel","client_reference_id":null,"created":{now},"currency":"usd","customer":"cus_bench{buyer:012x}","customer_creation":"always","customer_details":{{"address":{{"city":null,"country":"US","line1":null,"line2":null,"postal_code":"10001","state":null}},"email":"buyer-{buyer}@example.com","name":"Buyer {buyer}","phone":null,"tax_exempt":"none","tax_ids":[]}},"customer_email":null,"expires_at":{now},"invoice":null,"livemode":false,"locale":null,"metadata":{{}},"mode":"payment","payment_intent":"pi_bench{buyer:012x}","payment_link":null,"payment_method_types":["card"],"payment_status":"paid","shipping_cost":null,"status":"complete","submit_type":null,"subscription":null,"success_url":"https://example.com/success","total_details":{{"amount_discount":0,"amount_shipping":0,"amount_tax":0}},"ui_mode":"hosted","url":null}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_delivery_is_json_with_an_id_of_its_own() -> serde_json::Result<()> {
        let mut ids = HashSet::new();
        for number in 0..50 {
            let value: serde_json::Value = serde_json::from_str(&delivery(number, 1_740_000_000))?;
            assert_eq!(value["data"]["object"]["livemode"], false);
            assert!(ids.insert(value["id"].to_string()));
        }
        Ok(())
    }
}
