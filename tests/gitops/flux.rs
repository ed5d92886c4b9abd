//! What Flux concludes by the expressions in config/flux.

use ess_rollout_test_support::source_root;
use ess_rollout_validation::cel;
use serde_json::Value;

use crate::kept;

/// The health checks of a directory below config/.
pub struct HealthChecks(Vec<Value>);

impl HealthChecks {
    pub fn read(directory: &str) -> Self {
        let patch = kept::read(
            &source_root()
                .join("config")
                .join(directory)
                .join("health-checks.yaml"),
        );
        Self::of(&patch["spec"])
    }

    /// Of the spec of a Kustomization of Flux.
    pub fn of(spec: &Value) -> Self {
        Self(spec["healthCheckExprs"].as_array().unwrap().clone())
    }

    /// As Flux goes about it: another generation is waited for, then the first of the three that holds, else it is waited. What
    /// cannot be evaluated, such as a field that is not there, is Unknown, and waited for too.
    pub fn verdict(&self, object: &Value) -> &'static str {
        let mine = |check: &&Value| {
            check["kind"] == object["kind"] && check["apiVersion"] == object["apiVersion"]
        };
        let check = self
            .0
            .iter()
            .find(mine)
            .expect("an expression for each kind");
        let (observed, generation) = (
            &object["status"]["observedGeneration"],
            &object["metadata"]["generation"],
        );
        if observed.is_i64() && generation.is_i64() && observed != generation {
            return "InProgress";
        }
        for (field, verdict) in [
            ("inProgress", "InProgress"),
            ("failed", "Failed"),
            ("current", "Current"),
        ] {
            let Some(expression) = check[field].as_str() else {
                assert_ne!(field, "current", "Flux takes none without");
                continue;
            };
            match cel::holds(expression, object) {
                Ok(true) => return verdict,
                Ok(false) => {}
                Err(_) => return "Unknown",
            }
        }
        "InProgress"
    }
}
