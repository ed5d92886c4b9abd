//! OOS packages: reading them, and `ACS-ESS-RollingUpdateByConfigureOOSPackage` from end to end.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{
    SMALL, changes_by_oos, children, cloud, code, control, execution, instance, member, oos, pass,
    retry_failed, small, start,
};

const TEMPLATE: &str = "ACS-ESS-RollingUpdateByConfigureOOSPackage";
const PACKAGES: &str = r#"
packages:
  - {name: nginx, versions: 3}
  - {name: ACS-Extension-docker, public: true}
  - {name: foreign, accountId: "2000000000000002"}
"#;

fn parameters(more: Value) -> Value {
    let mut all = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-small", "packageName": "nginx",
        "batchNumber": 3,
    });
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    all
}

fn installed(cloud: &mut Cloud, id: &str) -> Vec<(String, String)> {
    let ask = json!({"InstanceId": id});
    let read = oos(cloud, "ListInstancePackageStates", ask).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    read["PackageStates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (text(&p["TemplateName"]), text(&p["TemplateVersion"])))
        .collect()
}

fn nginx(version: &str) -> Vec<(String, String)> {
    vec![("nginx".to_owned(), version.to_owned())]
}

#[test]
fn packages_are_templates_of_their_own_type() {
    let mut cloud = small(PACKAGES);
    let get = |cloud: &mut _, ask| oos(cloud, "GetTemplate", ask);
    let newest = get(&mut cloud, json!({"TemplateName": "nginx"})).unwrap();
    assert_eq!(newest["Template"]["TemplateType"], "Package");
    assert_eq!(newest["Template"]["TemplateVersion"], "v3");
    assert_eq!(newest["Template"]["ShareType"], "Private");
    let ask = json!({"TemplateName": "nginx", "TemplateVersion": "v1"});
    let first = get(&mut cloud, ask).unwrap();
    assert_ne!(first["Template"]["Hash"], newest["Template"]["Hash"]);
    for unknown in [
        json!({"TemplateName": "nginx", "TemplateVersion": "v4"}),
        json!({"TemplateName": "foreign"}),
    ] {
        assert_eq!(code(get(&mut cloud, unknown)), "EntityNotExists.Template");
    }
    let ask = json!({"TemplateType": "Package"});
    let list = oos(&mut cloud, "ListTemplates", ask).unwrap();
    assert_eq!(list["TotalCount"], 2);
    let ask = json!({"TemplateType": "Package", "ShareType": "Public", "CreatedBy": "ACS"});
    let list = oos(&mut cloud, "ListTemplates", ask).unwrap();
    assert_eq!(list["Templates"][0]["TemplateName"], "ACS-Extension-docker");
    let run = json!({"TemplateName": "nginx"});
    assert_eq!(
        code(oos(&mut cloud, "StartExecution", run)),
        "EntityNotExists.Template"
    );
}

#[test]
fn what_is_installed_is_listed_by_name_and_page() {
    let yaml = SMALL.replace(
        "{count: 3}",
        "{count: 3, packages: {nginx: v1, docker: v9}}",
    );
    let mut cloud = cloud(&format!("{yaml}\n{PACKAGES}"));
    assert_eq!(installed(&mut cloud, "i-small-01").len(), 2);
    let ask = json!({"InstanceId": "i-small-01", "TemplateNames": "[\"nginx\"]"});
    let read = oos(&mut cloud, "ListInstancePackageStates", ask).unwrap();
    assert_eq!(read["PackageStates"].as_array().unwrap().len(), 1);
    assert_eq!(read["PackageStates"][0]["TemplateCategory"], "Package");
    let ask = json!({"InstanceId": "i-small-01", "MaxResults": 1});
    let first = oos(&mut cloud, "ListInstancePackageStates", ask).unwrap();
    let ask = json!({"InstanceId": "i-small-01", "NextToken": first["NextToken"]});
    let second = oos(&mut cloud, "ListInstancePackageStates", ask).unwrap();
    assert_eq!(second["PackageStates"].as_array().unwrap().len(), 1);
    assert_ne!(first["PackageStates"], second["PackageStates"]);
    assert_eq!(installed(&mut cloud, "i-none"), []);
    assert_eq!(
        code(oos(&mut cloud, "ListInstancePackageStates", json!({}))),
        "MissingParameter"
    );
}

#[test]
fn the_newest_version_is_installed_unless_one_is_named() {
    let mut cloud = small(PACKAGES);
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    let ended = execution(&mut cloud, &root);
    assert_eq!(ended["Status"], "Success", "{ended}");
    for n in 1..=3 {
        let id = format!("i-small-0{n}");
        assert_eq!(installed(&mut cloud, &id), nginx("v3"));
        assert_eq!(member(&mut cloud, &id).unwrap().0, "InService");
    }
    let tags = instance(&mut cloud, "i-small-01").unwrap()["Tags"].to_string();
    assert!(tags.contains(&root), "{tags}");
    let child = children(&mut cloud, &root)[0].clone();
    assert_eq!(child["TemplateName"], "ACS::ESS::ConfigureOOSPackage");
    let grandchild = children(&mut cloud, child["ExecutionId"].as_str().unwrap());
    assert_eq!(grandchild[0]["TemplateName"], "ACS::ECS::RunCommand");

    let named = parameters(json!({"packageVersion": "v1"}));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &named);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(installed(&mut cloud, "i-small-02"), nginx("v1"));
}

