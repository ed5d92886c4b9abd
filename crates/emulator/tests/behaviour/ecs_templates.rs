//! Templates that make snapshots and images, attach disks and invoke commands.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{SMALL, cloud, ecs, execution, oos, pass};

/// Runs a template of one's own and gives its outputs.
fn run(cloud: &mut Cloud, tasks: &str, outputs: &str) -> Value {
    let template = format!("FormatVersion: OOS-2019-06-01\nTasks:\n{tasks}\nOutputs:\n{outputs}\n");
    let start = json!({"TemplateContent": template, "Mode": "Automatic"});
    let started = oos(cloud, "StartExecution", start).unwrap();
    let id = started["Execution"]["ExecutionId"].as_str().unwrap();
    pass(cloud, 3600);
    let ended = execution(cloud, id);
    assert_eq!(ended["Status"], "Success", "{ended}");
    serde_json::from_str(ended["Outputs"].as_str().unwrap()).unwrap()
}

fn scene() -> Cloud {
    let yaml = SMALL.replace(
        "regions: [cn-hangzhou]",
        "regions: [cn-hangzhou, cn-beijing]",
    );
    cloud(&format!(
        "{yaml}\ncommands: [{{contentContains: deploy v2, output: done}}]\ndisks: [{{diskId: d-data}}]\n"
    ))
}

#[test]
fn a_snapshot_is_made_and_waited_for() {
    let outputs = run(
        &mut scene(),
        r"
- Name: disks
  Action: ACS::ExecuteAPI
  Properties: {Service: ECS, API: DescribeDisks, Parameters: {InstanceId: i-small-01, DiskType: system}}
  Outputs: {diskId: {ValueSelector: '.Disks.Disk[0].DiskId', Type: String}}
- Name: snapshot
  Action: ACS::ExecuteApi
  Properties: {Service: ECS, API: CreateSnapshot, Parameters: {DiskId: '{{ disks.diskId }}', SnapshotName: nightly, Tags: [{Key: by, Value: oos}]}}
  Outputs: {snapshotId: {ValueSelector: .SnapshotId, Type: String}}
- Name: wait
  Action: ACS::WaitFor
  Properties:
    Service: ECS
    API: DescribeSnapshots
    Parameters: {SnapshotIds: ['{{ snapshot.snapshotId }}']}
    DesiredValues: [accomplished]
    StopRetryValues: [failed]
    PropertySelector: 'Snapshots.Snapshot[].Status'
  Outputs: {progress: {ValueSelector: '.Snapshots.Snapshot[0].Progress', Type: String}}
",
        "  progress: {Type: String, Value: '{{ wait.progress }}'}",
    );
    assert_eq!(outputs["progress"], "100%");
}

#[test]
fn an_image_is_made_and_copied() {
    let mut cloud = scene();
    let outputs = run(
        &mut cloud,
        r"
- Name: image
  Action: ACS::ExecuteAPI
  Properties: {Service: ECS, API: CreateImage, Parameters: {InstanceId: i-small-01, ImageName: golden}}
  Outputs: {imageId: {ValueSelector: .ImageId, Type: String}}
- Name: made
  Action: ACS::WaitFor
  Properties:
    Service: ECS
    API: DescribeImages
    Parameters: {ImageId: '{{ image.imageId }}', Status: 'Creating,Available,CreateFailed'}
    DesiredValues: [Available]
    StopRetryValues: [CreateFailed]
    PropertySelector: 'Images.Image[].Status'
- Name: copy
  Action: ACS::ExecuteAPI
  Properties:
    Service: ECS
    API: CopyImage
    Parameters: {ImageId: '{{ image.imageId }}', DestinationRegionId: cn-beijing, DestinationImageName: golden}
  Outputs: {imageId: {ValueSelector: .ImageId, Type: String}}
- Name: copied
  Action: ACS::WaitFor
  Properties:
    Service: ECS
    API: DescribeImages
    Parameters: {RegionId: cn-beijing, ImageId: '{{ copy.imageId }}', Status: 'Creating,Available,CreateFailed'}
    DesiredValues: [Available]
    PropertySelector: 'Images.Image[].Status'
",
        "  imageId: {Type: String, Value: '{{ copy.imageId }}'}",
    );
    let there = crate::support::Ask {
        region: "cn-beijing",
        ..crate::support::Ask::default()
    };
    let ask = json!({"ImageId": outputs["imageId"]});
    let ecs = ess_emulator::state::call::Service::Ecs;
    let read = there.call(&mut cloud, ecs, "DescribeImages", ask).unwrap();
    assert_eq!(read["Images"]["Image"][0]["ImageName"], "golden");
}

#[test]
fn a_disk_is_attached_and_checked() {
    let mut cloud = scene();
    run(
        &mut cloud,
        r"
- Name: attach
  Action: ACS::ExecuteAPI
  Properties: {Service: ECS, API: AttachDisk, Parameters: {InstanceId: i-small-02, DiskId: d-data, DeleteWithInstance: true}}
- Name: attached
  Action: ACS::WaitFor
  Properties:
    Service: ECS
    API: DescribeDisks
    Parameters: {DiskIds: [d-data]}
    DesiredValues: [In_use]
    PropertySelector: 'Disks.Disk[].Status'
- Name: where
  Action: ACS::CheckFor
  Properties:
    Service: ECS
    API: DescribeDisks
    Parameters: {DiskIds: [d-data]}
    DesiredValues: [i-small-02]
    PropertySelector: 'Disks.Disk[].InstanceId'
",
        "  done: {Type: String, Value: 'yes'}",
    );
    let read = ecs(
        &mut cloud,
        "DescribeDisks",
        json!({"InstanceId": "i-small-02"}),
    )
    .unwrap();
    assert_eq!(read["TotalCount"], 2);
}

#[test]
fn a_command_is_invoked_with_parameters() {
    let outputs = run(
        &mut scene(),
        r"
- Name: create
  Action: ACS::ExecuteAPI
  Properties:
    Service: ECS
    API: CreateCommand
    Parameters: {Name: deploy, Type: RunShellScript, EnableParameter: true, CommandContent: ZGVwbG95IHt7dmVyc2lvbn19}
  Outputs: {commandId: {ValueSelector: .CommandId, Type: String}}
- Name: invoke
  Action: ACS::ExecuteAPI
  Properties:
    Service: ECS
    API: InvokeCommand
    Parameters: {CommandId: '{{ create.commandId }}', InstanceIds: [i-small-01], Parameters: {version: v2}}
  Outputs: {invokeId: {ValueSelector: .InvokeId, Type: String}}
- Name: wait
  Action: ACS::WaitFor
  Properties:
    Service: ECS
    API: DescribeInvocations
    Parameters: {InvokeId: '{{ invoke.invokeId }}'}
    DesiredValues: [Finished]
    StopRetryValues: [Failed, Stopped]
    PropertySelector: 'Invocations.Invocation[].InvokeStatus'
- Name: results
  Action: ACS::ExecuteAPI
  Properties: {Service: ECS, API: DescribeInvocationResults, Parameters: {InvokeId: '{{ invoke.invokeId }}', ContentEncoding: PlainText}}
  Outputs: {output: {ValueSelector: '.Invocation.InvocationResults.InvocationResult[0].Output', Type: String}}
",
        "  output: {Type: String, Value: '{{ results.output }}'}",
    );
    assert_eq!(outputs["output"], "done");
}
