//! The dashboard: each page's time on the server with a million licences, beside the same page with a thousand. One
//! request after the other, so what is measured is how long a reader waits, and not how many can.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use keyledger_events::TeamId;

use crate::measure::median;
use crate::run::context::Context;
use crate::run::item::{Bar, Row};
use crate::run::keyledger::{Disk, Ledger};
use crate::run::process::{Answer, Running};
use crate::shop::first_customer;

/// Licences of the large ledger.
const MANY: u32 = 1_000_000;
/// Licences of the small one.
const FEW: u32 = 1_000;
/// Requests of a page in a round; the median of them counts.
const REQUESTS: u32 = 9;
/// The longest that a page may take, in milliseconds: tens, not hundreds.
const PAGE_MS: f64 = 100.0;

const PASSWORD: &str = "correct horse battery";

/// Pages of a team; in braces, what is rare among very much else.
const PAGES: [&str; 25] = [
    "",
    "licenses",
    "licenses?standing=in-force",
    "licenses?standing=revoked",
    "licenses?standing=expiring",
    "licenses?standing=upcoming",
    "licenses?product={product}",
    "{license}",
    "customers",
    "customers/{customer}",
    "products",
    "integrations",
    "inbox",
    "inbox?outcome=rejected",
    "inbox?provider=polymart",
    "mails",
    "mails?state=abandoned",
    "requests",
    "blacklist",
    "audit",
    "api-keys",
    "webhooks",
    "projections",
    "settings",
    "members",
];

/// Somebody who is signed in at a server.
struct Site {
    server: Running,
    cookie: String,
    root: String,
    product: String,
    customer: String,
    license: String,
}

pub(super) fn measure(context: &Context) -> anyhow::Result<Vec<Row>> {
    let large = Site::open(context, "pages-large", context.scaled(MANY))?;
    let small = Site::open(context, "pages-small", context.scaled(FEW))?;
    let mut rows = Vec::new();
    for page in PAGES {
        let mut pairs = Vec::new();
        for _ in 0..context.rounds {
            // Their ratio as a rate: a page that takes twice as long is half as fast.
            let (slow, fast) = (large.milliseconds(page)?, small.milliseconds(page)?);
            pairs.push((slow, fast));
        }
        let name = if page.is_empty() { "overview" } else { page };
        let rates: Vec<_> = pairs.iter().map(|(slow, fast)| (1_000.0 / slow, 1_000.0 / fast)).collect();
        rows.push(Row::ratio(&format!("page {name}, 1M / 1k licences"), "1/s", &rates, Bar::RatioAtLeast(0.5)));
        let slow = pairs.iter().map(|(slow, _)| *slow).collect();
        rows.push(Row::value(&format!("page {name}, 1M licences"), "ms", slow, Bar::Below(PAGE_MS)));
    }
    Ok(rows)
}

impl Site {
    fn open(context: &Context, name: &str, licenses: u64) -> anyhow::Result<Self> {
        let ledger = Ledger::make(context, name)?;
        let product = ledger.another_product(context, "Bench Theme")?;
        let (db, count) = (ledger.folder.to_string_lossy(), licenses.to_string());
        let owner = ["--team", &ledger.team, "--product", &ledger.product, "--rare-product", &product];
        context.measure(&[&["fill", "--db", &db, "--licenses", &count][..], &owner].concat())?;
        let customer = first_customer(TeamId(ledger.team.parse()?)).to_string();
        let server = ledger.serve(context, Disk::Native)?;
        let cookie = sign_up(context, &ledger, &server)?;
        let root = format!("/teams/{}/", ledger.team);
        let mut site = Self { server, cookie, root, product, customer, license: String::new() };
        let list = site.get("licenses")?.body;
        let (_, rest) = list.split_once("class=\"key\" href=\"").context("no licence is listed")?;
        let path = rest.split('"').next().and_then(|path| path.strip_prefix(&site.root));
        site.license = path.context("a licence is elsewhere")?.to_owned();
        Ok(site)
    }

    fn get(&self, page: &str) -> anyhow::Result<Answer> {
        let page = page.replace("{product}", &self.product).replace("{customer}", &self.customer);
        let path = format!("{}{}", self.root, page.replace("{license}", &self.license));
        let answer = self.server.request(&format!("GET {path} HTTP/1.1"), &[("cookie", &self.cookie)], "")?;
        ensure!(answer.status == 200, "{path} was answered {}: {}", answer.status, answer.body);
        Ok(answer)
    }

    /// The median time of the page.
    fn milliseconds(&self, page: &str) -> anyhow::Result<f64> {
        let mut times = Vec::new();
        for _ in 0..REQUESTS {
            let start = Instant::now();
            self.get(page)?;
            times.push(start.elapsed().as_secs_f64() * 1_000.0);
        }
        median(&times).context("no request")
    }
}

/// Becomes the first owner; the cookie.
fn sign_up(context: &Context, ledger: &Ledger, server: &Running) -> anyhow::Result<String> {
    let start: serde_json::Value = serde_json::from_str(&ledger.cli(context, &["member", "first-start", "--json"])?)?;
    let token = start["path"].as_str().and_then(|path| path.split_once("token=")).context("no token")?.1;
    let form = format!(
        "token={token}&team={}&email=ada%40example.test&new-password={password}&password-again={password}",
        ledger.team,
        password = PASSWORD.replace(' ', "+")
    );
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let answer = server.request("POST /welcome HTTP/1.1", &headers, &form)?;
    ensure!(answer.status == 303, "the first start was answered {}: {}", answer.status, answer.body);
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    Ok(cookie.and_then(|line| line.split(';').next()).context("no cookie")?.to_owned())
}
