//! The table, and what may not be in a message.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::json;

use super::*;
use crate::call::Call;

const NOTIFY: Failed = Failed {
    service: Service::Oos,
    action: "NotifyExecution",
    lane: Lane::Mutation,
};
const SUSPEND: Failed = Failed {
    service: Service::Ess,
    action: "SuspendProcesses",
    lane: Lane::Mutation,
};
const DESCRIBE: Failed = Failed {
    service: Service::Ess,
    action: "DescribeScalingGroups",
    lane: Lane::Read,
};

fn response(status: u16, body: &str) -> WireResponse {
    WireResponse {
        status,
        headers: HeaderMap::new(),
        body: body.as_bytes().to_vec(),
    }
}

fn refusal(status: u16, code: &str) -> WireResponse {
    let body = json!({"RequestId": "R-1", "HostId": "h", "Code": code, "Message": "why"});
    response(status, &body.to_string())
}

#[test]
fn codes_have_the_classes_that_decisions_rest_on() {
    use ErrorClass::*;
    for (status, code, class) in [
        (400, "Throttling", Throttled),
        (503, "Throttling.User", Throttled),
        (429, "Rejected.Throttling", Throttled),
        (503, "ServiceUnavailable", Retry),
        (500, "InternalError.Dependency", Retry),
        (400, "MissingParameter", Invalid),
        (400, "InvalidParameter.RoleArn", Invalid),
        (400, "InvalidParamter", Invalid),
        (400, "IdempotentParameterMismatch", TokenMismatch),
        (400, "SignatureDoesNotMatch", Unauthenticated),
        (400, "InvalidTimeStamp.Expired", Unauthenticated),
        (404, "InvalidAccessKeyId.NotFound", Unauthenticated),
        (403, "InvalidSecurityToken.Expired", Unauthenticated),
        (403, "Forbidden.RAM", Denied),
        (403, "NoPermission", Denied),
        (404, "InvalidAction.NotFound", Invalid),
        (404, "InvalidRegionId.NotFound", Invalid),
        (400, "ResourceNotAvailable", Invalid),
        (400, "IncorrectScalingGroupStatus", Conflict),
        (400, "ScalingActivityInProgress", Conflict),
        (400, "BackendServer.configuring", Conflict),
        (404, "EntityNotExists.Template", NotFound),
        (404, "InvalidScalingGroupId.NotFound", NotFound),
        // Not in the table: by status.
        (400, "Surprise", Invalid),
        (403, "Surprise", Denied),
        (409, "Surprise", Conflict),
        (502, "Surprise", Retry),
    ] {
        let error = SUSPEND.answer(&refusal(status, code), &[]);
        assert_eq!(error.class, class, "{status} {code}");
        assert_eq!(error.code, code);
        assert_eq!(error.request_id.as_deref(), Some("R-1"));
    }
}

/// OOS does not publish the codes of "moved on meanwhile".
#[test]
fn an_unknown_refusal_to_notify_says_look_again() {
    let error = NOTIFY.answer(&refusal(400, "SomeExecutionState"), &[]);
    assert_eq!(error.class, ErrorClass::Conflict);
    let error = NOTIFY.answer(&refusal(400, "InvalidParameter.NotifyType"), &[]);
    assert_eq!(error.class, ErrorClass::Invalid);
}

#[test]
fn only_a_refusal_proves_that_nothing_happened() {
    for (status, code, outcome) in [
        (400, "InvalidParameter", Outcome::NoEffect),
        (503, "Throttling", Outcome::NoEffect),
        (500, "InternalError", Outcome::Unknown),
        (503, "ServiceUnavailable", Outcome::Unknown),
        (504, "Surprise", Outcome::Unknown),
        // Something on the way sent the request twice.
        (400, "SignatureNonceUsed", Outcome::Unknown),
    ] {
        assert_eq!(
            SUSPEND.answer(&refusal(status, code), &[]).outcome,
            outcome,
            "{code}"
        );
        assert_eq!(
            DESCRIBE.answer(&refusal(status, code), &[]).outcome,
            Outcome::NoEffect
        );
    }
    let lost = TransportError::TimedOut("late".to_owned());
    assert_eq!(SUSPEND.transport(&lost).outcome, Outcome::Unknown);
    let never = TransportError::NotConnected("refused".to_owned());
    assert_eq!(SUSPEND.transport(&never).outcome, Outcome::NoEffect);
}

#[test]
fn a_denial_names_the_missing_action_in_either_form() {
    let detail = json!({"AuthAction": "ess:SuspendProcesses", "PolicyType": "AccountLevel"});
    for detail in [detail.clone(), json!(detail.to_string())] {
        let body = json!({"RequestId": "R", "Code": "Forbidden.RAM", "Message": "no", "AccessDeniedDetail": detail});
        let error = SUSPEND.answer(&response(403, &body.to_string()), &[]);
        assert_eq!(
            error.missing_action.as_deref(),
            Some("ess:SuspendProcesses")
        );
        assert_eq!(
            error.to_string(),
            "ESS SuspendProcesses failed: Forbidden.RAM: no (missing RAM action \
             ess:SuspendProcesses) (request id R)"
        );
    }
}

