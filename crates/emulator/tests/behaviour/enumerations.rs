//! Parameters of OOS with a fixed set of values: any other value is refused, and filters nothing away
//! in silence.

use serde_json::json;

use crate::support::{oos, small};

#[test]
fn a_value_that_is_none_of_those_there_are_is_refused() {
    let mut cloud = small("");
    for (action, name, wrong, right) in [
        ("DeleteExecutions", "Force", "zzz", "true"),
        ("ListExecutions", "IncludeChildExecution", "zzz", "true"),
        ("ListExecutions", "Depth", "zzz", "RootDepth"),
        ("ListExecutions", "Status", "Runing", "Pending"),
        ("ListExecutions", "Mode", "Manual", "Debug"),
        ("ListExecutions", "Category", "Timer", "TimerTrigger"),
        (
            "ListExecutions",
            "Categories",
            r#"["Other","Timer"]"#,
            r#"["Other","TimerTrigger"]"#,
        ),
        ("ListExecutions", "SortField", "zzz", "EndDate"),
        ("ListExecutions", "SortOrder", "zzz", "Ascending"),
        (
            "ListTaskExecutions",
            "IncludeChildTaskExecution",
            "zzz",
            "false",
        ),
        ("ListTaskExecutions", "Status", "failed", "Failed"),
        ("ListTaskExecutionInvocations", "Status", "Done", "Success"),
        ("ListTemplates", "ShareType", "Shared", "Public"),
        ("ListTemplates", "TemplateType", "Automatic", "Automation"),
        ("ListTemplates", "TemplateFormat", "yaml", "YAML"),
        ("ListTemplates", "Category", "zzz", "AlarmTrigger"),
        ("ListTemplates", "HasTrigger", "zzz", "true"),
        ("ListTemplates", "IsFavorite", "zzz", "true"),
        ("ListTemplates", "IsExample", "zzz", "true"),
        ("ListTemplateVersions", "ShareType", "zzz", "Private"),
        ("DeleteTemplates", "AutoDeleteExecutions", "zzz", "false"),
        ("ListParameters", "Type", "Secret", "StringList"),
        ("ListParameters", "ShareType", "zzz", "Private"),
        ("ListParameters", "Recursive", "zzz", "true"),
        ("GetSecretParameters", "WithDecryption", "zzz", "true"),
        ("ListTagKeys", "ResourceType", "zzz", "execution"),
        ("DescribeRegions", "AcceptLanguage", "xx", "zh-CN"),
    ] {
        let ask = |value: &str| {
            let mut ask = match action {
                "DeleteExecutions" => json!({"ExecutionIds": "[]"}),
                "ListTaskExecutionInvocations" => json!({"TaskExecutionId": "t"}),
                "ListTemplateVersions" => json!({"TemplateName": "ACS-ECS-BulkyRunCommand"}),
                "DeleteTemplates" => json!({"TemplateNames": "[]"}),
                "GetSecretParameters" => json!({"Names": "[]"}),
                _ => json!({}),
            };
            ask[name] = json!(value);
            ask
        };
        let refused = oos(&mut cloud, action, ask(wrong)).expect_err(name);
        assert_eq!(
            refused.code, "InvalidParameter",
            "{action} {name}: {refused}"
        );
        assert!(refused.message.contains(name), "{action} {name}: {refused}");
        let taken = oos(&mut cloud, action, ask(right));
        assert!(taken.is_ok(), "{action} {name}: {taken:?}");
    }
    let ids = json!({"ExecutionIds": "[5]"});
    let refused = oos(&mut cloud, "DeleteExecutions", ids).unwrap_err();
    assert_eq!(refused.code, "InvalidParameter");
}
