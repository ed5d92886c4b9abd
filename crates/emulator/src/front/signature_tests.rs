#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::cloud::Cloud;
use crate::fixture::Fixture;
use crate::front::{Outcome, Response, handle};

const DOC: (&str, &str) = ("YourAccessKeyId", "YourAccessKeySecret");
const FAKE: (&str, &str) = ("FAKE-ACCESS-KEY-ID-0001", "FAKE-ACCESS-KEY-SECRET-0001");

fn cloud() -> Cloud {
    let principals = [
        (DOC.0, DOC.1, ""),
        (FAKE.0, FAKE.1, ""),
        ("ak", "sk", ""),
        ("STS.FAKE-ID", FAKE.1, "FAKE+TOKEN/with=chars"),
    ]
    .iter()
    .enumerate()
    .map(|(n, (id, secret, token))| {
        let token = if token.is_empty() { String::new() } else { format!(", securityToken: '{token}'") };
        format!("  - {{name: p{n}, accessKeyId: '{id}', accessKeySecret: '{secret}'{token}, allow: ['*']}}\n")
    })
    .collect::<String>();
    let yaml = format!("regions: [cn-hangzhou, cn-shanghai]\nprincipals:\n{principals}");
    Cloud::new(&Fixture::parse(&yaml).unwrap()).unwrap()
}

/// A request from the text of a capture: request line, headers, empty line, body.
fn request(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn code(cloud: &mut Cloud, request: &Request, now: &str) -> String {
    let Outcome::Answer(Response { body, .. }) = handle(cloud, request, at(now)) else {
        panic!("an answer at once was expected");
    };
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(body["RequestId"].is_string(), "{body}");
    body["Code"].as_str().unwrap_or("OK").to_owned()
}

fn accepted(request: &Request, now: &str) {
    let cloud = cloud();
    let pairs = crate::front::all_pairs(request);
    verify(&cloud.world.ram, request, &pairs, at(now)).unwrap();
}

fn v3(
    query: &str,
    host: &str,
    headers: &[(&str, &str)],
    key: &str,
    names: &str,
    signature: &str,
    body: &str,
) -> Request {
    let mut text = format!("POST /?{query}\nhost: {host}\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&format!(
        "Authorization: ACS3-HMAC-SHA256 Credential={key},SignedHeaders={names},Signature={signature}"
    ));
    request(&format!("{text}\n\n{body}"))
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NAMES: &str =
    "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
const DATE: &str = "2024-05-06T07:08:09Z";
const OOS: &str = "oos.cn-hangzhou.aliyuncs.com";

fn common<'a>(action: &'a str, nonce: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("x-acs-action", action),
        ("x-acs-content-sha256", EMPTY),
        ("x-acs-date", DATE),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-version", "2019-06-01"),
    ]
}

#[test]
fn the_published_vector_is_accepted() {
    let request = v3(
        "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
        "ecs.cn-shanghai.aliyuncs.com",
        &[
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", EMPTY),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
        ],
        DOC.0,
        NAMES,
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
        "",
    );
    accepted(&request, "2023-10-26T10:22:32Z");
}

fn vector_a() -> Request {
    v3(
        "ClientToken=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0&Mode=FailurePause&Parameters=%7B%22invokeType%22%3A%22invoke%22%2C%22scalingGroupId%22%3A%22asg-example0001%22%2C%22batchNumber%22%3A2%2C%22imageId%22%3A%22m-example%2A~%20%E4%B8%AD%22%7D&RegionId=cn-hangzhou&TemplateName=ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
        OOS,
        &common("StartExecution", "00112233445566778899aabbccddeeff"),
        FAKE.0,
        NAMES,
        "7685cb7872fdd284dcd332166fcf075f5bcea9d53a71191a977df839b32b46bf",
        "",
    )
}

#[test]
fn escapes_and_non_ascii_text_are_canonical() {
    accepted(&vector_a(), DATE);
    // Other spellings of the same parameters are the same request.
    let mut other = vector_a();
    other.query = other.query.replace("%2A~%20", "*%7E+");
    accepted(&other, DATE);
}

