//! `keyledger product …`

use clap::Subcommand;
use keyledger_projections::Product;
use serde_json::json;

use super::args::TeamArg;
use super::cell;
use super::global::{Global, Reads};
use super::list::List;
use crate::admin::idempotency::Maker;
use crate::admin::products::Description;
use crate::admin::{ACTOR_CLI, products};

#[derive(Debug, Subcommand)]
pub(super) enum ProductCommand {
    /// Make a product. Its id goes into Stripe's metadata (product_id) or Polymart's URL (productId).
    Create {
        #[command(flatten)]
        team: TeamArg,
        /// What buyers see in mails.
        name: String,
    },
    /// List a team's products, the oldest first.
    List {
        #[command(flatten)]
        team: TeamArg,
    },
}

impl ProductCommand {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        global
            .with_app(Reads::Views, async |app, output| match self {
                Self::Create { team, name } => {
                    let product =
                        products::create(app, Maker::once(ACTOR_CLI), team.team, &Description::named(&name)).await?;
                    if output.json {
                        let made = json!({ "id": product.id, "name": product.name, "teamId": team.team });
                        return Ok(output.document(&made)?);
                    }
                    output.line(&format!("made the product \"{}\"", product.name))?;
                    Ok(output.line(&format!("id  {}", product.id))?)
                }
                Self::List { team } => {
                    let products = products::list(app, team.team).await?;
                    let mut rows = List::begin(output, ["ID", "NAME", "MADE"]);
                    for Product { id, name, created_at, .. } in products {
                        let product = json!({ "id": id, "name": name, "teamId": team.team, "createdAt": created_at });
                        rows.push(&product, || [id.to_string(), cell::text(&name), cell::time(created_at)])?;
                    }
                    Ok(rows.finish("no products yet: keyledger product create --team ID NAME")?)
                }
            })
            .await
    }
}
