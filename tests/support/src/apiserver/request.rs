//! From an HTTP request to an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, Response, header};
use serde_json::{Value, json};

use super::failure::Failure;
use super::store::{By, Store};
use super::watch::{self, Selector};
use super::write::{self, Options};
use super::{Answer, FakeApiserver, patch};
use ess_rollout_validation::Kind;

/// Where a request goes.
struct Target<'a> {
    kind: &'a Kind,
    /// `None`: all.
    namespace: Option<String>,
    name: Option<String>,
    status: bool,
}

pub(super) type Query = BTreeMap<String, String>;

/// What is answered, before it is JSON.
enum Reply {
    Object(u16, Arc<Value>),
    Stream(Body),
}

pub(super) fn answer(apiserver: &FakeApiserver, user: &str, request: &Request<Vec<u8>>) -> Answer {
    let (status, body) = match route(apiserver, user, request) {
        Ok(Reply::Object(status, object)) => (status, Body::from(object.to_string())),
        Ok(Reply::Stream(body)) => (200, body),
        Err(failure) => (failure.code, Body::from(failure.status().to_string())),
    };
    let mut answer = Response::new(body);
    if let Ok(status) = http::StatusCode::from_u16(status) {
        *answer.status_mut() = status;
    }
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

/// Path segments and query of a request, decoded.
fn address(request: &Request<Vec<u8>>) -> Result<(Vec<String>, Query), Failure> {
    let uri = format!("http://apiserver{}", request.uri());
    let uri = match request.uri().scheme() {
        Some(_) => request.uri().to_string(),
        None => uri,
    };
    let url = reqwest::Url::parse(&uri).map_err(|_| Failure::no_such_path())?;
    let segments = url.path_segments().into_iter().flatten();
    let segments = segments.filter(|segment| !segment.is_empty());
    Ok((
        segments.map(str::to_owned).collect(),
        url.query_pairs().into_owned().collect(),
    ))
}

fn target<'a>(apiserver: &'a FakeApiserver, segments: &[String]) -> Result<Target<'a>, Failure> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match segments.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Failure::no_such_path()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..] => {
            (Some((*namespace).to_owned()), (plural, rest))
        }
        [plural, rest @ ..] => (None, (plural, rest)),
        [] => return Err(Failure::no_such_path()),
    };
    let (plural, rest) = rest;
    let kind = apiserver.shared.kinds.find(group, version, plural);
    let kind = kind.ok_or_else(Failure::no_such_path)?;
    let (name, status) = match rest {
        [] => (None, false),
        [name] => (Some((*name).to_owned()), false),
        [name, "status"] if kind.status => (Some((*name).to_owned()), true),
        _ => return Err(Failure::no_such_path()),
    };
    if kind.namespaced && name.is_some() && namespace.is_none() {
        return Err(Failure::no_such_path());
    }
    Ok(Target {
        kind,
        namespace,
        name,
        status,
    })
}

