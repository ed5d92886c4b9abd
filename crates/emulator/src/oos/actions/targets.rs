//! `ACS::SelectTargets`: instances by their ids, by their tags, or all of a region.

use serde_json::{Map, Value, json};

use super::Outcome;
use super::api::{Call, append, describe};
use crate::oos::cut::shorten;
use crate::oos::engine::Engine;
use crate::oos::host::Host;
use crate::params::Params;

/// Most ids that one DescribeInstances takes.
const MAX_IDS: usize = 100;

impl Engine {
    pub(super) fn select_targets(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        properties: &Value,
    ) -> Outcome {
        let region = json!(self.executions[id].region);
        let queries = match queries(properties, &region) {
            Ok(queries) => queries,
            Err(e) => return Outcome::Failed(e),
        };
        let mut whole = json!({"Instances": {"Instance": []}});
        for params in queries {
            let call = Call {
                service: "ECS".to_owned(),
                api: "DescribeInstances".to_owned(),
                params,
                auto_paging: true,
                risk: None,
            };
            match self.call_all_pages(host, id, &call) {
                Ok(page) => {
                    append(&mut whole, &page, 0);
                }
                Err(e) => return Outcome::Failed(describe(&call, &e)),
            }
        }
        once_each(&mut whole);
        Outcome::Done(whole)
    }
}

/// An instance that more than one filter found counts once: loops over the answer act on it.
fn once_each(answer: &mut Value) {
    let mut seen = std::collections::BTreeSet::new();
    if let Some(Value::Array(rows)) = answer.pointer_mut("/Instances/Instance") {
        rows.retain(|row| match row.get("InstanceId").and_then(Value::as_str) {
            Some(id) => seen.insert(id.to_owned()),
            None => true,
        });
    }
}

/// The parameters of the calls that find the targets. Filters stand in `Filters`, or the one
/// filter there is beside `ResourceType`.
fn queries(properties: &Value, region: &Value) -> Result<Vec<Params>, String> {
    only_instances(properties)?;
    let mut found = Vec::new();
    let mut ids: Vec<(Value, Vec<Value>)> = Vec::new();
    let filters: Vec<&Value> = match properties.get("Filters") {
        Some(Value::Array(list)) => {
            looks_at(
                properties,
                &["ResourceType", "RegionId", "Filters"],
                "beside Filters",
            )?;
            list.iter().collect()
        }
        None | Some(Value::Null) => vec![properties],
        Some(_) => return Err("Filters is not a list".to_owned()),
    };
    for filter in filters {
        only_instances(filter)?;
        let get = |key: &str| {
            let inner = filter.get("Parameters").and_then(|inner| inner.get(key));
            filter.get(key).or(inner).filter(|value| !value.is_null())
        };
        let region = match get("RegionId").or(properties.get("RegionId")) {
            None | Some(Value::Null) => region.clone(),
            Some(Value::String(text)) if text.is_empty() => region.clone(),
            Some(own @ Value::String(_)) => own.clone(),
            Some(_) => return Err("RegionId is not a text".to_owned()),
        };
        let kind = match get("Type") {
            Some(kind) => kind.as_str().unwrap_or_default(),
            None if get("ResourceIds").is_some() => "ResourceIds",
            None if get("Tags").is_some() => "Tags",
            None => "",
        };
        let selects: &[&str] = match kind {
            "ResourceIds" => &["ResourceIds"],
            "Tags" => &["Tags"],
            "All" => &[],
            _ => {
                return Err(
                    "only targets of Type ResourceIds, Tags and All are supported".to_owned(),
                );
            }
        };
        let place = format!("of targets of Type {kind}");
        let known = ["Type", "RegionId", "ResourceType", "Parameters"];
        looks_at(filter, &[&known, selects].concat(), &place)?;
        if let Some(inner) = filter.get("Parameters").filter(|inner| !inner.is_null()) {
            if !inner.is_object() {
                return Err("Parameters of targets is not an object".to_owned());
            }
            looks_at(inner, &[&["Type", "RegionId"], selects].concat(), &place)?;
        }
        match kind {
            "ResourceIds" => {
                let list = get("ResourceIds").and_then(Value::as_array);
                let list = list.ok_or("ResourceIds is not a list")?;
                if let Some(id) = list.iter().find(|id| !id.is_string()) {
                    let shown = shorten(&id.to_string());
                    return Err(format!("ResourceIds holds {shown}, which is no id"));
                }
                match ids.iter_mut().find(|(other, _)| *other == region) {
                    Some((_, known)) => known.extend(list.iter().cloned()),
                    None => ids.push((region, list.clone())),
                }
            }
            "Tags" => found.push(by_tags(get("Tags"), region)?),
            _ => found.push(Map::from_iter([("RegionId".to_owned(), region)])),
        }
    }
    for (region, ids) in ids {
        for chunk in ids.chunks(MAX_IDS) {
            found.push(Map::from_iter([
                ("RegionId".to_owned(), region.clone()),
                ("InstanceIds".to_owned(), json!(json!(chunk).to_string())),
            ]));
        }
    }
    Ok(found)
}

fn only_instances(of: &Value) -> Result<(), String> {
    const KIND: &str = "ALIYUN::ECS::Instance";
    match of.get("ResourceType") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case(KIND) => Ok(()),
        Some(kind) => Err(format!(
            "ResourceType {kind} is not supported: it must be {KIND}"
        )),
    }
}

/// Refuses what narrows the selection and is not looked at: more would be selected than is meant.
fn looks_at(filter: &Value, known: &[&str], place: &str) -> Result<(), String> {
    let given = filter.as_object().into_iter().flatten();
    let mut others =
        given.filter(|(key, value)| !value.is_null() && !known.contains(&key.as_str()));
    match others.next() {
        None => Ok(()),
        Some((key, _)) => Err(format!(
            "{key} is not supported {place}: leave it out, or put ResourceIds or Tags into a filter"
        )),
    }
}

/// `Tags` is a list of keys with values; an instance must have all of them.
fn by_tags(tags: Option<&Value>, region: Value) -> Result<Params, String> {
    let form = "Tags must be a list of objects with Key and Value";
    let list = tags.and_then(Value::as_array).ok_or(form)?;
    if list.is_empty() {
        // Without a tag the call would find every instance there is.
        return Err("Tags is empty".to_owned());
    }
    let mut wanted = Vec::new();
    for tag in list {
        let key = tag.get("Key").and_then(Value::as_str).ok_or(form)?;
        let mut pair = json!({ "Key": key });
        match tag.get("Value") {
            None | Some(Value::Null) => {}
            Some(value @ Value::String(_)) => pair["Value"] = value.clone(),
            Some(_) => return Err(form.to_owned()),
        }
        wanted.push(pair);
    }
    Ok(Map::from_iter([
        ("RegionId".to_owned(), region),
        ("Tag".to_owned(), Value::Array(wanted)),
    ]))
}