#[test]
fn a_gateway_may_answer_in_xml_or_in_anything() {
    let xml = "<?xml version='1.0'?><Error><RequestId>R-2</RequestId><Code>Throttling</Code>\
               <Message>slow</Message></Error>";
    let error = SUSPEND.answer(&response(400, xml), &[]);
    assert_eq!(error.class, ErrorClass::Throttled);
    assert_eq!(error.request_id.as_deref(), Some("R-2"));

    for body in [
        "<html>Bad Gateway</html>",
        "",
        "[1,2]",
        "\u{0}\u{1}",
        "null",
    ] {
        let error = SUSPEND.answer(&response(502, body), &[]);
        assert_eq!(error.class, ErrorClass::Retry, "{body:?}");
        assert_eq!(error.outcome, Outcome::Unknown);
        let error = SUSPEND.answer(&response(404, body), &[]);
        assert_eq!(error.class, ErrorClass::Invalid, "{body:?}");
    }
}

#[test]
fn what_was_signed_never_comes_back() {
    let message = "Specified signature is not matched with our calculation. server string to sign \
                   is:ACS3-HMAC-SHA256\nabc123 hunter2";
    let body = json!({"RequestId": "R", "Code": "SignatureDoesNotMatch", "Message": message});
    let error = SUSPEND.answer(&response(400, &body.to_string()), &["hunter2"]);
    assert!(error.message.starts_with("Specified signature"));
    for secret in ["hunter2", "abc123", "ACS3"] {
        assert!(!error.message.contains(secret), "{}", error.message);
    }

    let body = json!({"RequestId": "R", "Code": "X", "Message": "you sent t0ken, and more"});
    let error = SUSPEND.answer(&response(400, &body.to_string()), &["t0ken", ""]);
    assert_eq!(error.message, "you sent …, and more");
}

#[test]
fn a_message_has_a_bound_and_ends_at_a_character() {
    let body = json!({"RequestId": "R", "Code": "X", "Message": "云".repeat(2000)});
    let error = SUSPEND.answer(&response(400, &body.to_string()), &[]);
    assert!(error.message.len() <= MAX_MESSAGE + '…'.len_utf8());
    assert!(error.message.ends_with("云…"));
}

#[test]
fn the_wish_to_be_left_alone_is_in_milliseconds() {
    let mut answer = refusal(429, "Throttling");
    for (value, wait) in [
        ("1500", Some(Duration::from_millis(1500))),
        ("0", None),
        ("-1", None),
        ("soon", None),
        ("99999999999", Some(LONGEST_PAUSE)),
    ] {
        answer
            .headers
            .insert("x-acs-retry-after", value.parse().unwrap());
        assert_eq!(SUSPEND.answer(&answer, &[]).retry_after, wait, "{value}");
    }
}

/// Services repeat what they refuse. What others may not read of it is cut out, however it was sent.
#[test]
fn a_refusal_does_not_repeat_what_was_sent_for_containers_or_scripts() {
    let variables = json!([{"Name": "app", "Image": "app:v2", "Arg": ["--key", "s3cr3t-argument"],
        "EnvironmentVar": [{"Key": "DB_PASSWORD", "Value": "hunter2-and-more"}]}]);
    let parameters = json!({"containerConfigure": variables, "invokeScript": "login hunter3-in-script",
        "scalingGroupId": "asg-1"});
    let start = Call::new(
        Service::Oos,
        "StartExecution",
        Lane::Mutation,
        "cn-hangzhou",
    )
    .with("Parameters", parameters.to_string());
    let modify = Call::new(
        Service::Ess,
        "ModifyEciScalingConfiguration",
        Lane::Mutation,
        "cn-hangzhou",
    )
    .with("Containers.1.EnvironmentVars.1.Value", "hunter2-and-more")
    .with("Containers.1.Args.2", "s3cr3t-argument")
    .with("Containers.1.Image", "app:v2");
    let message =
        "asg-1 app:v2: hunter2-and-more, s3cr3t-argument or login hunter3-in-script is wrong";
    let body =
        json!({"RequestId": "R", "Code": "InvalidParameter", "Message": message}).to_string();
    for (call, values) in [(&start, 3), (&modify, 2)] {
        let private = call.private_values();
        assert_eq!(private.len(), values, "{private:?}");
        let private: Vec<&str> = private.iter().map(String::as_str).collect();
        let text = call
            .failed()
            .answer(&response(400, &body), &private)
            .to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("s3cr3t"),
            "{text}"
        );
        assert!(text.contains("asg-1 app:v2: …, …"), "{text}");
    }
}
