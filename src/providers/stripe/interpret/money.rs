//! Money after the sale: which invoice a payment paid, refunds, disputes. Any of them may arrive before the sale;
//! then it is kept with the payment until there is a way to the purchase.

use keyledger_events::event::inbox::Provider;
use keyledger_events::event::purchase::{DisputeRecorded, RefundRecorded, RefundStatus};
use keyledger_events::{Event, NewEvent, StreamId};

use super::{Context, Stop};
use crate::licensing::payment;
use crate::providers::draft::Draft;
use crate::providers::payments::LoadedPayments;
use crate::providers::plan::{Conclusion, Plan};
use crate::providers::stripe::api::ApiError;
use crate::providers::stripe::payload::{Charge, Dispute, InvoicePayment, Refund};

pub(super) async fn invoice_payment(context: &Context<'_>, paid: &InvoicePayment) -> Result<Plan, Stop> {
    let Some(payment) = paid.payment_intent.as_ref().or(paid.charge.as_ref()) else {
        let reason = "the invoice was not paid by a payment intent or a charge".to_owned();
        return Ok(Plan::without_effect(context.delivery, Conclusion::Ignored(reason)));
    };
    let mut money = Money::of(context, payment).await?;
    money.link(payment, &paid.invoice).await?;
    money.settle(Vec::new()).await
}

pub(super) async fn refund(context: &Context<'_>, refund: &Refund) -> Result<Plan, Stop> {
    let Some(payment) = refund.payment_intent.as_ref().or(refund.charge.as_ref()) else {
        let reason = format!("the refund `{}` names neither payment intent nor charge", refund.id);
        return Ok(Plan::without_effect(context.delivery, Conclusion::Ignored(reason)));
    };
    let mut money = Money::of(context, payment).await?;
    if let (Some(intent), Some(charge)) = (&refund.payment_intent, &refund.charge) {
        money.link(charge, intent).await?;
    }
    let fact = recorded(payment, refund, None);
    money.settle(vec![fact.into()]).await
}

fn recorded(payment: &str, refund: &Refund, paid: Option<i64>) -> RefundRecorded {
    RefundRecorded {
        refund: Some(refund.id.clone()),
        payment: payment.to_owned(),
        invoice: None,
        amount: refund.amount,
        status: refund.status,
        paid,
    }
}

/// `charge.refunded` tells the running total, and in older versions each refund as well.
pub(super) async fn charge(context: &Context<'_>, charge: &Charge) -> Result<Plan, Stop> {
    let payment = charge.payment_intent.as_ref().unwrap_or(&charge.id);
    let mut money = Money::of(context, payment).await?;
    if payment != &charge.id {
        money.link(&charge.id, payment).await?;
    }
    if let Some(invoice) = &charge.invoice {
        money.link(payment, invoice).await?;
    }
    let paid = Some(charge.amount_captured.unwrap_or(charge.amount));
    let total = RefundRecorded {
        refund: None,
        payment: payment.clone(),
        invoice: None,
        amount: charge.amount_refunded,
        status: RefundStatus::Succeeded,
        paid,
    };
    let each = charge.refunds.iter().flatten().map(|refund| recorded(payment, refund, paid).into());
    money.settle(each.chain([total.into()]).collect()).await
}

pub(super) async fn dispute(context: &Context<'_>, dispute: &Dispute) -> Result<Plan, Stop> {
    let Some(payment) = dispute.payment_intent.as_ref().or(dispute.charge.as_ref()) else {
        let reason = format!("the dispute `{}` names neither payment intent nor charge", dispute.id);
        return Ok(Plan::without_effect(context.delivery, Conclusion::Ignored(reason)));
    };
    let mut money = Money::of(context, payment).await?;
    if let (Some(intent), Some(charge)) = (&dispute.payment_intent, &dispute.charge) {
        money.link(charge, intent).await?;
    }
    let fact = DisputeRecorded { dispute: dispute.id.clone(), payment: payment.clone(), status: dispute.status };
    money.settle(vec![fact.into()]).await
}

/// A payment with everything it is linked with.
struct Money<'a> {
    context: &'a Context<'a>,
    payment: String,
    loaded: LoadedPayments,
}

impl<'a> Money<'a> {
    async fn of(context: &'a Context<'a>, payment: &str) -> Result<Self, Stop> {
        let mut money = Self { context, payment: payment.to_owned(), loaded: LoadedPayments::default() };
        money.load(&[money.stream(payment)]).await?;
        Ok(money)
    }

    fn stream(&self, reference: &str) -> StreamId {
        payment::stream(self.context.team_id(), reference)
    }

