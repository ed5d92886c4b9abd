//! Templates, and what stands between double braces.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::oos::Caller;
use ess_emulator::params::nest;
use ess_emulator::state::call::{Call, EssVersion, Outcome, Service};
use jiff::SignedDuration;
use serde_json::{Value, json};

const REGION: &str = "cn-hangzhou";
const ACCOUNT: &str = "1000000000000001";

fn call(cloud: &mut Cloud, action: &str, params: Value) -> Option<Value> {
    let params = params.as_object()?;
    let outcome = cloud.call(Call {
        caller: Caller {
            principal: "admin".into(),
            account_id: ACCOUNT.into(),
        },
        region: REGION.into(),
        service: Service::Oos,
        action: action.into(),
        version: EssVersion::V2022,
        params: nest(params),
        by_oos: false,
        wall_now: cloud.now(),
    });
    match outcome {
        Outcome::Answered(Ok(answer)) | Outcome::AnsweredAt(_, Ok(answer)) => Some(answer),
        Outcome::Answered(Err(error)) | Outcome::AnsweredAt(_, Err(error)) => {
            assert!(error.status < 500, "{action}: {error:?}");
            None
        }
        Outcome::Dropped => None,
    }
}

/// Validated, created, started, and run for an hour of virtual time; what came of it can be listed.
fn run(content: &str) {
    let Some(mut cloud) = Fixture::parse("{}").ok().and_then(|f| Cloud::new(&f).ok()) else {
        unreachable!("an empty fixture");
    };
    call(
        &mut cloud,
        "ValidateTemplateContent",
        json!({"Content": content}),
    );
    let named = json!({"TemplateName": "fuzz", "Content": content});
    if call(&mut cloud, "CreateTemplate", named).is_none() {
        return;
    }
    call(
        &mut cloud,
        "StartExecution",
        json!({"TemplateName": "fuzz"}),
    );
    cloud.advance_to(cloud.now() + SignedDuration::from_hours(1));
    let Some(listed) = call(&mut cloud, "ListExecutions", json!({})) else {
        return;
    };
    for execution in listed["Executions"].as_array().into_iter().flatten() {
        let id = &execution["ExecutionId"];
        call(&mut cloud, "ListTaskExecutions", json!({"ExecutionId": id}));
    }
}

/// A whole template, in YAML or JSON.
pub fn template(data: &[u8]) {
    if let Ok(content) = std::str::from_utf8(data) {
        run(content);
    }
}

/// An output: a jq program in the first line, its input as JSON in the rest; and the same as an expression of its own.
pub fn functions(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (program, input) = text.split_once('\n').unwrap_or((text, "null"));
    let input: Value = serde_json::from_str(input).unwrap_or_else(|_| json!(input));
    let content = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [{"Name": "wait", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
        "Outputs": {
            "all": {"Type": "String", "Value": {"Fn::Jq": ["All", program, input]}},
            "own": {"Type": "String", "Value": input},
        },
    });
    run(&content.to_string());
}
