//! Signatures: ACS3-HMAC-SHA256, and HMAC-SHA1 version 1.0, which the command line and older SDKs
//! send. Decided by the `Authorization` header alone: clients with version 1.0 send `x-acs-action`
//! and `x-acs-version` headers, too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::http::Request;
use crate::error::ApiError;
use crate::params::pairs;
use crate::secrets::percent_encoded as encode;
use crate::state::ram::{AccessKey, Ram};

/// How far the date of a request may be from the wall clock.
const SKEW: SignedDuration = SignedDuration::from_mins(15);

fn refuse(status: u16, code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(status, code, message)
}

/// Which signature a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    V3,
    V1,
    Unsigned,
}

impl Scheme {
    pub fn of(request: &Request, params: &[(String, String)]) -> Self {
        if request
            .header("authorization")
            .is_some_and(|a| a.starts_with("ACS3-HMAC-SHA256"))
        {
            Self::V3
        } else if params.iter().any(|(name, _)| name == "Signature") {
            Self::V1
        } else {
            Self::Unsigned
        }
    }
}

/// A signature that was found right: the key, and the nonce that must be new.
#[derive(Debug)]
pub struct Verified<'a> {
    pub key: &'a AccessKey,
    pub nonce: String,
}

/// Checks a request against the keys and the wall clock. Whether the nonce is new is left to the
/// caller, so that a refused request does not use it up.
pub fn verify<'a>(
    ram: &'a Ram,
    request: &Request,
    params: &[(String, String)],
    wall_now: Timestamp,
) -> Result<Verified<'a>, ApiError> {
    match Scheme::of(request, params) {
        Scheme::V3 => verify_v3(ram, request, wall_now),
        Scheme::V1 => verify_v1(ram, request, params, wall_now),
        Scheme::Unsigned => Err(refuse(
            400,
            "MissingAccessKeyId",
            "AccessKeyId is mandatory for this action.",
        )),
    }
}

fn incomplete(what: &str) -> ApiError {
    refuse(
        400,
        "IncompleteSignature",
        format!("The request signature does not conform to Alibaba Cloud standards: {what}."),
    )
}

fn verify_v3<'a>(
    ram: &'a Ram,
    request: &Request,
    wall_now: Timestamp,
) -> Result<Verified<'a>, ApiError> {
    let authorization = request.header("authorization").unwrap_or_default();
    let fields = authorization
        .strip_prefix("ACS3-HMAC-SHA256 ")
        .unwrap_or_default();
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| incomplete(&format!("the Authorization header has no {name}")))
    };
    let (id, signed, signature) = (
        field("Credential")?,
        field("SignedHeaders")?,
        field("Signature")?,
    );
    let key = access_key(ram, id)?;
    let header = |name: &str| {
        request
            .header(name)
            .ok_or_else(|| incomplete(&format!("the header {name} is missing")))
    };
    check_date(header("x-acs-date")?, wall_now)?;
    check_token(key, request.header("x-acs-security-token"), wall_now)?;
    let nonce = header("x-acs-signature-nonce")?.to_owned();

    let names: Vec<&str> = signed.split(';').collect();
    let must = |name: &str| {
        name == "host"
            || name.starts_with("x-acs-")
            || (name == "content-type" && !request.body.is_empty())
    };
    if let Some((unsigned, _)) = request
        .headers
        .iter()
        .find(|(name, _)| must(name) && !names.contains(&name.as_str()))
    {
        return Err(incomplete(&format!("the header {unsigned} is not signed")));
    }
    let payload = hex(&Sha256::digest(&request.body));
    let (canonical, hash) = canonical_v3(request, &names, &payload)?;
    let claimed = request
        .header("x-acs-content-sha256")
        .is_none_or(|h| h == payload);
    let mut mac = mac::<Hmac<Sha256>>(key.secret.as_bytes());
    mac.update(format!("ACS3-HMAC-SHA256\n{hash}").as_bytes());
    let right = unhex(signature).is_some_and(|s| mac.verify_slice(&s).is_ok());
    if right && claimed {
        Ok(Verified { key, nonce })
    } else {
        Err(refuse(
            400,
            "SignatureDoesNotMatch",
            format!(
                "Specified signature is not matched with our calculation. server string to sign is: ACS3-HMAC-SHA256\n{hash}; server canonicalRequest is: {canonical}"
            ),
        ))
    }
}