fn vector_b() -> Request {
    let mut headers = common("ListExecutions", "ffeeddccbbaa99887766554433221100");
    headers.push(("x-acs-accesskey-id", "STS.FAKE-ID"));
    headers.push(("x-acs-security-token", "FAKE+TOKEN/with=chars"));
    v3(
        "ExecutionId=exec-0000example&RegionId=cn-hangzhou",
        OOS,
        &headers,
        "STS.FAKE-ID",
        "host;x-acs-accesskey-id;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-security-token;x-acs-signature-nonce;x-acs-version",
        "377452a90973f3ac8a580a4b22d66fec9f223f5fbe2bd75716edc85f9a1372a6",
        "",
    )
}

#[test]
fn temporary_credentials_sign_their_token() {
    accepted(&vector_b(), DATE);
}

#[test]
fn a_form_body_is_hashed_and_its_parameters_count() {
    let mut headers = common("ListExecutions", "0123456789abcdef0123456789abcdef");
    headers[1].1 = "593aac67750a2dc6469b72f97eeb3dc66bd0c87c9c449196c9ee1c2e046d9f1d";
    headers.push(("content-type", "application/x-www-form-urlencoded"));
    let request = v3(
        "",
        OOS,
        &headers,
        FAKE.0,
        &format!("content-type;{NAMES}"),
        "b80cd16e4cc1354f45b3b6d9e0e7418d6131691cbee26ae87276ca8c43504f26",
        "ExecutionId=exec-0000example&RegionId=cn-hangzhou",
    );
    accepted(&request, DATE);
    let call = decode(&cloud(), &request, OOS, at(DATE)).unwrap();
    assert_eq!(call.params["ExecutionId"], "exec-0000example");
    let mut tampered = request.clone();
    tampered.body.push(b'x');
    assert_eq!(code(&mut cloud(), &tampered, DATE), "SignatureDoesNotMatch");
    // What says how to read the body is signed with it.
    let mut unsigned = request;
    let authorization = unsigned
        .headers
        .iter_mut()
        .find(|(n, _)| n == "authorization");
    let authorization = &mut authorization.unwrap().1;
    *authorization = authorization.replace("content-type;", "");
    assert_eq!(code(&mut cloud(), &unsigned, DATE), "IncompleteSignature");
}

#[test]
fn requests_that_are_no_calls_are_in_the_journal_too() {
    let mut cloud = cloud();
    let refused = request(&format!(
        "POST /?Signature=x&Action=ListExecutions&Version=2019-06-02&Secret=1\nHost: {OOS}"
    ));
    assert_eq!(code(&mut cloud, &refused, DATE), "NoSuchVersion");
    let other = request("PUT /\nx-acs-action: ListExecutions\nHost: 127.0.0.1");
    assert_eq!(code(&mut cloud, &other, DATE), "UnsupportedHTTPMethod");
    let entries: Vec<_> = cloud.world.journal.since(0).collect();
    let told: Vec<_> = entries
        .iter()
        .map(|e| {
            (
                e.service.map(|s| s.name()),
                e.action.as_str(),
                e.code.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some("OOS"), "ListExecutions", "NoSuchVersion"),
            (None, "ListExecutions", "UnsupportedHTTPMethod")
        ]
    );
    assert!(
        entries
            .iter()
            .all(|e| e.params.is_empty() && !e.request_id.is_empty())
    );
}

use crate::front::decode;

#[test]
fn query_keys_sort_by_bytes() {
    let mut headers = common(
        "DescribeScalingInstances",
        "0123456789abcdef0123456789abcdef",
    );
    headers[4].1 = "2022-02-22";
    let request = v3(
        "InstanceIds.1=i-a&InstanceIds.2=i-b&InstanceIds.10=i-j&LifecycleStates.1=InService&LifecycleStates.2=Protected&PageNumber=1&PageSize=100&RegionId=cn-hangzhou&ScalingGroupId=asg-example0001",
        "ess.aliyuncs.com",
        &headers,
        FAKE.0,
        NAMES,
        "ae5fe668ecd1dbeb155f267b49910438d83e4423ee0f7bcb54b784be7e1725fd",
        "",
    );
    accepted(&request, DATE);
    assert_eq!(code(&mut cloud(), &request, DATE), "OK");
}

