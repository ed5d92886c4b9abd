//! How often an account may ask.

use std::time::Duration;

use ess_emulator::state::call::Service;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::account::Account;
use crate::findings::{Findings, ProbeError};

/// What is asked: reads of which who attends to updates makes the most.
pub const ASKED: [(Service, &str); 3] = [
    (Service::Oos, "ListExecutions"),
    (Service::Ess, "DescribeScalingGroups"),
    (Service::Ess, "DescribeScalingInstances"),
];
/// No more calls than this are made in a minute.
pub const MOST: u32 = 3_000;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

pub(crate) fn find(account: &mut dyn Account, findings: &mut Findings) {
    for (service, action) in ASKED {
        let name = format!("{} {action}", service.name());
        let found = rate(account, service, action);
        findings.keep(&[&format!("rates.{name}")], found, |all, rate| {
            all.rates.insert(name.clone(), rate);
        });
    }
}

/// Calls of one minute until the limit is reached. A minute without any goes before it and after it.
fn rate(
    account: &mut dyn Account,
    service: Service,
    action: &'static str,
) -> Result<u32, ProbeError> {
    let parameters = match action {
        "DescribeScalingInstances" => json!({"ScalingGroupId": "asg-nobody"}),
        _ => Value::from(serde_json::Map::new()),
    };
    let rest = Duration::from_secs(61);
    account.sleep(rest);
    let began = account.now();
    let mut made = 0;
    let found = loop {
        match account.call_once(service, action, &parameters) {
            Err(error) if error.is_throttled() => break Ok(made),
            Err(error) if !error.is_refusal() => break Err(error.into()),
            // A group that is not there is an answer.
            Ok(_) | Err(_) => made += 1,
        }
        if made >= MOST || account.now().duration_since(began) >= MINUTE {
            let text = format!("{made} calls in a minute were all answered");
            break Err(ProbeError::Unknown(text));
        }
    };
    account.sleep(rest);
    found
}
