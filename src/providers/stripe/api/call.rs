//! One call, and a list's pages.

use secrecy::ExposeSecret;
use serde_json::Value;
use stripe_client_core::StripeRequest;

use super::{ApiError, StripeApi};
use crate::providers::json::{BadField, Node};

/// Elements asked for at once: the most that Stripe gives.
pub(super) const PAGE_ITEMS: i64 = 100;

/// Pages of one list. Nothing that we ask for has five thousand elements, unless somebody means harm.
const PAGES_MAX: usize = 50;

impl StripeApi {
    /// Asks once.
    pub(super) async fn call(&self, what: &str, request: impl StripeRequest) -> Result<Value, ApiError> {
        let request = request.build();
        let answer = self.connections.get(&self.base_url, self.authorization.clone(), &request);
        let key = self.key.expose_secret();
        let (status, body) = tokio::time::timeout(self.call_timeout, answer)
            .await
            .map_err(|_| ApiError::Unavailable {
                what: what.to_owned(),
                reason: format!("there was no complete answer within {} s", self.call_timeout.as_secs_f32()),
            })?
            .map_err(|error| ApiError::from_call(what, &error, key))?;
        if !status.is_success() {
            return Err(ApiError::from_answer(what, status.as_u16(), &body, key));
        }
        serde_json::from_slice(&body).map_err(|error| ApiError::unreadable(what, &error))
    }

    /// Asks for all pages of a list; `page` builds the request for what comes after an element.
    pub(super) async fn list<R: StripeRequest, T>(
        &self,
        what: &str,
        page: impl Fn(Option<&str>) -> R,
        read: impl Fn(&Node<'_>) -> Result<T, BadField>,
    ) -> Result<Vec<T>, ApiError> {
        let mut elements = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let answer = self.call(what, page(cursor.as_deref())).await?;
            let (more, next) =
                read_page(&answer, &read, &mut elements).map_err(|bad| ApiError::unreadable(what, &bad))?;
            if !more {
                return Ok(elements);
            }
            if next.is_none() || next == cursor {
                return Err(ApiError::unreadable(what, &"a page says that more follow, but leads no further"));
            }
            cursor = next;
        }
        Err(ApiError::TooMany { what: what.to_owned(), pages_max: PAGES_MAX })
    }
}

/// Reads a page's elements. Gives whether there are more, and the element after which they come.
fn read_page<T>(
    answer: &Value,
    read: impl Fn(&Node<'_>) -> Result<T, BadField>,
    elements: &mut Vec<T>,
) -> Result<(bool, Option<String>), BadField> {
    let root = Node::root(answer, "");
    let list = root.list()?.ok_or_else(|| root.bad("is missing"))?;
    for element in &list.items {
        elements.push(read(element)?);
    }
    let last = list.items.last().map(|element| element.get("id").text()).transpose()?;
    // Not the list's own idea of being cut short: a total count is about all pages, and every page has it.
    Ok((root.get("has_more").flag().unwrap_or(false), last))
}
