//! OOS packages: what is read of a package and of what an instance has installed.

use ess_rollout_cloud::{Answer, Cloud, ErrorClass, Package, Query, Turn};
use serde_json::{Value, json};

use crate::fake::{Fake, REGION, ok, refuse};
use crate::queries::ask;

fn package(version: Option<&str>) -> Query {
    Query::Package {
        name: "nginx".into(),
        version: version.map(str::to_owned),
    }
}

fn template(name: &str, version: &str) -> Value {
    json!({"Content": "{}", "Template": {
        "TemplateName": name, "TemplateVersion": version, "TemplateType": "Package",
    }})
}

#[tokio::test]
async fn a_package_is_a_template_in_a_version() {
    let fake = Fake::start([
        ok(template("nginx", "v3")),
        ok(template("nginx", "v1")),
        refuse(404, "EntityNotExists.Template"),
    ])
    .await;
    let found = |version: &str| {
        Answer::Package(Some(Package {
            name: "nginx".into(),
            version: version.into(),
            template_type: "Package".into(),
        }))
    };
    assert_eq!(ask(&fake, package(None)).await, found("v3"));
    assert_eq!(ask(&fake, package(Some("v1"))).await, found("v1"));
    assert_eq!(ask(&fake, package(Some("v9"))).await, Answer::Package(None));
    let forms = fake.forms();
    assert!(!forms[0].contains_key("TemplateVersion"));
    assert_eq!(forms[1]["TemplateName"], "nginx");
    assert_eq!(forms[1]["TemplateVersion"], "v1");
}

#[tokio::test]
async fn another_package_or_version_than_the_one_asked_for_is_an_error() {
    for answer in [template("docker", "v1"), template("nginx", "v3")] {
        let fake = Fake::start([ok(answer)]).await;
        let query = package(Some("v1"));
        let error = fake
            .client()
            .query(REGION, &query, Turn::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("GetTemplate"), "{error}");
    }
}

fn installed() -> Query {
    Query::InstancePackage {
        instance: "i-1".into(),
        package: "nginx".into(),
    }
}

fn state(name: &str, version: &str) -> Value {
    json!({"TemplateName": name, "TemplateVersion": version, "TemplateCategory": "Package"})
}

#[tokio::test]
async fn what_an_instance_has_installed_is_read_whether_the_filter_is_applied_or_not() {
    let fake = Fake::start([
        ok(json!({"PackageStates": [state("nginx", "v2")], "NextToken": ""})),
        ok(json!({"PackageStates": [state("docker", "v9")], "NextToken": "t"})),
        ok(json!({"PackageStates": [state("nginx", "v1")]})),
        ok(json!({"PackageStates": [state("docker", "v9")]})),
        ok(json!({"PackageStates": []})),
    ])
    .await;
    let version = |version: &str| Answer::InstancePackage(Some(version.into()));
    assert_eq!(ask(&fake, installed()).await, version("v2"));
    assert_eq!(ask(&fake, installed()).await, version("v1"));
    for _ in 0..2 {
        assert_eq!(ask(&fake, installed()).await, Answer::InstancePackage(None));
    }
    let forms = fake.forms();
    assert_eq!(fake.received()[0].action, "ListInstancePackageStates");
    assert_eq!(forms[0]["InstanceId"], "i-1");
    assert_eq!(forms[0]["TemplateNames"], r#"["nginx"]"#);
    assert_eq!(forms[2]["NextToken"], "t");
}

#[tokio::test]
async fn a_missing_permission_is_told_from_nothing_installed() {
    let fake = Fake::start([refuse(403, "Forbidden.RAM")]).await;
    let query = installed();
    let error = fake
        .client()
        .query(REGION, &query, Turn::default())
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert!(error.to_string().contains("ListInstancePackageStates"));
}
