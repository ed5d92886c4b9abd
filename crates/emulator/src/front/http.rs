//! Requests and answers.

use serde_json::Value;

/// An HTTP request. Header names are lower case; `query` is as it was sent.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET` or `POST`; others are refused.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What follows the `?`, still encoded.
    pub query: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// As it was sent: signatures cover its bytes.
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer that says no more than this.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![(
            "content-type".into(),
            "application/json;charset=utf-8".into(),
        )];
        Self {
            status,
            headers,
            body: body.to_string().into_bytes(),
        }
    }
}
