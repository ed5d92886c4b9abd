//! Words that say nothing by themselves: a secret that is one is found wherever somebody uses the
//! word, and whoever hid it there would tell what it is, and make calls unreadable.

use std::sync::LazyLock;

use crate::api::Api;

/// Of the language of templates, and values that parameters and members of the APIs have.
const LANGUAGE: &str = "true false null True False FormatVersion OOS-2019-06-01 Description Parameters RamRole Tasks \
    Outputs Conditions Rules Type Default AllowedValues AllowedPattern MinLength MaxLength MinValue MaxValue NoEcho \
    Required Label AssociationProperty String Number Boolean List Json Name Action Properties Loop RateControl Mode \
    Concurrency MaxErrors Batch BatchPauseOption Items AggregateType TaskLoopItem When OnError OnSuccess OnCancel \
    Retries DelayType Delay BackOff Constant Linear Exponential ValueSelector ValueType ItemValue DesiredValues \
    PropertySelector Service API NotifyType WebHook URI URL Headers Content Mail SMS Subject Message Receivers Choices \
    NextTask Duration Approvers MinRequiredApprovals Filters ResourceIds Tags All Automatic FailurePause Debug \
    FirstBatchPause EveryBatchPause Skip ConfirmEveryHighRiskAction Secret StringList Started Queued Running Waiting \
    Success Failed Cancelled Approve Reject Resume Retry Pending Starting Stopping Stopped Deleted Available InService \
    Standby Protected Active Inactive Enabled Disabled enabled disabled Finished Linux Windows windows linux \
    RunShellScript RunPythonScript RunBatScript RunPowerShellScript Base64 PlainText Once ECS ESS OOS ECI STS SLB ALB \
    NLB CMS cloud_efficiency cloud_essd cloud_ssd cloud_auto GET POST HTTP HTTPS TCP UDP http https";

/// The words of templates, and of values that the APIs have.
pub(crate) fn of_language() -> impl Iterator<Item = &'static str> {
    LANGUAGE.split_whitespace()
}

/// Digits of a number that is used for anything: a size, a port, a number of seconds.
const DIGITS: usize = 5;

static ALL: LazyLock<String> = LazyLock::new(|| {
    let mut all = LANGUAGE.to_owned();
    for api in Api::ALL {
        for action in api.actions() {
            all.push('\n');
            all.push_str(action);
            for parameter in api.parameters(action).unwrap_or_default() {
                all.push(' ');
                all.push_str(parameter);
            }
        }
    }
    all
});

/// Whether a text is, or is a part of, a word of the published APIs or of templates, or a number that
/// is used for anything.
pub(super) fn is_common(text: &str) -> bool {
    let is_number = text.chars().all(|c| c.is_ascii_digit());
    let is_word = !text.is_empty() && !text.contains(char::is_whitespace);
    (is_number && text.len() <= DIGITS) || (is_word && ALL.contains(text))
}
