//! Templates of the reader's own: what they may write, and what goes wrong between OOS and them.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{ecs, ess, execution, fault, instance, oos, pass, small};

/// Runs a template to its end.
fn ended(cloud: &mut Cloud, template: &str) -> Value {
    let ask = json!({"TemplateContent": template});
    let answer = oos(cloud, "StartExecution", ask).unwrap();
    pass(cloud, 600);
    execution(cloud, answer["Execution"]["ExecutionId"].as_str().unwrap())
}

/// Names without dots, lists in the plural, `Instance`: as the samples of OOS write it.
const STOP_BY_TAG: &str = r"
FormatVersion: OOS-2019-06-01
Parameters:
  tags: {Type: Json, Default: [{Key: owner, Value: x}]}
Tasks:
  - Name: tag
    Action: ACS::ExecuteAPI
    Properties:
      Service: ECS
      API: TagResources
      Parameters: {Tags: '{{ tags }}', ResourceType: Instance, ResourceIds: [i-small-02]}
  - Name: find
    Action: ACS::ExecuteAPI
    Properties:
      Service: ECS
      API: DescribeInstances
      Parameters: {Tags: '{{ tags }}', Statuses: Running}
    Outputs:
      ids: {Type: List, ValueSelector: '.Instances.Instance[].InstanceId'}
  - Name: stop
    Action: ACS::ExecuteAPI
    Properties: {Service: ECS, API: StopInstance, Parameters: {InstanceId: '{{ ACS::TaskLoopItem }}'}}
    Loop: {Items: '{{ find.ids }}'}
";

#[test]
fn parameters_are_understood_as_the_samples_spell_them() {
    let mut cloud = small("");
    let execution = ended(&mut cloud, STOP_BY_TAG);
    assert_eq!(execution["Status"], "Success", "{execution}");
    let stopped: Vec<_> = cloud
        .world
        .journal
        .since(0)
        .filter(|entry| entry.action == "StopInstance")
        .map(|entry| entry.params["InstanceId"].clone())
        .collect();
    assert_eq!(stopped, ["i-small-02"]);
    // A name that selects nothing is in the journal, where its author finds it.
    let ignored: Vec<_> = cloud
        .world
        .journal
        .since(0)
        .filter(|entry| !entry.ignored.is_empty())
        .map(|entry| (entry.action.as_str(), entry.ignored.clone()))
        .collect();
    assert_eq!(
        ignored,
        [("DescribeInstances", vec!["Statuses".to_owned()])]
    );
}

#[test]
fn a_disk_smaller_than_its_image_is_refused_in_either_spelling() {
    for name in ["SystemDisk.Size", "SystemDiskSize"] {
        let mut cloud = small("instances: [{instanceId: i-lone, imageId: m-1}]");
        ecs(&mut cloud, "StopInstance", json!({"InstanceId": "i-lone"})).unwrap();
        pass(&mut cloud, 600);
        let template = format!(
            "{{FormatVersion: OOS-2019-06-01, Tasks: [{{Name: a, Action: 'ACS::ExecuteAPI', Properties: \
             {{Service: ECS, API: ReplaceSystemDisk, Parameters: \
             {{InstanceId: i-lone, ImageId: m-2, {name}: 1}}}}}}]}}"
        );
        let execution = ended(&mut cloud, &template);
        assert_eq!(execution["Status"], "Failed", "{name}");
        assert_eq!(instance(&mut cloud, "i-lone").unwrap()["ImageId"], "m-1");
    }
}

#[test]
fn the_command_action_takes_all_that_is_documented() {
    let mut cloud = small("");
    let execution = ended(
        &mut cloud,
        r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: run
    Action: ACS::ECS::RunCommand
    Properties:
      regionId: '{{ ACS::RegionId }}'
      instanceId: i-small-01
      commandType: RunShellScript
      commandContent: uptime
      workingDir: /tmp
      timeout: 60
      enableParameter: true
      # Placeholders would be taken for expressions of the template.
      parameters: {}
      username: root
      windowsPasswordName: axt
",
    );
    assert_eq!(execution["Status"], "Success", "{execution}");
    let entries = cloud.world.journal.since(0);
    let sent = entries.filter(|e| e.action == "RunCommand").last().unwrap();
    assert_eq!(sent.params["Username"], "root");
    assert_eq!(sent.params["Parameters"], json!({}));
    // It is documented as required.
    let mut cloud = small("");
    let without = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - {Name: run, Action: 'ACS::ECS::RunCommand', Properties: {instanceId: i-small-01, commandContent: uptime}}
";
    assert_eq!(ended(&mut cloud, without)["Status"], "Failed");
}

