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
    NLB CMS cloud_efficiency cloud_essd cloud_ssd cloud_auto GET POST HTTP HTTPS TCP UDP http https \
    exec- task-exec- asg- asc- asa- ash- asr- eci- lat- oos oos-secret oos:name ACS::ExecuteAPI ACS::WaitFor ACS::CheckFor ACS::Choice ACS::Template ACS::SelectTargets \
    ACS::Approve ACS::Pause ACS::Sleep ACS::Notify ACS::TimerTrigger ACS::EventTrigger ACS::AlarmTrigger ACS::END \
    ACS::NEXT ACS::ECS::RunCommand ACS::ESS::RunCommand ACS::TaskLoopItem ACS::RegionId ACS::AccountId ACS::UserId \
    ACS::ExecuteUser ACS::ExecutionId ACS::TemplateName ACS::CurrentDate ACS::CurrentUTCTime Fn::Jq Fn::If Fn::Equals \
    Fn::Not Fn::And Fn::Or Fn::Min Fn::Max Fn::Eval Fn::Select Fn::RangeSelect Fn::First Fn::Last Fn::MergeMap \
    Fn::MergeMapToList Fn::ConvertMapToList Fn::MapJoin Fn::ListJoin Fn::Union Fn::Intersection Fn::Difference \
    Fn::Base64Encode Fn::Base64Decode Fn::Join Fn::ContainsSubString Fn::Split Fn::Replace Fn::Sub Fn::Escape \
    Fn::IsIpInCIDR Fn::AddHour Fn::FormatUTCTime Fn::DurationBetween Fn::CalculateBatch select from_entries length \
    first last unique_by sort_by group_by min_by max_by reverse keys_unsorted contains type tonumber fromjson empty \
    error startswith endswith ltrimstr rtrimstr ascii_downcase ascii_upcase test floor ceil round flatten values strings \
    map_values tostring tojson to_entries with_entries join split gsub implode match explode indices";

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
    all.make_ascii_lowercase();
    all
});

/// Whether a text is, or is a part of, a word of the published APIs or of templates in any case of letters
/// (members of answers begin small in `GET state`), or a number that is used for anything.
pub(super) fn is_common(text: &str) -> bool {
    let is_number = text.chars().all(|c| c.is_ascii_digit());
    let is_word = !text.is_empty() && !text.contains(char::is_whitespace);
    (is_number && text.len() <= DIGITS) || (is_word && ALL.contains(&text.to_ascii_lowercase()))
}
