//! `GET /api/docs`: the description, to read. Plain HTML with its style in the page; nothing comes from elsewhere and
//! nothing runs.

use askama::Template;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};

use super::document;
use crate::http::HttpError;

/// The page's one style sheet is in it, and it needs nothing else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    groups: Vec<Group>,
}

struct Group {
    name: String,
    about: String,
    operations: Vec<Described>,
}

struct Described {
    method: &'static str,
    path: String,
    summary: String,
    parameters: Vec<DescribedParameter>,
    body: Option<String>,
    answers: Vec<(String, String)>,
}

struct DescribedParameter {
    name: String,
    place: &'static str,
    about: String,
}

/// The page.
pub(in crate::http) async fn page() -> Result<Response, HttpError> {
    let html = Page { groups: groups() }.render().map_err(|error| HttpError::unavailable(&error))?;
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(html)).into_response())
}

fn groups() -> Vec<Group> {
    let document = document();
    let tags = document.tags.iter().flatten();
    tags.map(|tag| Group {
        name: tag.name.clone(),
        about: tag.description.clone().unwrap_or_default(),
        operations: operations(&tag.name),
    })
    .collect()
}

fn operations(tag: &str) -> Vec<Described> {
    let mut found = Vec::new();
    for (path, item) in &document().paths.paths {
        let all = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in all {
            if let Some(operation) = operation.as_ref().filter(|operation| has_tag(operation, tag)) {
                found.push(described(method, path, operation));
            }
        }
    }
    found
}

fn has_tag(operation: &Operation, tag: &str) -> bool {
    operation.tags.iter().flatten().any(|one| one == tag)
}

fn described(method: &'static str, path: &str, operation: &Operation) -> Described {
    let body = operation.request_body.as_ref().and_then(|body| {
        let content = body.content.get("application/json")?.schema.as_ref()?;
        match content {
            utoipa::openapi::RefOr::Ref(reference) => schema(&reference.ref_location),
            utoipa::openapi::RefOr::T(_) => None,
        }
    });
    let answers = operation.responses.responses.iter().map(|(status, response)| {
        let about = match response {
            utoipa::openapi::RefOr::T(response) => response.description.clone(),
            utoipa::openapi::RefOr::Ref(_) => String::new(),
        };
        (status.clone(), if about.is_empty() { "Done".to_owned() } else { about })
    });
    Described {
        method,
        path: path.to_owned(),
        summary: operation.summary.clone().unwrap_or_default(),
        parameters: operation.parameters.iter().flatten().map(parameter).collect(),
        body,
        answers: answers.collect(),
    }
}

fn parameter(parameter: &Parameter) -> DescribedParameter {
    let place = match parameter.parameter_in {
        ParameterIn::Path => "path",
        ParameterIn::Query => "query",
        ParameterIn::Header => "header",
        ParameterIn::Cookie => "cookie",
    };
    DescribedParameter { name: parameter.name.clone(), place, about: parameter.description.clone().unwrap_or_default() }
}

/// A schema of the components, as JSON to read.
fn schema(reference: &str) -> Option<String> {
    let name = reference.rsplit('/').next()?;
    let schema = document().components.as_ref()?.schemas.get(name)?;
    serde_json::to_string_pretty(schema).ok()
}
