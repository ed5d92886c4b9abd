//! What was found, for people and for programs.

use std::fmt;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// As it has to be.
    #[serde(rename = "ok")]
    Ok,
    /// The operator works; something that may be wanted does not.
    #[serde(rename = "warn")]
    Warn,
    /// The operator does not work so.
    #[serde(rename = "FAIL")]
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a few words that stay the same.
    pub check: String,
    /// How it ended.
    pub result: Verdict,
    /// What was found, with the reason.
    pub message: String,
    /// What to do; none where nothing needs to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Finding {
    /// As it has to be.
    pub fn ok(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(check, Verdict::Ok, message, None)
    }

    /// Something that may be wanted does not work.
    pub fn warn(
        check: impl Into<String>,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::of(check, Verdict::Warn, message, Some(cure.into()))
    }

    /// The operator does not work so.
    pub fn fail(
        check: impl Into<String>,
        message: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::of(check, Verdict::Fail, message, Some(cure.into()))
    }

    fn of(
        check: impl Into<String>,
        result: Verdict,
        message: impl Into<String>,
        cure: Option<String>,
    ) -> Self {
        Self {
            check: check.into(),
            result,
            message: message.into(),
            cure: cure.filter(|cure| !cure.is_empty()),
        }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// In the order in which they are told.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        let mut results = self.findings.iter().map(|finding| finding.result);
        !results.any(|result| result == Verdict::Fail)
    }

    /// `{"passed": true, "checks": [{"check": …, "result": "ok", "message": …, "cure": …}]}`
    pub fn to_json(&self) -> String {
        let all = serde_json::json!({"passed": self.passed(), "checks": self.findings});
        format!("{all:#}")
    }
}

impl fmt::Display for Report {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let result = match finding.result {
                Verdict::Ok => "ok",
                Verdict::Warn => "warn",
                Verdict::Fail => "FAIL",
            };
            // What a service says may have line ends.
            let message = one_line(&finding.message);
            write!(f, "{result:4}  {}: {message}", finding.check)?;
            match &finding.cure {
                Some(cure) => writeln!(f, "; {}", one_line(cure))?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_one_line_and_only_a_failure_fails() {
        let warned = Report {
            findings: vec![
                Finding::ok("crds", "all are there"),
                Finding::warn("region", "none\nis set", "set one"),
            ],
        };
        assert_eq!(
            warned.to_string(),
            "ok    crds: all are there\nwarn  region: none is set; set one\n"
        );
        assert!(warned.passed());
        let failed = Report {
            findings: vec![Finding::fail("lease", "cannot be read", "")],
        };
        assert_eq!(failed.to_string(), "FAIL  lease: cannot be read\n");
        assert!(!failed.passed());
        let json: serde_json::Value = serde_json::from_str(&failed.to_json()).unwrap_or_default();
        assert_eq!(json["checks"][0]["result"], "FAIL");
        assert_eq!(json["passed"], false);
    }
}