fn version_1(method: &str, signature: &str) -> Request {
    request(&format!(
        "{method} /?AccessKeyId=FAKE-ACCESS-KEY-ID-0001&Action=ListExecutions&ExecutionId=exec-0000example&Format=JSON&RegionId=cn-hangzhou&SignatureMethod=HMAC-SHA1&SignatureNonce=0123456789abcdef0123456789abcdef&SignatureVersion=1.0&Timestamp=2024-05-06T07%3A08%3A09Z&Version=2019-06-01&Signature={signature}\nHost: {OOS}"
    ))
}

/// Anybody could have changed the headers on the way: nothing signs them.
#[test]
fn version_1_takes_action_and_version_from_what_is_signed() {
    for parameter in ["Action=ListExecutions", "Version=2019-06-01"] {
        let mut request = version_1("GET", "y4Dj3dIdPZu2QiMYd4wptKIbGRc%3D");
        request.query = request.query.replace(&format!("&{parameter}"), "");
        for (name, value) in [
            ("x-acs-action", "ListExecutions"),
            ("x-acs-version", "2019-06-01"),
        ] {
            request.headers.push((name.into(), value.into()));
        }
        assert_eq!(
            code(&mut cloud(), &request, DATE),
            "MissingParameter",
            "{parameter}"
        );
    }
}

#[test]
fn version_1_signs_the_method_too() {
    accepted(&version_1("GET", "y4Dj3dIdPZu2QiMYd4wptKIbGRc%3D"), DATE);
    accepted(&version_1("POST", "5SSD64cz1ApTCox9B5S24j2vlbg%3D"), DATE);
    let crossed = version_1("GET", "5SSD64cz1ApTCox9B5S24j2vlbg%3D");
    assert_eq!(code(&mut cloud(), &crossed, DATE), "SignatureDoesNotMatch");
}

#[test]
fn version_1_signs_a_form_as_well_as_a_query() {
    let from = version_1("POST", "5SSD64cz1ApTCox9B5S24j2vlbg%3D");
    let mut form = from.clone();
    form.headers.push((
        "content-type".into(),
        "application/x-www-form-urlencoded; charset=UTF-8".into(),
    ));
    form.body = form.query.split_off(0).into_bytes();
    accepted(&form, DATE);
}

// What published clients sent, access key `ak`, secret `sk`.
const COMMAND_LINE: &str = "POST /?AccessKeyId=ak&Action=StartExecution&Format=JSON&RegionId=cn-hangzhou&Signature=lD3TjVfmNU%2Bd4W5sah1McbEWxIQ%3D&SignatureMethod=HMAC-SHA1&SignatureNonce=aed69e3bf69bba71d789e5dd79e83ebb&SignatureType=&SignatureVersion=1.0&TemplateName=X&Timestamp=2026-11-21T06%3A58%3A28Z&Version=2019-06-01
Host: 127.0.0.1:18080
User-Agent: AlibabaCloud (linux; amd64) Golang/1.26.8 Core/1.63.22 Aliyun-CLI/3.0.300
Content-Length: 0
Accept-Encoding: identity
Content-Type: application/x-www-form-urlencoded
x-acs-action: StartExecution
x-acs-credentials-provider: static_sts
x-acs-version: 2019-06-01
x-sdk-client: golang/1.0.0
x-sdk-core-version: 1.63.22
x-sdk-invoke-type: common";

const SDK_OOS: &str = "POST /?Parameters=%7B%22a%22%3A1%7D&RegionId=cn-hangzhou&Tags=%7B%22k%22%3A%22v%22%7D&TemplateName=T
Accept-Encoding: identity
host: 127.0.0.1:18080
x-acs-version: 2019-06-01
x-acs-action: StartExecution
user-agent: AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2
x-acs-date: 2026-11-21T06:59:18Z
x-acs-signature-nonce: 90c7a5fcc4fc9ecc2219a03aadbcda11
accept: application/json
x-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-acs-credentials-provider: static_ak
Authorization: ACS3-HMAC-SHA256 Credential=ak,SignedHeaders=accept;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=390d0e54afdf5662bcec3271d531cb55197788eb1703c3946db479db15421da8
Content-Length: 0";

