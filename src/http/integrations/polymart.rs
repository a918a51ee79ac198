//! `POST /api/v1/integrations/polymart?teamId=…&productId=…`: Polymart's webhooks.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use keyledger_events::event::inbox::Provider;
use keyledger_events::event::integration::SecretKind;

use super::{Caller, answer, header};
use crate::http::{Front, HttpError, address, body, query};
use crate::providers::{intake, polymart::signature};

pub(in crate::http) async fn receive(
    State(front): State<Front>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let body = body::read(body).await?;
    let (team, query) = query::read(&uri)?;
    let address = address::client(peer, &headers, &front.trusted_proxies);
    let caller = Caller { address, team, provider: Provider::Polymart, kind: SecretKind::Webhook };
    let signed = header(&headers, "x-polymart-signature");
    let team = front.verified(&caller, |secrets| signature::verify(signed, &body, secrets)).await?;
    // A place of its own, for what leads here is moved from one place to another before it begins.
    let taken_in = Box::pin(intake::polymart(&front.app, &team, query, &body)).await?;
    answer(Provider::Polymart, taken_in)
}