fn route(
    apiserver: &FakeApiserver,
    user: &str,
    request: &Request<Vec<u8>>,
) -> Result<Reply, Failure> {
    let (segments, query) = address(request)?;
    let target = target(apiserver, &segments)?;
    let Target {
        kind,
        namespace,
        name,
        status,
    } = &target;
    let kind: &Kind = kind;
    if request.method() == Method::GET {
        return read(apiserver, &target, &query);
    }
    let parse = || -> Result<Value, Failure> {
        serde_json::from_slice(request.body())
            .map_err(|error| Failure::bad_request(format!("the body is no JSON: {error}")))
    };
    let options = Options {
        dry_run: query.get("dryRun").is_some_and(|given| given == "All"),
        strict: query
            .get("fieldValidation")
            .is_some_and(|given| given == "Strict"),
    };
    let by = |verb| By {
        user,
        verb,
        subresource: if *status { "status" } else { "" },
        time: (apiserver.shared.now)(),
    };
    let namespace = namespace.as_deref().unwrap_or_default();
    let mut guard = apiserver.store();
    let store: &mut Store = &mut guard;
    let Some(name) = name.as_deref() else {
        if request.method() != Method::POST {
            return Err(Failure::method_not_allowed());
        }
        let created = write::create(store, kind, namespace, parse()?, options, &by("create"))?;
        drop(guard);
        apiserver.shared.changed.notify_waiters();
        return Ok(Reply::Object(201, created));
    };
    let old = store
        .get(kind, namespace, name)
        .ok_or_else(|| Failure::not_found(kind, name))?;
    let reply = match *request.method() {
        Method::PUT => {
            let object = write::update(store, kind, &old, parse()?, options, &by("update"))?;
            Reply::Object(200, object)
        }
        Method::PATCH => {
            let media_type = request.headers().get(header::CONTENT_TYPE);
            let media_type = media_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or("");
            let patched = patch::apply(kind, name, &old, media_type, request.body())?;
            let object = write::update(store, kind, &old, patched, options, &by("patch"))?;
            Reply::Object(200, object)
        }
        Method::DELETE => {
            let parameters = if request.body().is_empty() {
                json!({})
            } else {
                parse()?
            };
            let left = write::delete(store, kind, &old, &parameters, &by("delete"))?;
            Reply::Object(200, left.unwrap_or_else(|| Arc::new(gone(kind, &old))))
        }
        _ => return Err(Failure::method_not_allowed()),
    };
    drop(guard);
    apiserver.shared.changed.notify_waiters();
    Ok(reply)
}

/// The answer to the deletion of an object that is gone with it.
fn gone(kind: &Kind, object: &Value) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {
            "name": object["metadata"]["name"],
            "group": kind.group,
            "kind": kind.plural,
            "uid": object["metadata"]["uid"],
        },
    })
}

fn read(apiserver: &FakeApiserver, target: &Target<'_>, query: &Query) -> Result<Reply, Failure> {
    let Target {
        kind,
        namespace,
        name,
        ..
    } = target;
    let flag = |name: &str| {
        query
            .get(name)
            .is_some_and(|given| ["true", "1"].contains(&given.as_str()))
    };
    if let Some(name) = name {
        let object = apiserver
            .store()
            .get(kind, namespace.as_deref().unwrap_or_default(), name);
        return object
            .map(|object| Reply::Object(200, object))
            .ok_or_else(|| Failure::not_found(kind, name));
    }
    let selector = Selector::of(kind, namespace.clone(), query)?;
    if flag("watch") {
        return watch::begin(apiserver, kind, selector, query).map(Reply::Stream);
    }
    list(apiserver, kind, &selector, query).map(|list| Reply::Object(200, Arc::new(list)))
}

/// One page of a list. Later pages show what the first one would have.
fn list(
    apiserver: &FakeApiserver,
    kind: &Kind,
    selector: &Selector,
    query: &Query,
) -> Result<Value, Failure> {
    let mut store = apiserver.store();
    let limit = query.get("limit").and_then(|limit| limit.parse().ok());
    let limit: usize = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let (revision, mut items) = match query.get("continue").filter(|token| !token.is_empty()) {
        None => {
            let all = store.list(kind, selector.namespace.as_deref());
            let all = all.into_iter().filter(|object| selector.selects(object));
            (store.revision(), all.collect::<Vec<_>>())
        }
        Some(token) => {
            let page = token.parse().ok().and_then(|token| store.take_page(token));
            page.ok_or_else(|| Failure::expired(0, store.revision()))?
        }
    };
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if items.len() > limit {
        let rest = items.split_off(limit);
        metadata["remainingItemCount"] = rest.len().into();
        metadata["continue"] = store.keep_page(revision, rest).to_string().into();
    }
    Ok(json!({
        "apiVersion": kind.api_version(),
        "kind": format!("{}List", kind.kind),
        "metadata": metadata,
        "items": items.iter().map(|item| Value::clone(item)).collect::<Vec<_>>(),
    }))
}