    async fn load(&mut self, streams: &[StreamId]) -> Result<(), Stop> {
        Ok(self.loaded.load(self.context.app, self.context.delivery, streams).await?)
    }

    async fn link(&mut self, from: &str, to: &str) -> Result<(), Stop> {
        let (near, far) = (self.stream(from), self.stream(to));
        self.load(&[near, far]).await?;
        let occurred_at = self.context.delivery.occurred_at;
        let links = self.loaded.payments.link((near, from), (far, to));
        self.loaded.events.extend(links.into_iter().map(|(stream, link)| NewEvent::new(stream, occurred_at, link)));
        Ok(())
    }

    /// Asks Stripe which invoice the payment paid, when nothing we were told leads to a purchase. Without a key,
    /// and for accounts that have no such thing, there is nothing to learn.
    async fn ask_for_invoice(&mut self) -> Result<(), Stop> {
        if !self.payment.starts_with("pi_") || !self.context.api_key_is_there() {
            return Ok(());
        }
        let payment = self.payment.clone();
        let paid = match self.context.api()?.invoice_payments_of_intent(&payment).await {
            Ok(paid) => paid,
            Err(ApiError::NotFound { .. } | ApiError::Unexpected { status: Some(_), .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        // What was tried on another invoice and called off paid nothing.
        for invoice_payment in paid.iter().filter(|it| it.status.as_deref().is_none_or(|status| status == "paid")) {
            self.link(&payment, &invoice_payment.invoice).await?;
        }
        Ok(())
    }

    /// Records the facts with the purchase if there is a way to it, else with the payment.
    async fn settle(mut self, facts: Vec<Event>) -> Result<Plan, Stop> {
        if self.loaded.payments.purchase().is_none() && !facts.is_empty() {
            self.ask_for_invoice().await?;
        }
        match self.loaded.payments.purchase() {
            Some(purchase) => self.settle_with(purchase, facts).await,
            None => Ok(self.keep(facts)),
        }
    }

    async fn settle_with(self, purchase: StreamId, facts: Vec<Event>) -> Result<Plan, Stop> {
        let Context { app, team, delivery, .. } = self.context;
        let invoice = self.loaded.payments.invoice().map(str::to_owned);
        let mut draft = Draft::begin(app, team, delivery, purchase).await?;
        let payments = self.loaded.payments.clone();
        draft.adopt(self.loaded);
        let void = draft.void();
        draft.learn_from_payments().await?;
        for fact in facts {
            draft.learn(payments.named_once(with_invoice(fact, invoice.as_deref()))).await?;
        }
        // The key of what had been taken back before it was sold was never sent.
        if void.iter().any(|license_id| !draft.void().contains(license_id)) {
            draft.mail_what_was_not().await?;
        }
        let conclusion = Conclusion::Applied { summary: draft.summary(), warnings: Vec::new() };
        Ok(draft.conclude(conclusion))
    }

    fn keep(self, facts: Vec<Event>) -> Plan {
        let Context { delivery, .. } = self.context;
        let stream = self.stream(&self.payment);
        let node = self.loaded.payments.nodes.get(&stream).cloned().unwrap_or_default();
        let mut plan = Plan::without_effect(delivery, self.kept_because(&facts));
        plan.request.expected = self.loaded.expected;
        plan.request.events = self.loaded.events;
        let known = |fact: &Event| match fact {
            Event::RefundRecorded(refund) => node.refunds.contains(refund),
            Event::DisputeRecorded(dispute) => node.disputes.contains(dispute),
            _ => false,
        };
        let new = facts.into_iter().filter(|fact| !known(fact));
        plan.request.events.extend(new.map(|fact| NewEvent::new(stream, delivery.occurred_at, fact)));
        plan
    }

    fn kept_because(&self, facts: &[Event]) -> Conclusion {
        let payment = &self.payment;
        if facts.is_empty() {
            let summary = format!("noted what the {} payment `{payment}` paid for", Provider::Stripe);
            return Conclusion::Applied { summary, warnings: Vec::new() };
        }
        Conclusion::Ignored(format!(
            "the payment `{payment}` belongs to no purchase that we know; kept in case its sale arrives later"
        ))
    }
}

fn with_invoice(fact: Event, invoice: Option<&str>) -> Event {
    match fact {
        Event::RefundRecorded(refund) => {
            let invoice = refund.invoice.or_else(|| invoice.map(str::to_owned));
            RefundRecorded { invoice, ..refund }.into()
        }
        other => other,
    }
}
