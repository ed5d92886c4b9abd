"""The emulator against a client that nobody here wrote: the official Python SDK.

Needs the emulator's binary in ESS_EMULATOR and the packages of requirements.txt. Run with
`python -m unittest -v test_sdk` in this directory.
"""

import base64
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as EcsClient
from alibabacloud_ess20220222 import models as ess_models
from alibabacloud_ess20220222.client import Client as EssClient
from alibabacloud_oos20190601 import models as oos_models
from alibabacloud_oos20190601.client import Client as OosClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi import models as openapi_models

REGION = "cn-hangzhou"
GROUP = "asg-demo-web"
FIXTURE = Path(__file__).resolve().parents[2] / "crates/emulator/fixtures/demo.yaml"
# Virtual seconds per real second: an update of minutes takes seconds.
SCALE = 200
FINAL = {"Success", "Failed", "Cancelled"}
SCRIPT_TEMPLATE = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup"
IMAGE_TEMPLATE = "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup"


class Emulator:
    """The emulator as a process, and its control API."""

    def __init__(self, fixture=FIXTURE):
        self.directory = tempfile.TemporaryDirectory()
        ready = Path(self.directory.name) / "ready.json"
        self.certificate = str(Path(self.directory.name) / "ca.pem")
        self.process = subprocess.Popen(
            [
                os.environ["ESS_EMULATOR"],
                "--fixture", str(fixture),
                "--http", "127.0.0.1:0",
                "--https", "127.0.0.1:0",
                "--tls-cert-out", self.certificate,
                "--clock-scale", str(SCALE),
                "--ready-file", str(ready),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError("the emulator did not become ready")
            time.sleep(0.02)
        addresses = json.loads(ready.read_text())
        self.http = addresses["http"]
        self.https = addresses["https"]

    def stop(self):
        """Ends the process; gives its exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.directory.cleanup()
        return status

    def config(self, secure=False):
        address = self.https if secure else self.http
        protocol, endpoint = address.split("://")
        return openapi_models.Config(
            access_key_id="demo-access-key-id",
            access_key_secret="demo-access-key-secret",
            region_id=REGION,
            protocol=protocol,
            endpoint=endpoint,
            ca=self.certificate if secure else None,
        )

    def control(self, method, path, body=None):
        request = urllib.request.Request(
            f"{self.http}/_emulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class SdkTest(unittest.TestCase):
    def setUp(self):
        self.emulator = Emulator()
        self.addCleanup(self.stop)
        self.oos = OosClient(self.emulator.config())
        self.ess = EssClient(self.emulator.config())
        self.ecs = EcsClient(self.emulator.config())

    def stop(self):
        self.assertEqual(self.emulator.stop(), 0)

    # -- what the tests say about the cloud --

    def group(self, group=GROUP):
        answer = self.ess.describe_scaling_groups(
            ess_models.DescribeScalingGroupsRequest(region_id=REGION, scaling_group_ids=[group])
        ).body
        self.assertEqual([g.scaling_group_id for g in answer.scaling_groups], [group])
        self.assertTrue(answer.request_id)
        return answer.scaling_groups[0]

    def members(self, group=GROUP):
        answer = self.ess.describe_scaling_instances(
            ess_models.DescribeScalingInstancesRequest(
                region_id=REGION, scaling_group_id=group, page_size=50
            )
        ).body
        return {i.instance_id: i for i in answer.scaling_instances}

    def instances(self, ids):
        answer = self.ecs.describe_instances(
            ecs_models.DescribeInstancesRequest(
                region_id=REGION, instance_ids=json.dumps(sorted(ids)), max_results=100
            )
        ).body
        return {i.instance_id: i for i in answer.instances.instance}

    def start(self, template, parameters, mode="FailurePause"):
        return self.oos.start_execution(
            oos_models.StartExecutionRequest(
                region_id=REGION,
                template_name=template,
                mode=mode,
                parameters=json.dumps({"scalingGroupId": GROUP, "invokeType": "invoke", **parameters}),
                tags={"scaling_group": GROUP},
            )
        ).body.execution.execution_id

    def execution(self, execution_id):
        found = self.oos.list_executions(
            oos_models.ListExecutionsRequest(region_id=REGION, execution_id=execution_id)
        ).body.executions
        self.assertEqual([e.execution_id for e in found], [execution_id])
        return found[0]

    def children(self, execution_id):
        return self.oos.list_executions(
            oos_models.ListExecutionsRequest(
                region_id=REGION, parent_execution_id=execution_id, max_results=100
            )
        ).body.executions

    def wait(self, execution_id, *statuses):
        deadline = time.monotonic() + 60
        while True:
            execution = self.execution(execution_id)
            if execution.status in statuses:
                return execution
            self.assertNotIn(execution.status, FINAL, execution.status_message)
            self.assertLess(time.monotonic(), deadline, f"still {execution.status}")
            time.sleep(0.05)

    def approve(self, execution_id):
        self.oos.notify_execution(
            oos_models.NotifyExecutionRequest(
                region_id=REGION, execution_id=execution_id, notify_type="Approve"
            )
        )

    # -- the tests --

    def test_reads_groups_and_instances(self):
        group = self.group()
        self.assertEqual(group.lifecycle_state, "Active")
        self.assertEqual(group.active_capacity, 6)
        self.assertEqual(group.suspended_processes, ["ScheduledAction"])
        self.assertIsNone(self.group("asg-demo-api").suspended_processes)
        members = self.members()
        self.assertEqual(len(members), 6)
        self.assertEqual({m.lifecycle_state for m in members.values()}, {"InService"})
        instances = self.instances(members)
        self.assertEqual({i.image_id for i in instances.values()}, {"m-web-v1"})
        self.assertEqual({i.status for i in instances.values()}, {"Running"})
        images = self.ecs.describe_images(
            ecs_models.DescribeImagesRequest(region_id=REGION, image_id="m-web-v2")
        ).body
        self.assertEqual([i.status for i in images.images.image], ["Available"])

    def test_speaks_https_with_its_own_certificate(self):
        ess = EssClient(self.emulator.config(secure=True))
        answer = ess.describe_scaling_configurations(
            ess_models.DescribeScalingConfigurationsRequest(
                region_id=REGION, scaling_configuration_ids=["asc-demo-web"]
            )
        ).body
        self.assertEqual([c.image_id for c in answer.scaling_configurations], ["m-web-v1"])
        identity = StsClient(self.emulator.config(secure=True)).get_caller_identity().body
        self.assertEqual(identity.identity_type, "RAMUser")

    def test_writes_to_groups_and_runs_commands(self):
        self.ess.suspend_processes(
            ess_models.SuspendProcessesRequest(
                region_id=REGION, scaling_group_id=GROUP, processes=["HealthCheck", "ScaleIn"]
            )
        )
        self.assertEqual(
            self.group().suspended_processes, ["HealthCheck", "ScaleIn", "ScheduledAction"]
        )
        instance = sorted(self.members())[0]
        self.ess.enter_standby(
            ess_models.EnterStandbyRequest(scaling_group_id=GROUP, instance_ids=[instance])
        )
        parked = self.members()[instance]
        self.assertEqual((parked.lifecycle_state, parked.load_balancer_weight), ("Standby", 0))
        invoke_id = self.ecs.run_command(
            ecs_models.RunCommandRequest(
                region_id=REGION,
                type="RunShellScript",
                command_content="true",
                instance_id=[instance],
                timeout=600,
            )
        ).body.invoke_id
        deadline = time.monotonic() + 30
        while True:
            result = self.ecs.describe_invocation_results(
                ecs_models.DescribeInvocationResultsRequest(region_id=REGION, invoke_id=invoke_id)
            ).body.invocation.invocation_results.invocation_result[0]
            if result.invocation_status != "Running":
                break
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assertEqual((result.invocation_status, result.exit_code), ("Success", 0))
        self.assertEqual(base64.b64decode(result.output), b"updated\n")

    def test_errors_have_their_codes(self):
        with self.assertRaises(Exception) as missing:
            self.ess.suspend_processes(
                ess_models.SuspendProcessesRequest(
                    region_id=REGION, scaling_group_id="asg-none", processes=["ScaleIn"]
                )
            )
        self.assertEqual(missing.exception.code, "InvalidScalingGroupId.NotFound")
        wrong = self.emulator.config()
        wrong.access_key_secret = "another"
        with self.assertRaises(Exception) as refused:
            EssClient(wrong).describe_scaling_groups(
                ess_models.DescribeScalingGroupsRequest(region_id=REGION)
            )
        self.assertEqual(refused.exception.code, "SignatureDoesNotMatch")

    def test_a_script_update_pauses_and_goes_on(self):
        execution_id = self.start(
            SCRIPT_TEMPLATE,
            {"invokeScript": "true", "batchNumber": 2, "batchPauseOption": "FirstBatchPause",
             "exitProcess": ["ScaleIn", "ScaleOut", "HealthCheck", "AlarmNotification"]},
        )
        waiting = self.wait(execution_id, "Waiting")
        self.assertEqual(waiting.tags, {"scaling_group": GROUP})
        done = self.children(execution_id)
        self.assertEqual([c.status for c in done], ["Success"] * 3)
        self.assertEqual(len(self.group().suspended_processes), 5)
        self.approve(execution_id)
        self.wait(execution_id, "Success")
        updated = {c.parameters["instanceId"] for c in self.children(execution_id)}
        self.assertEqual(updated, set(self.members()))
        self.assertEqual(self.group().suspended_processes, ["ScheduledAction"])
        tasks = self.oos.list_task_executions(
            oos_models.ListTaskExecutionsRequest(
                region_id=REGION, execution_id=execution_id,
                include_child_task_execution=True, max_results=100,
            )
        ).body.task_executions
        batches = sorted(t.loop_batch_number for t in tasks if t.child_execution_id)
        self.assertEqual(batches, [1, 1, 1, 2, 2, 2])

    def test_an_image_update_changes_every_instance(self):
        execution_id = self.start(
            IMAGE_TEMPLATE,
            {"imageId": "m-web-v2", "sourceImageId": "m-web-v1", "batchNumber": 2,
             "scalingConfigurationId": "asc-demo-web"},
        )
        self.wait(execution_id, "Success")
        instances = self.instances(self.members())
        self.assertEqual({i.image_id for i in instances.values()}, {"m-web-v2"})
        self.assertEqual({i.status for i in instances.values()}, {"Running"})
        tags = {
            (t.tag_key, t.tag_value) for i in instances.values() for t in i.tags.tag
        }
        self.assertEqual(tags, {("ess:rollingupdate", f"oos:{execution_id}")})

    def test_an_update_can_be_cancelled(self):
        execution_id = self.start(
            SCRIPT_TEMPLATE,
            {"invokeScript": "true", "batchNumber": 6, "batchPauseOption": "EveryBatchPause"},
        )
        self.wait(execution_id, "Waiting")
        self.oos.cancel_execution(
            oos_models.CancelExecutionRequest(region_id=REGION, execution_id=execution_id)
        )
        self.wait(execution_id, "Cancelled")
        # The template has no clean-up: the processes stay suspended.
        self.assertEqual(len(self.group().suspended_processes), 5)

    def test_the_journal_tells_who_called(self):
        execution_id = self.start(SCRIPT_TEMPLATE, {"invokeScript": "true", "batchNumber": 1})
        self.wait(execution_id, "Success")
        starts = self.emulator.control("GET", "journal?action=StartExecution")["entries"]
        self.assertEqual([(e["byOos"], e["code"]) for e in starts], [(False, "OK")])
        suspends = self.emulator.control("GET", "journal?action=SuspendProcesses")["entries"]
        self.assertEqual([(e["byOos"], e["principal"]) for e in suspends], [(True, "demo")])

    def test_a_fault_reaches_the_client(self):
        self.emulator.control(
            "POST", "faults",
            {"action": "DescribeScalingGroups",
             "effect": {"kind": "error", "status": 400, "code": "Throttling.User"}},
        )
        with self.assertRaises(Exception) as refused:
            self.group()
        self.assertEqual(refused.exception.code, "Throttling.User")
        self.group()


if __name__ == "__main__":
    unittest.main()
