//! Polymart's webhook and its placeholder request, as Polymart sends them.

/// Polymart's id of the one product that is sold.
const POLYMART_PRODUCT: &str = "7641";

/// The buyer with this number. Ids on Polymart are decimal numbers.
fn user(number: u64) -> u64 {
    1_000_000 + number
}

/// A purchase by a buyer who has bought nothing before. The length is that of a real one, about 1.2 KB.
pub(crate) fn purchase(number: u64, time: i64) -> String {
    let user = user(number);
    format!(
        r#"{{"event":"product.user.purchase","time":{time},"nonce":"bench-{number:016x}","payload":{{"product":{{"id":"{POLYMART_PRODUCT}","title":"Bench Plugin","subtitle":"Everything that a server needs, in one plugin, for every version since 1.8","url":"https://polymart.org/product/{POLYMART_PRODUCT}/bench-plugin","icon":"https://images.polymart.org/product/{POLYMART_PRODUCT}/default.png?size=small","currency":"USD","price":"14.99","version":"4.12.3","releasedAt":1719000000,"downloads":"18344","reviews":{{"count":"412","stars":"4.8"}},"supportedServerSoftware":"Paper, Purpur, Folia, Spigot","supportedMinecraftVersions":"1.8 - 1.21.4","donationLink":null,"discordRequired":false,"description":"{DESCRIPTION}"}},"user":{{"id":"{user}","username":"buyer{user}","url":"https://polymart.org/user/{user}","profilePicture":"https://images.polymart.org/user/{user}/default.png","discord":null,"purchaseStatus":"Manual","purchaseValid":true,"purchaseTime":{time}}}}}}}"#
    )
}

const DESCRIPTION: &str = "Protects, measures and repairs worlds while players are online. It keeps its settings in \
    plain files, reloads them without a restart and explains in its log what it did and why. Licences are checked at \
    start and once an hour after it.";

/// Polymart's question for the key of a buyer, for the download numbered `number`.
pub(crate) fn placeholder(number: u64, buyer: u64, time: i64) -> String {
    let user = user(buyer);
    format!(
        r#"{{"user":{user},"product":{POLYMART_PRODUCT},"nonce":"download-{number:016x}","license":"{user}-{POLYMART_PRODUCT}","placeholder":"%%__LICENSE__%%","time":{time}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_length_of_real_ones() -> serde_json::Result<()> {
        let body = purchase(7, 1_740_000_000);
        assert!((1_100..1_400).contains(&body.len()), "{} bytes", body.len());
        let value: serde_json::Value = serde_json::from_str(&body)?;
        assert_eq!(value["payload"]["user"]["id"], "1000007");
        let value: serde_json::Value = serde_json::from_str(&placeholder(1, 7, 1_740_000_000))?;
        assert_eq!(value["user"], 1_000_007);
        Ok(())
    }
}
