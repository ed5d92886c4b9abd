//! Bodies of requests and answers of the control API.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::twice::Once;
use crate::front::{Request, Response};
use crate::params;

/// An answer that is large and needs the cloud no more: it is written while others have their turn.
pub struct Later(Box<dyn FnOnce() -> Response + Send>);

impl Later {
    pub(super) fn new(write: impl FnOnce() -> Response + Send + 'static) -> Self {
        Self(Box::new(write))
    }

    /// Writes it.
    pub fn write(self) -> Response {
        (self.0)()
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

pub(super) fn answer(body: &Value) -> Response {
    Response::json(200, body)
}

pub(super) fn refuse(status: u16, why: impl std::fmt::Display) -> Response {
    Response::json(status, &json!({ "error": why.to_string() }))
}

/// The body, which has to be an object, as what it says.
pub(super) fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    let invalid = |error| refuse(400, format!("the body is not valid: {error}"));
    let body: &[u8] = if request.body.is_empty() {
        b"{}"
    } else {
        &request.body
    };
    serde_json::from_slice::<Once>(body).map_err(invalid)?;
    let mut from = serde_json::Deserializer::from_slice(body);
    params::object::read(&mut from).map_err(invalid)
}

/// Refuses a body where none is looked at. An empty object says nothing, and some clients send
/// nothing else.
pub(super) fn no_body(request: &Request) -> Result<(), Response> {
    let text = String::from_utf8_lossy(&request.body);
    if ["", "{}"].contains(&text.trim()) {
        return Ok(());
    }
    let names = match serde_json::from_slice(&request.body) {
        Ok(Value::Object(members)) => members.keys().cloned().collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let what = if names.is_empty() { "it" } else { &names };
    let (method, path) = (&request.method, &request.path);
    Err(refuse(
        400,
        format!("{method} {path} takes no body: nothing looks at {what}"),
    ))
}

/// Refuses a query where none is looked at.
pub(super) fn no_query(request: &Request) -> Result<(), Response> {
    let pairs = params::pairs(&request.query);
    match pairs.first() {
        None => Ok(()),
        Some((name, _)) => Err(refuse(
            400,
            format!(
                "{} {} takes no query: nothing looks at {name}; what is to be changed stands in the body",
                request.method, request.path
            ),
        )),
    }
}
