//! ECS 2014-05-26: ids as one JSON array in a string, lists wrapped in an object.

use base64::{Engine, engine::general_purpose::STANDARD};
use ess_rollout_cloud::{CloudError, EcsInstance, EcsStatus, Image, ImageStatus, Invocation};
use serde_json::{Value, json};

use crate::{
    call::Call,
    client::Client,
    endpoints::Service,
    fields::{integer, rows, text},
    limits::Lane,
    paging::{Listing, absent_if_not_found, missing},
};

/// How many ids DescribeInstances takes, and how many rows it returns.
const IDS_PER_CALL: usize = 100;

/// Without a status DescribeImages shows available images only, and an image that is still being
/// made looks as if it were not there.
const EVERY_IMAGE_STATUS: &str = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated";

impl Client {
    pub(crate) async fn ecs_instances(
        &self,
        region: &str,
        instances: &[String],
    ) -> Result<Vec<EcsInstance>, CloudError> {
        let mut found = Vec::new();
        for chunk in instances.chunks(IDS_PER_CALL) {
            let shown = self.ecs_instances_of(region, chunk).await?;
            let missing = missing(chunk, shown.iter().map(|instance| instance.id.as_str()));
            found.extend(shown);
            if !missing.is_empty() {
                found.extend(self.ecs_instances_of(region, &missing).await?);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// Of as many ids as one call takes.
    async fn ecs_instances_of(
        &self,
        region: &str,
        ids: &[String],
    ) -> Result<Vec<EcsInstance>, CloudError> {
        let mut call = read("DescribeInstances", region)
            .with("InstanceIds", json!(ids).to_string())
            .with("MaxResults", IDS_PER_CALL.to_string());
        let listing = Listing {
            path: &["Instances", "Instance"],
            id: "InstanceId",
            filter: &format!("InstanceIds ({} ids)", ids.len()),
            matches: &|row| ids.contains(&text(row, "InstanceId")),
        };
        self.list_by_token(&mut call, &listing, &ecs_instance).await
    }

    pub(crate) async fn image(
        &self,
        region: &str,
        image: &str,
    ) -> Result<Option<Image>, CloudError> {
        let call = read("DescribeImages", region)
            .with("ImageId", image)
            .with("Status", EVERY_IMAGE_STATUS)
            .with("PageSize", "100");
        let listing = Listing {
            path: &["Images", "Image"],
            id: "ImageId",
            filter: &format!("ImageId={image}"),
            matches: &|row| text(row, "ImageId") == image,
        };
        let found = absent_if_not_found(self.list_once(&call, &listing).await)?;
        Ok(found.first().map(|row| Image {
            id: text(row, "ImageId"),
            status: ImageStatus::from(text(row, "Status")),
            architecture: text(row, "Architecture"),
            os_type: text(row, "OSType"),
            size_gib: integer(row, "Size").unwrap_or(0),
        }))
    }

    pub(crate) async fn invocation(
        &self,
        region: &str,
        invocation: &str,
        instance: &str,
    ) -> Result<Option<Invocation>, CloudError> {
        let call = read("DescribeInvocationResults", region)
            .with("InvokeId", invocation)
            .with("InstanceId", instance)
            // Plain text would have to be UTF-8, and what scripts print need not be.
            .with("ContentEncoding", "Base64")
            .with("MaxResults", "50");
        let listing = Listing {
            path: &["Invocation", "InvocationResults", "InvocationResult"],
            id: "InstanceId",
            filter: &format!("InvokeId={invocation} and InstanceId={instance}"),
            matches: &|row| {
                text(row, "InstanceId") == instance
                    // Left out by some versions of the answer.
                    && ["", invocation].contains(&text(row, "InvokeId").as_str())
            },
        };
        let found = absent_if_not_found(self.list_once(&call, &listing).await)?;
        Ok(found.first().map(invocation_result))
    }

    pub(crate) async fn start_instance(
        &self,
        region: &str,
        instance: &str,
    ) -> Result<String, CloudError> {
        let call = Call::new(Service::Ecs, "StartInstance", Lane::Mutation, region)
            .with("InstanceId", instance);
        Ok(text(&self.send(&call).await?, "RequestId"))
    }
}

fn read<'a>(action: &'static str, region: &'a str) -> Call<'a> {
    Call::new(Service::Ecs, action, Lane::Read, region)
}

fn ecs_instance(row: &Value) -> EcsInstance {
    EcsInstance {
        id: text(row, "InstanceId"),
        status: EcsStatus::from(text(row, "Status")),
        image: text(row, "ImageId"),
        os_type: text(row, "OSType"),
        instance_type: text(row, "InstanceType"),
        addresses: [
            &["VpcAttributes", "PrivateIpAddress", "IpAddress"][..],
            &["InnerIpAddress", "IpAddress"],
        ]
        .into_iter()
        .flat_map(|path| rows(row, path))
        .filter_map(|address| address.as_str().map(str::to_owned))
        .collect(),
    }
}

fn invocation_result(row: &Value) -> Invocation {
    let output = text(row, "Output");
    let output = match STANDARD.decode(output.trim()) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        // Not encoded after all: show it as it is.
        Err(_) => output,
    };
    Invocation {
        status: text(row, "InvocationStatus"),
        exit_code: integer(row, "ExitCode"),
        error_code: text(row, "ErrorCode"),
        error_info: text(row, "ErrorInfo"),
        output,
        dropped_bytes: integer(row, "Dropped").unwrap_or(0),
    }
}