const SDK_ESS: &str = "POST /?RegionId=cn-hangzhou&ScalingGroupIds.1=asg-1&ScalingGroupIds.2=asg-2
Accept-Encoding: identity
host: 127.0.0.1:18080
x-acs-version: 2022-02-22
x-acs-action: DescribeScalingGroups
user-agent: AlibabaCloud (Linux; x86_64) Python/3.11.7 Core/0.4.3 TeaDSL/2
x-acs-date: 2026-11-21T06:59:18Z
x-acs-signature-nonce: a232b726229a937b7156e0890605071e
accept: application/json
x-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
x-acs-credentials-provider: static_ak
Authorization: ACS3-HMAC-SHA256 Credential=ak,SignedHeaders=accept;host;user-agent;x-acs-action;x-acs-content-sha256;x-acs-credentials-provider;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=87f87c9d4c0341ae44e690363393297e1b11e542e97c49f3fea7fa4af370dd8d
Content-Length: 0";

const OLD_SDK: &str = "POST /?Version=2019-06-01&Action=ListExecutions&Format=JSON&RegionId=cn-hangzhou&Timestamp=2026-11-21T06%3A59%3A18Z&SignatureMethod=HMAC-SHA1&SignatureType=&SignatureVersion=1.0&SignatureNonce=7c9b3bf59c11ecf80e98d2275942fc49&AccessKeyId=ak&Signature=Ev7IzofX6yCQRuFlI3Bq%2FC85FSg%3D
Host: 127.0.0.1:18080
User-Agent: AlibabaCloud (Linux 6.18.44-fc-v657;x86_64) Python/3.11.7 Core/2.16.1 python-requests/2.18.3
Accept-Encoding: identity
Accept: */*
Connection: keep-alive
x-acs-action: ListExecutions
x-acs-version: 2019-06-01
x-sdk-invoke-type: normal
x-sdk-client: python/2.0.0
Content-Length: 0";

const NOW: &str = "2026-11-21T07:00:00Z";

#[test]
fn what_published_clients_send_is_accepted() {
    for text in [COMMAND_LINE, SDK_OOS, SDK_ESS, OLD_SDK] {
        accepted(&request(text), NOW);
    }
}

#[test]
fn the_version_decides_the_service_where_the_host_says_nothing() {
    for (text, service, action) in [
        (
            COMMAND_LINE,
            crate::state::call::Service::Oos,
            "StartExecution",
        ),
        (SDK_OOS, crate::state::call::Service::Oos, "StartExecution"),
        (
            SDK_ESS,
            crate::state::call::Service::Ess,
            "DescribeScalingGroups",
        ),
        (OLD_SDK, crate::state::call::Service::Oos, "ListExecutions"),
    ] {
        let call = decode(&cloud(), &request(text), "127.0.0.1:18080", at(NOW)).unwrap();
        assert_eq!((call.service, call.action.as_str()), (service, action));
        assert!(
            call.params
                .keys()
                .all(|name| !name.starts_with("Signature") && name != "AccessKeyId")
        );
    }
}

#[test]
fn any_change_breaks_the_signature() {
    let right = request(SDK_ESS);
    for change in 0..4 {
        let mut wrong = right.clone();
        match change {
            0 => wrong.method = "GET".into(),
            1 => wrong.query = wrong.query.replace("asg-2", "asg-3"),
            2 => {
                wrong
                    .headers
                    .iter_mut()
                    .find(|(n, _)| n == "host")
                    .unwrap()
                    .1 = "127.0.0.1:1".into()
            }
            _ => wrong.body = b"x".to_vec(),
        }
        assert_eq!(
            code(&mut cloud(), &wrong, NOW),
            "SignatureDoesNotMatch",
            "change {change}"
        );
    }
    assert_eq!(code(&mut cloud(), &right, NOW), "OK");
}

#[test]
fn unsigned_acs_headers_are_refused() {
    let mut request = request(SDK_ESS);
    request
        .headers
        .push(("x-acs-security-token".into(), "t".into()));
    let refused = code(&mut cloud(), &request, NOW);
    assert!(
        [
            "IncompleteSignature",
            "InvalidSecurityToken.MismatchWithAccessKey"
        ]
        .contains(&refused.as_str())
    );
    request.headers.pop();
    request
        .headers
        .push(("x-acs-retry-attempts".into(), "1".into()));
    assert_eq!(code(&mut cloud(), &request, NOW), "IncompleteSignature");
}

#[test]
fn dates_may_be_fifteen_minutes_off_and_no_more() {
    for (now, want) in [
        ("2026-11-21T07:14:18Z", "OK"),
        ("2026-11-21T07:14:19Z", "InvalidTimeStamp.Expired"),
        ("2026-11-21T06:44:18Z", "OK"),
        ("2026-11-21T06:44:17Z", "InvalidTimeStamp.Expired"),
    ] {
        assert_eq!(code(&mut cloud(), &request(SDK_ESS), now), want, "{now}");
    }
    let text = SDK_ESS.replace("2026-11-21T06:59:18Z", "Sat, 21 Nov 2026 06:59:18 GMT");
    assert_eq!(
        code(&mut cloud(), &request(&text), NOW),
        "InvalidTimeStamp.Format"
    );
}

#[test]
fn the_virtual_clock_does_not_matter_to_dates() {
    let mut cloud = cloud();
    cloud.advance_to(at("2030-01-01T00:00:00Z"));
    assert_eq!(code(&mut cloud, &request(SDK_ESS), NOW), "OK");
}

#[test]
fn a_nonce_is_good_for_one_request() {
    let mut cloud = cloud();
    assert_eq!(code(&mut cloud, &request(SDK_ESS), NOW), "OK");
    assert_eq!(
        code(&mut cloud, &request(SDK_ESS), NOW),
        "SignatureNonceUsed"
    );
    let wrong = SDK_OOS.replace("TemplateName=T", "TemplateName=U");
    assert_eq!(
        code(&mut cloud, &request(&wrong), NOW),
        "SignatureDoesNotMatch"
    );
    // It is in the journal, without a principal.
    let refused = cloud.world.journal.since(0).last().unwrap();
    assert_eq!(
        (refused.code.as_str(), refused.principal.as_str()),
        ("SignatureDoesNotMatch", "")
    );
    // A refused request does not use its nonce up.
    assert_ne!(
        code(&mut cloud, &request(SDK_OOS), NOW),
        "SignatureNonceUsed"
    );
}

#[test]
fn keys_and_tokens_are_told_apart() {
    let unknown = SDK_ESS.replace("Credential=ak", "Credential=nobody");
    assert_eq!(
        code(&mut cloud(), &request(&unknown), NOW),
        "InvalidAccessKeyId.NotFound"
    );
    let mut without = vector_b();
    without
        .headers
        .retain(|(name, _)| name != "x-acs-security-token");
    assert_eq!(code(&mut cloud(), &without, DATE), "MissingSecurityToken");
    let mut other = vector_b();
    other
        .headers
        .iter_mut()
        .find(|(n, _)| n == "x-acs-security-token")
        .unwrap()
        .1 = "x".into();
    assert_eq!(
        code(&mut cloud(), &other, DATE),
        "InvalidSecurityToken.MismatchWithAccessKey"
    );
    let mut late = cloud();
    late.world
        .ram
        .keys
        .get_mut("STS.FAKE-ID")
        .unwrap()
        .expires_at = Some(at(DATE));
    assert_eq!(
        code(&mut late, &vector_b(), DATE),
        "InvalidSecurityToken.Expired"
    );
    let mut inactive = cloud();
    inactive.world.ram.keys.get_mut("ak").unwrap().inactive = true;
    assert_eq!(
        code(&mut inactive, &request(SDK_ESS), NOW),
        "InvalidAccessKeyId.Inactive"
    );
    let unsigned = request("POST /?Action=ListExecutions&Version=2019-06-01\nhost: x");
    assert_eq!(code(&mut cloud(), &unsigned, NOW), "MissingAccessKeyId");
}
