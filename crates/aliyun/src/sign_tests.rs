//! The documented vector and those computed with the official signer.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::*;

fn unsigned<'a>(action: &'a str, query: &'a str, nonce: &'a str) -> Unsigned<'a> {
    Unsigned {
        host: "oos.cn-hangzhou.aliyuncs.com",
        action,
        version: "2019-06-01",
        query,
        body: "",
        date: "2024-05-06T07:08:09Z",
        nonce,
    }
}

fn key(id: &str) -> Credentials {
    Credentials::new(id, "FAKE-ACCESS-KEY-SECRET-0001", None)
}

fn check(request: Unsigned<'_>, credentials: &Credentials, hash: &str, signature: &str) -> Signed {
    let signed = sign(request, credentials);
    assert_eq!(signed.hash, hash);
    assert_eq!(signed.signature, signature);
    signed
}

/// The vector that the documentation of the signature publishes.
#[test]
fn signs_the_published_vector() {
    let query = form([
        ("RegionId", "cn-shanghai"),
        (
            "ImageId",
            "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
        ),
    ]);
    let request = Unsigned {
        host: "ecs.cn-shanghai.aliyuncs.com",
        action: "RunInstances",
        version: "2014-05-26",
        query: &query,
        body: "",
        date: "2023-10-26T10:22:32Z",
        nonce: "3156853299f313e23d1673dc12e1703d",
    };
    check(
        request,
        &Credentials::new("YourAccessKeyId", "YourAccessKeySecret", None),
        "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259",
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
    );
}

#[test]
fn signs_json_blanks_stars_tildes_and_han() {
    let query = form([
        (
            "TemplateName",
            "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
        ),
        ("RegionId", "cn-hangzhou"),
        (
            "Parameters",
            r#"{"invokeType":"invoke","scalingGroupId":"asg-example0001","batchNumber":2,"imageId":"m-example*~ 中"}"#,
        ),
        ("Mode", "FailurePause"),
        ("ClientToken", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
    ]);
    assert_eq!(
        query,
        "ClientToken=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0&Mode=FailurePause&Parameters=%7B%22invokeType%22%3A%22invoke%22%2C%22scalingGroupId%22%3A%22asg-example0001%22%2C%22batchNumber%22%3A2%2C%22imageId%22%3A%22m-example%2A~%20%E4%B8%AD%22%7D&RegionId=cn-hangzhou&TemplateName=ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup"
    );
    let signed = check(
        unsigned("StartExecution", &query, "00112233445566778899aabbccddeeff"),
        &key("FAKE-ACCESS-KEY-ID-0001"),
        "3c0e9b64297e33ab28029a65ad262c6cb091e8354ea014d7e63158663a6db1d4",
        "7685cb7872fdd284dcd332166fcf075f5bcea9d53a71191a977df839b32b46bf",
    );
    let (_, authorization) = signed.headers.last().unwrap();
    assert_eq!(
        authorization,
        "ACS3-HMAC-SHA256 Credential=FAKE-ACCESS-KEY-ID-0001,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=7685cb7872fdd284dcd332166fcf075f5bcea9d53a71191a977df839b32b46bf"
    );
}

#[test]
fn signs_with_a_security_token() {
    let credentials = Credentials::new(
        "STS.FAKE-ID",
        "FAKE-ACCESS-KEY-SECRET-0001",
        Some("FAKE+TOKEN/with=chars".to_owned()),
    );
    let query = form([
        ("RegionId", "cn-hangzhou"),
        ("ExecutionId", "exec-0000example"),
    ]);
    check(
        unsigned("ListExecutions", &query, "ffeeddccbbaa99887766554433221100"),
        &credentials,
        "4fc9b5c3fba12718480818bc50ba87ac88c63393c3641007f70ac32e8c5ab1f0",
        "377452a90973f3ac8a580a4b22d66fec9f223f5fbe2bd75716edc85f9a1372a6",
    );
}

#[test]
fn signs_a_form_body_with_its_content_type() {
    let body = form([
        ("ExecutionId", "exec-0000example"),
        ("RegionId", "cn-hangzhou"),
    ]);
    let request = Unsigned {
        body: &body,
        ..unsigned("ListExecutions", "", "0123456789abcdef0123456789abcdef")
    };
    let signed = check(
        request,
        &key("FAKE-ACCESS-KEY-ID-0001"),
        "14a3cb777b26a243aeedc28a1ccf6550b34775d2aede8ee2ecf6197ac66a2350",
        "b80cd16e4cc1354f45b3b6d9e0e7418d6131691cbee26ae87276ca8c43504f26",
    );
    assert!(signed.headers.contains(&(
        "x-acs-content-sha256",
        "593aac67750a2dc6469b72f97eeb3dc66bd0c87c9c449196c9ee1c2e046d9f1d".to_owned()
    )));
}

/// `InstanceIds.10` sorts before `InstanceIds.2`: by bytes, not by numbers.
#[test]
fn sorts_names_by_bytes() {
    let query = form([
        ("InstanceIds.1", "i-a"),
        ("InstanceIds.2", "i-b"),
        ("InstanceIds.10", "i-j"),
        ("LifecycleStates.1", "InService"),
        ("LifecycleStates.2", "Protected"),
        ("PageNumber", "1"),
        ("PageSize", "100"),
        ("RegionId", "cn-hangzhou"),
        ("ScalingGroupId", "asg-example0001"),
    ]);
    let request = Unsigned {
        host: "ess.aliyuncs.com",
        version: "2022-02-22",
        ..unsigned(
            "DescribeScalingInstances",
            &query,
            "0123456789abcdef0123456789abcdef",
        )
    };
    check(
        request,
        &key("FAKE-ACCESS-KEY-ID-0001"),
        "200e35628c8eef59fa46e0ba9538dc3e454c88ecb97e5022a3e60205458741aa",
        "ae5fe668ecd1dbeb155f267b49910438d83e4423ee0f7bcb54b784be7e1725fd",
    );
}

proptest! {
    /// Whatever the text, only unreserved characters and escapes are sent, and a reader of forms
    /// gets the text back.
    #[test]
    fn encoding_is_strict_and_reversible(text in any::<String>()) {
        let encoded = encode(&text);
        prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~%".contains(&b)));
        let decoded = percent_encoding::percent_decode_str(&encoded).decode_utf8().unwrap();
        prop_assert_eq!(decoded.as_ref(), text.as_str());
    }

    /// The order in which parameters were set never changes what is signed.
    #[test]
    fn form_does_not_depend_on_order(
        pairs in proptest::collection::btree_map("[A-Za-z.0-9]{1,12}", any::<String>(), 0..8),
    ) {
        let forward = form(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let backward = form(pairs.iter().rev().map(|(n, v)| (n.as_str(), v.as_str())));
        prop_assert_eq!(forward, backward);
    }
}
