//! Bodies of requests and answers of the control API.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::front::{Request, Response};

pub(super) fn answer(body: &Value) -> Response {
    Response::json(200, body)
}

pub(super) fn refuse(status: u16, why: impl std::fmt::Display) -> Response {
    Response::json(status, &json!({ "error": why.to_string() }))
}

pub(super) fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Response> {
    let body: &[u8] = if request.body.is_empty() {
        b"{}"
    } else {
        &request.body
    };
    serde_json::from_slice(body)
        .map_err(|error| refuse(400, format!("the body is not valid: {error}")))
}
