//! Signature version 3 (`ACS3-HMAC-SHA256`): pure, so that it can be held against vectors.
//!
//! Unlike AWS SigV4 there is no key derivation and no date or region scope: the secret is the key,
//! as it is.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::credentials::provider::Credentials;

/// RFC 3986: only unreserved characters stay. A space is `%20`, never `+`; `*` is `%2A`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The one content type that this client sends.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Percent-encodes one name or value the way the signature wants it.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Encodes parameters as a query string or form body: encoded, sorted by encoded name, an empty
/// value as `name=`.
pub(crate) fn form<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut pairs: Vec<(String, String)> = parameters
        .into_iter()
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

/// What is to be signed: everything of a request that the service checks.
#[derive(Clone, Copy)]
pub(crate) struct Unsigned<'a> {
    /// As the `host` header will be: with the port if it is not the scheme's own.
    pub host: &'a str,
    /// `StartExecution`, ….
    pub action: &'a str,
    /// `2019-06-01`, ….
    pub version: &'a str,
    /// The query string, canonical already ([`form`]).
    pub query: &'a str,
    /// The body; `content-type` is sent and signed when there is one.
    pub body: &'a str,
    /// UTC, `YYYY-MM-DDThh:mm:ssZ`.
    pub date: &'a str,
    /// Never used before: the service refuses the second use.
    pub nonce: &'a str,
}

/// The signed request's headers.
pub(crate) struct Signed {
    /// Every header that was signed except `host`, and `authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// SHA-256 of the canonical request; only the test vectors look at it.
    #[cfg_attr(not(test), allow(dead_code))]
    pub hash: String,
    /// The signature, so that it can be cut out of messages.
    pub signature: String,
}

/// Signs a POST of `/`.
pub(crate) fn sign(request: Unsigned<'_>, credentials: &Credentials) -> Signed {
    let payload = hex(&Sha256::digest(request.body.as_bytes()));
    // In the order of their names, which is the order they are signed in.
    let mut headers: Vec<(&'static str, String)> = Vec::with_capacity(9);
    if !request.body.is_empty() {
        headers.push(("content-type", FORM.to_owned()));
    }
    headers.push(("host", request.host.to_owned()));
    if credentials.security_token.is_some() {
        headers.push(("x-acs-accesskey-id", credentials.access_key_id.clone()));
    }
    headers.push(("x-acs-action", request.action.to_owned()));
    headers.push(("x-acs-content-sha256", payload.clone()));
    headers.push(("x-acs-date", request.date.to_owned()));
    if let Some(token) = &credentials.security_token {
        headers.push(("x-acs-security-token", token.expose_secret().to_owned()));
    }
    headers.push(("x-acs-signature-nonce", request.nonce.to_owned()));
    headers.push(("x-acs-version", request.version.to_owned()));

    let names = headers
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(";");
    let canonical_headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let canonical = format!(
        "POST\n/\n{}\n{canonical_headers}\n{names}\n{payload}",
        request.query
    );
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    let signature = hmac_hex(
        credentials.access_key_secret.expose_secret(),
        &format!("ACS3-HMAC-SHA256\n{hash}"),
    );

    headers.retain(|(name, _)| *name != "host");
    headers.push((
        "authorization",
        // No blanks after the commas: the service does not skip them.
        format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={names},Signature={signature}",
            credentials.access_key_id
        ),
    ));
    Signed {
        headers,
        hash,
        signature,
    }
}

fn hmac_hex(key: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .expect("HMAC takes a key of any length, the empty one included");
    mac.update(message.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