#[test]
fn a_rollback_runs_the_action_it_is_given_once_more() {
    let mut cloud = small(PACKAGES);
    let source = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    let rollback = |more: Value| {
        let mut all = parameters(json!({"invokeType": "rollback", "sourceExecutionId": source}));
        let more = more.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(more);
        all
    };
    let again = start(&mut cloud, "Automatic", TEMPLATE, &rollback(json!({})));
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &again)["Status"], "Success");
    assert_eq!(
        installed(&mut cloud, "i-small-01"),
        nginx("v3"),
        "installed again"
    );
    let undo = rollback(json!({"action": "uninstall"}));
    let undo = start(&mut cloud, "Automatic", TEMPLATE, &undo);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &undo)["Status"], "Success");
    assert_eq!(installed(&mut cloud, "i-small-01"), []);
}

#[test]
fn a_rollback_passes_over_instances_that_are_gone() {
    let mut cloud = small(PACKAGES);
    let source = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    control(
        &mut cloud,
        "POST",
        "instances/i-small-02/vanish",
        Value::Null,
    );
    let ask = parameters(json!({
        "invokeType": "rollback", "sourceExecutionId": source, "packageVersion": "v1",
    }));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(children(&mut cloud, &root).len(), 2);
    assert_eq!(installed(&mut cloud, "i-small-01"), nginx("v1"));
}

#[test]
fn the_fixture_lets_an_attempt_fail_and_a_retry_succeeds() {
    let mut cloud = small(&format!(
        "{PACKAGES}\ncommands: [{{instance: i-small-02, attempt: 1, contentContains: configure_package, exitCode: 4}}]"
    ));
    let root = start(&mut cloud, "FailurePause", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Waiting");
    assert_eq!(installed(&mut cloud, "i-small-02"), []);
    assert_eq!(member(&mut cloud, "i-small-02").unwrap().0, "Standby");
    retry_failed(&mut cloud, &root);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(installed(&mut cloud, "i-small-02"), nginx("v3"));
    assert_eq!(member(&mut cloud, "i-small-02").unwrap().0, "InService");
}

#[test]
fn a_package_that_does_not_exist_fails_on_the_instance() {
    let mut cloud = small(PACKAGES);
    let ask = parameters(json!({"packageName": "foreign"}));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Failed");
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "Standby");
    // The processes stay suspended.
    assert!(!changes_by_oos(&cloud).contains(&"ResumeProcesses".to_owned()));
}

#[test]
fn max_errors_is_no_parameter_of_this_template() {
    let mut cloud = small(PACKAGES);
    let parameters = parameters(json!({"maxErrors": 1})).to_string();
    let ask = json!({"TemplateName": TEMPLATE, "Parameters": parameters});
    assert!(oos(&mut cloud, "StartExecution", ask).is_err());
}

#[test]
fn windows_has_its_own_branch() {
    let yaml = SMALL.replace("{imageId: m-1}\n", "{imageId: m-1, osType: windows}\n");
    let mut cloud = cloud(&format!("{yaml}\n{PACKAGES}"));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(installed(&mut cloud, "i-small-01"), nginx("v3"));
    let child = children(&mut cloud, &root)[0].clone();
    let grandchild = children(&mut cloud, child["ExecutionId"].as_str().unwrap());
    assert_eq!(
        grandchild[0]["Parameters"]["commandType"],
        "RunPowerShellScript"
    );
}
