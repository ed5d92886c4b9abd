//! Script updates of Windows groups.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{SMALL, children, cloud, execution, member, pass, start};

const TEMPLATE: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";

fn windows() -> Cloud {
    cloud(&SMALL.replace("{imageId: m-1}\n", "{imageId: m-1, osType: windows}\n"))
}

fn parameters(more: Value) -> Value {
    let mut all = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "Get-Date",
        "rollbackScript": "Get-Date", "batchNumber": 1,
    });
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    all
}

#[test]
fn batch_and_powershell_scripts_run_and_shell_scripts_do_not() {
    for (kind, want) in [
        ("RunBatScript", "Success"),
        ("RunPowerShellScript", "Success"),
        ("RunShellScript", "Failed"),
    ] {
        let mut cloud = windows();
        let ask = parameters(json!({"commandType": kind}));
        let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
        pass(&mut cloud, 3600);
        assert_eq!(execution(&mut cloud, &root)["Status"], want, "{kind}");
    }
    // On Linux it is the other way round.
    let mut cloud = cloud(SMALL);
    let ask = parameters(json!({"commandType": "RunBatScript"}));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Failed");
}

#[test]
fn a_rollback_is_a_shell_script_whatever_it_is_told() {
    let mut cloud = windows();
    let ask = parameters(json!({"commandType": "RunPowerShellScript"}));
    let source = start(&mut cloud, "Automatic", TEMPLATE, &ask);
    pass(&mut cloud, 3600);
    let ask = parameters(json!({
        "invokeType": "rollback", "sourceExecutionId": source,
        "commandType": "RunPowerShellScript",
    }));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Failed");
    let child = children(&mut cloud, &root)[0].clone();
    assert_eq!(child["Parameters"]["commandType"], "RunShellScript");
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "Standby");
}
