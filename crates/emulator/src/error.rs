//! The error that a call to an emulated service ends with, in the service's own terms.

use serde_json::Value;

/// A refusal as the real services word it: HTTP status, `Code` and `Message`. The front adds
/// `RequestId`, `HostId` and `Recommend`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Of the HTTP answer.
    pub status: u16,
    /// By which clients tell errors apart.
    pub code: String,
    /// For people.
    pub message: String,
    /// The `AccessDeniedDetail` object that RAM denials carry.
    pub access_denied_detail: Option<Box<Value>>,
    /// The request id of the call that failed, once one was given out. Template tasks show it in
    /// their `StatusMessage`.
    pub request_id: Option<String>,
    /// The header `x-acs-retry-after` of throttling answers, in milliseconds.
    pub retry_after_millis: Option<u64>,
}

impl ApiError {
    /// One that says no more than these three.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            access_denied_detail: None,
            request_id: None,
            retry_after_millis: None,
        }
    }
}