/// A call of a template to OOS itself, whose answer is lost, and one that arrives late.
#[test]
fn calls_of_templates_to_oos_happen_although_their_answer_is_lost() {
    for (effect, wait) in [
        (json!({"kind": "lostBefore"}), None),
        (json!({"kind": "answerLost"}), Some(0)),
        (
            json!({"kind": "effectLate", "afterSeconds": 100}),
            Some(100),
        ),
    ] {
        let mut cloud = small("");
        fault(
            &mut cloud,
            json!({"service": "OOS", "action": "CreateTemplate", "caller": "oos", "effect": effect}),
        );
        let inner = "FormatVersion: OOS-2019-06-01\\nTasks: [{Name: nap, Action: ACS::Sleep, Properties: {Duration: PT1M}}]";
        let template = format!(
            "{{FormatVersion: OOS-2019-06-01, Tasks: [{{Name: a, Action: 'ACS::ExecuteAPI', Properties: \
             {{Service: OOS, API: CreateTemplate, Parameters: {{TemplateName: made, Content: \"{inner}\"}}}}}}]}}"
        );
        let execution = ended(&mut cloud, &template);
        assert_eq!(execution["Status"], "Failed", "{effect}");
        let made = oos(&mut cloud, "GetTemplate", json!({"TemplateName": "made"}));
        assert_eq!(made.is_ok(), wait.is_some(), "{effect} {made:?}");
        let entry = cloud.world.journal.since(0).find(|e| e.by_oos).unwrap();
        let late = entry
            .effect_time
            .map(|at| at.duration_since(entry.time).as_secs());
        assert_eq!(late, wait, "{effect}");
    }
}

#[test]
fn the_regions_of_oos_are_those_of_the_scene() {
    let mut cloud = crate::support::cloud(
        "{regions: [cn-hangzhou, xx-test-1, cn-shanghai], regionsWithoutOos: [cn-shanghai], \
         principals: [{name: admin, accessKeyId: a, accessKeySecret: b, allow: ['*']}]}",
    );
    let answer = oos(&mut cloud, "DescribeRegions", json!({})).unwrap();
    let ids: Vec<_> = answer["Regions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|region| region["RegionId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["cn-hangzhou", "xx-test-1"]);
}

/// The default as the public rolling-update templates have it. Taken as a text it would be no filter, and every instance
/// would be found.
#[test]
fn a_default_of_a_list_may_name_its_one_member() {
    let mut cloud = small("");
    let protect = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-02", "ProtectedFromScaleIn": "true"});
    ess(&mut cloud, "SetInstancesProtection", protect).unwrap();
    let execution = ended(
        &mut cloud,
        r"
FormatVersion: OOS-2019-06-01
Parameters:
  lifecycleState: {Type: List, Default: InService, AllowedValues: [InService, Protected]}
Tasks:
  - Name: find
    Action: ACS::ExecuteAPI
    Properties:
      Service: ESS
      API: DescribeScalingInstances
      Parameters: {RegionId: cn-hangzhou, ScalingGroupId: asg-small, LifecycleStates: '{{ lifecycleState }}'}
    Outputs:
      ids: {Type: List, ValueSelector: '.ScalingInstances.ScalingInstance[].InstanceId'}
Outputs:
  ids: {Type: List, Value: '{{ find.ids }}'}
",
    );
    assert_eq!(execution["Status"], "Success", "{execution}");
    assert_eq!(
        execution["Parameters"]["lifecycleState"],
        json!(["InService"])
    );
    let outputs: Value = serde_json::from_str(execution["Outputs"].as_str().unwrap()).unwrap();
    assert_eq!(outputs["ids"], json!(["i-small-01", "i-small-03"]));
}