/// (canonical request, its hash). `names` are the signed headers in the client's order, which the
/// signature covers as it stands.
fn canonical_v3(
    request: &Request,
    names: &[&str],
    payload: &str,
) -> Result<(String, String), ApiError> {
    let mut headers = String::new();
    for name in names {
        let value = request
            .header(name)
            .ok_or_else(|| incomplete(&format!("the signed header {name} is missing")))?;
        headers.push_str(&format!("{name}:{}\n", value.trim()));
    }
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{payload}",
        request.method,
        request.path,
        canonical_query(pairs(&request.query)),
        names.join(";"),
    );
    let hash = hex(&Sha256::digest(canonical.as_bytes()));
    Ok((canonical, hash))
}

fn canonical_query(mut pairs: Vec<(String, String)>) -> String {
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn verify_v1<'a>(
    ram: &'a Ram,
    request: &Request,
    params: &[(String, String)],
    wall_now: Timestamp,
) -> Result<Verified<'a>, ApiError> {
    let get = |name: &str| {
        params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    };
    let need = |name: &str| {
        get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| incomplete(&format!("the parameter {name} is missing")))
    };
    let id = get("AccessKeyId")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| {
            refuse(
                400,
                "MissingAccessKeyId",
                "AccessKeyId is mandatory for this action.",
            )
        })?;
    let key = access_key(ram, id)?;
    if need("SignatureMethod")? != "HMAC-SHA1" || need("SignatureVersion")? != "1.0" {
        return Err(incomplete(
            "only HMAC-SHA1 version 1.0 and ACS3-HMAC-SHA256 are known",
        ));
    }
    let nonce = need("SignatureNonce")?.to_owned();
    check_date(need("Timestamp")?, wall_now)?;
    check_token(key, get("SecurityToken"), wall_now)?;
    let signed = params
        .iter()
        .filter(|(name, _)| name != "Signature")
        .cloned()
        .collect();
    let string_to_sign = format!(
        "{}&{}&{}",
        request.method,
        encode("/"),
        encode(&canonical_query(signed))
    );
    let mut mac = mac::<Hmac<Sha1>>(format!("{}&", key.secret).as_bytes());
    mac.update(string_to_sign.as_bytes());
    let right = STANDARD
        .decode(need("Signature")?)
        .is_ok_and(|signature| mac.verify_slice(&signature).is_ok());
    if right {
        Ok(Verified { key, nonce })
    } else {
        Err(refuse(
            400,
            "SignatureDoesNotMatch",
            format!(
                "Specified signature is not matched with our calculation. server string to sign is:{string_to_sign}"
            ),
        ))
    }
}

fn mac<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of every length")
}

fn access_key<'a>(ram: &'a Ram, id: &str) -> Result<&'a AccessKey, ApiError> {
    let key = ram.keys.get(id).ok_or_else(|| {
        refuse(
            404,
            "InvalidAccessKeyId.NotFound",
            "Specified access key is not found.",
        )
    })?;
    if key.inactive {
        return Err(refuse(
            400,
            "InvalidAccessKeyId.Inactive",
            "Specified access key is disabled.",
        ));
    }
    Ok(key)
}

fn check_date(text: &str, wall_now: Timestamp) -> Result<(), ApiError> {
    let well_formed = text.len() == 20 && text.ends_with('Z');
    let date: Timestamp = text.parse().ok().filter(|_| well_formed).ok_or_else(|| {
        refuse(
            400,
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted: YYYY-MM-DDThh:mm:ssZ is needed.",
        )
    })?;
    if date.duration_since(wall_now).abs() > SKEW {
        return Err(refuse(
            400,
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        ));
    }
    Ok(())
}

fn check_token(key: &AccessKey, sent: Option<&str>, wall_now: Timestamp) -> Result<(), ApiError> {
    match (&key.security_token, sent.filter(|t| !t.is_empty())) {
        (None, None) => return Ok(()),
        (Some(_), None) => {
            return Err(refuse(
                400,
                "MissingSecurityToken",
                "SecurityToken is mandatory for this action.",
            ));
        }
        (Some(right), Some(sent)) if right == sent => {}
        (_, Some(_)) => {
            return Err(refuse(
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            ));
        }
    }
    if key.expires_at.is_some_and(|at| at <= wall_now) {
        return Err(refuse(
            400,
            "InvalidSecurityToken.Expired",
            "Specified SecurityToken is expired.",
        ));
    }
    Ok(())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok())
        .collect()
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
