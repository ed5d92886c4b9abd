//! What an answer says. Of its body nothing is kept but numbers, a verdict with one line of text, and what Prometheus says of a
//! faulty expression.

use ess_rollout_core::endpoints::{EndpointAnswer, WebhookVerdict};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// So many values are kept: one is wanted.
const VALUES: usize = 2;
/// The most characters of a webhook's reason, and of what is said of an expression.
const TEXT: usize = 200;

/// Why there is no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// A word.
    pub(super) code: String,
    /// In a sentence.
    pub(super) message: String,
    /// Whether only a person can mend it.
    pub(super) needs_person: bool,
    /// Whether the endpoint is to be left alone for it.
    pub(super) unreachable: bool,
}

impl Failure {
    /// One that may be over the next time.
    pub(super) fn passing(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            needs_person: false,
            unreachable: false,
        }
    }

    /// One for which the endpoint is left alone.
    pub(super) fn unreachable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            unreachable: true,
            ..Self::passing(code, message)
        }
    }

    /// One that only a person can mend.
    pub(super) fn of_person(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            needs_person: true,
            ..Self::passing(code, message)
        }
    }

    pub(super) fn timeout() -> Self {
        Self::unreachable("timeout", "it has not answered in time")
    }
}

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Prometheus<'a> {
    #[serde(rename_all = "camelCase")]
    Success {
        #[serde(borrow)]
        data: Data<'a>,
        #[serde(default)]
        warnings: Vec<IgnoredAny>,
    },
    #[serde(rename_all = "camelCase")]
    Error {
        #[serde(default)]
        error_type: String,
        #[serde(default)]
        error: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data<'a> {
    Scalar((IgnoredAny, String)),
    Vector(Vec<Series>),
    Matrix(IgnoredAny),
    String(IgnoredAny),
    #[serde(skip)]
    #[allow(dead_code, reason = "the lifetime of the whole")]
    Never(&'a ()),
}

#[derive(Deserialize)]
struct Series {
    /// Absent: of a native histogram.
    value: Option<(IgnoredAny, String)>,
}

/// What Prometheus answers to an expression.
pub(super) fn measured(status: u16, body: &[u8]) -> Result<EndpointAnswer, Failure> {
    match status {
        401 | 403 => return Err(refused(status)),
        200..=299 | 400 | 422 | 503 => {}
        _ => return Err(of_status(status)),
    }
    let answer = match serde_json::from_slice(body) {
        Ok(answer) => answer,
        Err(_) if status >= 300 => return Err(of_status(status)),
        Err(_) => {
            return Err(Failure::passing(
                "bad-answer",
                "its answer is not Prometheus's",
            ));
        }
    };
    match answer {
        Prometheus::Success { data, warnings } => values(data, !warnings.is_empty()),
        Prometheus::Error { error_type, error } => Err(match error_type.as_str() {
            "bad_data" => Failure::of_person(
                "bad-query",
                format!("the query is refused: {}", line(&error)),
            ),
            // Of what the data is at the time: two series where one is asked for.
            "execution" => Failure::passing("execution", "the query cannot be evaluated"),
            "timeout" | "canceled" => Failure::timeout(),
            _ => of_status(status),
        }),
    }
}

fn values(data: Data<'_>, partial: bool) -> Result<EndpointAnswer, Failure> {
    let number = |text: &str| {
        let spelled = match text {
            "+Inf" => "inf",
            "-Inf" => "-inf",
            text => text,
        };
        let failed = |_| Failure::passing("bad-answer", "its answer holds a value that is none");
        spelled.parse::<f64>().map_err(failed)
    };
    let of_another_type = |what| {
        let message = format!("the query comes to {what}, and one number is asked for");
        Err(Failure::of_person("bad-query", message))
    };
    let (texts, series) = match data {
        Data::Scalar((_, text)) => (vec![text], 1),
        Data::Vector(all) => {
            let series = all.len();
            let mut texts = Vec::new();
            for one in all.into_iter().take(VALUES) {
                match one.value {
                    Some((_, text)) => texts.push(text),
                    None => return of_another_type("a histogram"),
                }
            }
            (texts, series)
        }
        Data::Matrix(_) => return of_another_type("a range of values"),
        Data::String(_) => return of_another_type("a string"),
        Data::Never(()) => return of_another_type("nothing"),
    };
    let values: Result<Vec<f64>, Failure> = texts.iter().map(|text| number(text)).collect();
    Ok(EndpointAnswer::Measured {
        values: values?,
        series,
        partial,
    })
}

#[derive(Deserialize)]
struct Webhook {
    verdict: Word,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
enum Word {
    Pass,
    Fail,
    Wait,
}

/// What a webhook answers.
pub(super) fn said(status: u16, body: &[u8]) -> Result<EndpointAnswer, Failure> {
    match status {
        200 => {}
        401 | 403 => return Err(refused(status)),
        _ => return Err(of_status(status)),
    }
    let answer: Webhook = serde_json::from_slice(body).map_err(|_| {
        Failure::passing(
            "bad-answer",
            r#"its answer is none: {"verdict": "Pass", "Fail" or "Wait", "reason": …}"#,
        )
    })?;
    Ok(EndpointAnswer::Said {
        verdict: match answer.verdict {
            Word::Pass => WebhookVerdict::Pass,
            Word::Fail => WebhookVerdict::Fail,
            Word::Wait => WebhookVerdict::Wait,
        },
        reason: line(&answer.reason),
    })
}

fn refused(status: u16) -> Failure {
    Failure::of_person(
        format!("http-{status}"),
        format!(
            "it refuses the operator ({status}): mend the credentials of the endpoint (chart value gateEndpoints)"
        ),
    )
}

fn of_status(status: u16) -> Failure {
    let message = format!("it answers with {status}");
    match status {
        500..=599 | 429 => Failure::unreachable(format!("http-{status}"), message),
        300..=399 => {
            let message = format!("{message}, a redirect, which is not followed: mend its url");
            Failure::of_person(format!("http-{status}"), message)
        }
        404 | 405 => Failure::of_person(
            format!("http-{status}"),
            format!("{message}: mend its url (chart value gateEndpoints)"),
        ),
        _ => Failure::passing(format!("http-{status}"), message),
    }
}

/// One line of text that is somebody else's, short.
fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let plain: String = plain.take(TEXT).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    fn of(values: &[f64], series: usize, partial: bool) -> Result<EndpointAnswer, String> {
        Ok(EndpointAnswer::Measured {
            values: values.to_vec(),
            series,
            partial,
        })
    }

    fn code<T>(told: Result<T, Failure>) -> Result<T, String> {
        told.map_err(|failure| {
            let person = if failure.needs_person { "!" } else { "" };
            format!("{}{person}", failure.code)
        })
    }

    #[test]
    fn answers_of_prometheus() {
        let vector = |result: &str| {
            format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#
            )
        };
        let one = r#"{"metric":{"job":"a"},"value":[1435781451.781,"0.25"]}"#;
        let cases: [(u16, String, Result<EndpointAnswer, String>); 16] = [
            (200, vector(one), of(&[0.25], 1, false)),
            (200, vector(""), of(&[], 0, false)),
            (200, vector(&[one; 3].join(",")), of(&[0.25, 0.25], 3, false)),
            (200, vector(&one.replace("0.25", "+Inf")), of(&[f64::INFINITY], 1, false)),
            (200, vector(&one.replace("0.25", "x")), Err("bad-answer".to_owned())),
            (200, vector(r#"{"metric":{},"histogram":[1,{}]}"#), Err("bad-query!".to_owned())),
            (
                200,
                r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]},"warnings":["w"],"infos":["i"]}"#.to_owned(),
                of(&[7.0], 1, true),
            ),
            (
                200,
                r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.to_owned(),
                Err("bad-query!".to_owned()),
            ),
            (
                200,
                r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#.to_owned(),
                Err("bad-query!".to_owned()),
            ),
            (
                400,
                r#"{"status":"error","errorType":"bad_data","error":"parse\nerror"}"#.to_owned(),
                Err("bad-query!".to_owned()),
            ),
            (
                422,
                r#"{"status":"error","errorType":"execution","error":"many-to-many"}"#.to_owned(),
                Err("execution".to_owned()),
            ),
            (
                503,
                r#"{"status":"error","errorType":"timeout","error":"late"}"#.to_owned(),
                Err("timeout".to_owned()),
            ),
            (401, "who are you".to_owned(), Err("http-401!".to_owned())),
            (502, "<html>".to_owned(), Err("http-502".to_owned())),
            (302, String::new(), Err("http-302!".to_owned())),
            (200, "<html>".to_owned(), Err("bad-answer".to_owned())),
        ];
        for (status, body, told) in cases {
            assert_eq!(
                code(measured(status, body.as_bytes())),
                told,
                "{status} {body}"
            );
        }
        let nan = measured(200, vector(&one.replace("0.25", "NaN")).as_bytes()).unwrap();
        assert!(matches!(nan, EndpointAnswer::Measured { values, .. } if values[0].is_nan()));
    }

    #[test]
    fn answers_of_webhooks() {
        let says = |verdict, reason: &str| {
            Ok(EndpointAnswer::Said {
                verdict,
                reason: reason.to_owned(),
            })
        };
        use WebhookVerdict::{Fail, Pass, Wait};
        let cases: [(u16, &str, Result<EndpointAnswer, String>); 8] = [
            (200, r#"{"verdict":"Pass"}"#, says(Pass, "")),
            (
                200,
                "{\"verdict\":\"Fail\",\"reason\":\" two\\n\\u001b[31mlines \",\"more\":1}",
                says(Fail, "two  [31mlines"),
            ),
            (200, r#"{"verdict":"Wait","reason":"r"}"#, says(Wait, "r")),
            (200, r#"{"verdict":"pass"}"#, Err("bad-answer".to_owned())),
            (200, "", Err("bad-answer".to_owned())),
            (204, "", Err("http-204".to_owned())),
            (403, "{}", Err("http-403!".to_owned())),
            (500, r#"{"verdict":"Pass"}"#, Err("http-500".to_owned())),
        ];
        for (status, body, told) in cases {
            assert_eq!(code(said(status, body.as_bytes())), told, "{status} {body}");
        }
    }
}
