//! One object, held against everything that is known of its kind without a cluster.

use anyhow::{Context, Result};
use ess_rollout_api::GROUP;
use ess_rollout_api::v1alpha1::{
    ImageUpdateTaskSpec, MaintenanceWindowSpec, RollbackSpec, RollingUpdateTaskSpec,
};
use ess_rollout_core::task::refusal::Refusal;
use ess_rollout_core::{image_update, rollout, windows};
use ess_rollout_validation::{Cause, Kind, Schema, Wanted};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fields::{Mending, join};
use super::finding::{Finding, Severity};
use super::names::{containing, nearest};
use super::yaml::{Content, Node};
use super::{dangers, metadata, say};

/// Those of this version, without descriptions.
const CRDS: &str = include_str!(concat!(env!("OUT_DIR"), "/crds.json"));

/// What objects are held against.
pub struct Rules {
    kinds: Vec<Kind>,
    metadata: Schema,
    now: Timestamp,
}

/// What an object is taken for.
enum Taken<'a> {
    /// It is none of ours.
    Other,
    /// It is one of this kind, unless its group, version or kind are wrong; and then this is what may be meant.
    Ours(Option<&'a Kind>, Vec<(&'static str, String)>),
}

impl Rules {
    /// Those of this version's CRDs; `now` is when what is looked at would be created.
    ///
    /// # Errors
    /// When a CRD is not understood, which none is.
    pub fn new(now: Timestamp) -> Result<Self> {
        let mut kinds = Vec::new();
        let crds: Vec<Value> = serde_json::from_str(CRDS)?;
        for crd in &crds {
            kinds.extend(Kind::of_crd(crd)?);
        }
        let metadata = Schema::of(&metadata::schema(), "metadata")?;
        Ok(Self {
            kinds,
            metadata,
            now,
        })
    }

    /// Looks at an object; `false`: it is none of ours.
    pub fn check(&self, file: &str, object: &Node, found: &mut Vec<Finding>) -> bool {
        let (kind, wrong) = match self.taken(object) {
            Taken::Other => return false,
            Taken::Ours(kind, wrong) => (kind, wrong),
        };
        let mut about = About::new(file, object, found);
        for (field, message) in wrong {
            about.fault(field, message);
        }
        about.twice("", object);
        if let Some(kind) = kind
            && let Some(schema) = &kind.schema
        {
            self.check_kind(kind, schema, object, &mut about);
        }
        true
    }

    fn taken(&self, object: &Node) -> Taken<'_> {
        let (api, kind) = (object.text("apiVersion"), object.text("kind"));
        let (group, version) = match api {
            Some(api) => api.split_once('/').unwrap_or(("", api)),
            None => ("", ""),
        };
        let ours = || self.kinds.iter().map(|kind| kind.kind.as_str());
        let named = |name: &str| self.kinds.iter().find(|kind| kind.kind == name);
        let near = |kind| nearest(kind, ours()).or_else(|| containing(kind, ours()));
        let meant = kind.and_then(|kind| named(near(kind)?));
        let mut wrong = Vec::new();
        if group != GROUP {
            let looks_ours = match (api, kind) {
                (None, None) => {
                    let spec = object.field("spec").map(|spec| &spec.value);
                    let tells = ["scalingGroupId", "taskRef"];
                    spec.is_some_and(|spec| tells.iter().any(|field| spec.field(field).is_some()))
                }
                (_, kind) if group.is_empty() => kind.is_some_and(|kind| named(kind).is_some()),
                _ => group.contains("ess-rollout") || nearest(group, [GROUP]).is_some(),
            };
            if !looks_ours {
                return Taken::Other;
            }
            let cure = format!("write {GROUP}/v1alpha1");
            wrong.push((
                "apiVersion",
                match api {
                    None => format!("is missing: {cure}"),
                    Some(api) => format!("{} is no API that there is: {cure}", say::shown(api)),
                },
            ));
        } else if self.kinds.iter().all(|kind| kind.version != version) {
            let message = format!(
                "{GROUP} has no version {}: write {GROUP}/v1alpha1",
                say::shown(version)
            );
            wrong.push(("apiVersion", message));
        }
        let list = || ours().collect::<Vec<_>>().join(", ");
        match (kind, meant) {
            (None, _) => wrong.push(("kind", format!("is missing: add one of {}", list()))),
            (Some(kind), Some(meant)) if meant.kind == kind => {}
            (Some(kind), Some(meant)) => {
                let message = format!(
                    "there is no kind {}: write {}",
                    say::shown(kind),
                    meant.kind
                );
                wrong.push(("kind", message));
            }
            (Some(kind), None) => {
                let message = format!(
                    "there is no kind {}: there are {}",
                    say::shown(kind),
                    list()
                );
                wrong.push(("kind", message));
            }
        }
        Taken::Ours(meant, wrong)
    }

    fn check_kind(&self, kind: &Kind, schema: &Schema, object: &Node, about: &mut About<'_>) {
        if kind.kind == "ScalingGroupRecord" {
            about.warning("", "the operator writes these, and what others write in them is lost or misleads it: leave it out".into());
        }
        let mut mended = object.clone();
        self.mend(schema, &mut mended, about);
        about.object = mended.clone();

        let mut value = mended.value();
        let metadata = self.check_metadata(&mut value, about);
        if let (Some(metadata), Some(object)) = (&metadata, value.as_object_mut()) {
            object.insert("metadata".to_owned(), Value::Object(metadata.clone()));
        }
        // A create does not take it.
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        schema.prune(&mut value);
        schema.fill(&mut value);
        let causes = schema.check(&value, None);
        for cause in &causes {
            if is_of_empty(cause, &causes) {
                continue;
            }
            let (_, node) = mended.at(&cause.field);
            let message = say::message(cause, node);
            about.said(&cause.field, &message);
        }
        if causes.is_empty() {
            self.check_spec(&kind.kind, &value["spec"], about);
        }
    }

    /// Unknown fields.
    fn mend(&self, schema: &Schema, object: &mut Node, about: &mut About<'_>) {
        let known = ["apiVersion", "kind", "metadata"];
        let mut mending = Mending {
            root: schema,
            found: Vec::new(),
        };
        let Content::Fields(fields) = &mut object.content else {
            return;
        };
        let names = schema.fields().map(|(name, _)| name).chain(known);
        let names: Vec<&str> = names.collect();
        let given: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        fields.retain_mut(|field| {
            if names.contains(&&*field.name) {
                return true;
            }
            let (meant, cure) = mending.cure("", &field.name, &names, &given);
            let message = format!("there is no such field: {cure}");
            about.fault_at(field.line, &field.name, message);
            match meant {
                Some(meant) => field.name = meant,
                None => return false,
            }
            true
        });
        for field in fields {
            let inner = match field.name.as_str() {
                "metadata" => Some(&self.metadata),
                name => schema.field(name),
            };
            if let Some(inner) = inner {
                mending.mend(&field.name, &mut field.value, inner);
            }
        }
        for (path, line, message) in mending.found {
            about.fault_at(line, &path, message);
        }
    }

    /// `None`: it is of no use.
    fn check_metadata(
        &self,
        object: &mut Value,
        about: &mut About<'_>,
    ) -> Option<Map<String, Value>> {
        let mut given = object
            .get_mut("metadata")
            .map(Value::take)
            .unwrap_or_default();
        if given.is_null() {
            given = Value::Object(Map::new());
        }
        let causes = self.metadata.check(&given, None);
        for cause in &causes {
            let field = match cause.field.as_str() {
                "" => "metadata".to_owned(),
                field => format!("metadata.{field}"),
            };
            let (_, node) = about.object.at(&field);
            let message = say::message(cause, node);
            about.fault(&field, message);
        }
        let Value::Object(mut metadata) = given else {
            return None;
        };
        let faults = metadata::faults(&metadata).into_iter();
        for (field, message) in faults.chain(metadata::request_faults(&metadata)) {
            // What is of another type was not looked at.
            if !about.has_fault(&field) {
                about.fault(&field, message);
            }
        }
        for (field, message) in metadata::unknown_annotations(&metadata) {
            about.warning(&field, message);
        }
        // The rule on the length of names takes it for granted.
        if !metadata.get("name").is_some_and(Value::is_string) {
            metadata.insert("name".to_owned(), "generated".into());
        }
        Some(metadata)
    }

    /// What the operator would refuse, and what is seldom meant.
    fn check_spec(&self, kind: &str, spec: &Value, about: &mut About<'_>) {
        let (refusal, policy) = match kind {
            "RollingUpdateTask" => {
                let Some(spec) = about.decode::<RollingUpdateTaskSpec>(spec) else {
                    return;
                };
                (rollout::check_task(&spec), Some(spec.policy))
            }
            "Rollback" => {
                let Some(spec) = about.decode::<RollbackSpec>(spec) else {
                    return;
                };
                (rollout::check_rollback(&spec), Some(spec.policy))
            }
            "ImageUpdateTask" => {
                let Some(spec) = about.decode::<ImageUpdateTaskSpec>(spec) else {
                    return;
                };
                (image_update::check_spec(&spec, self.now), None)
            }
            "MaintenanceWindow" => {
                let Some(spec) = about.decode::<MaintenanceWindowSpec>(spec) else {
                    return;
                };
                (windows::check_spec(&spec), None)
            }
            _ => return,
        };
        if let Some(Refusal { message, .. }) = refusal {
            about.said("spec", &message);
        }
        for (field, message) in policy.iter().flat_map(dangers::of) {
            about.warning(field, message.to_owned());
        }
    }
}

/// A pattern says nothing of an empty text that its least length does not say.
fn is_of_empty(cause: &Cause, causes: &[Cause]) -> bool {
    let short = |other: &Cause| {
        other.field == cause.field && matches!(other.wanted, Some(Wanted::NoShorter(_)))
    };
    matches!(cause.wanted, Some(Wanted::Pattern(_))) && causes.iter().any(short)
}

/// An object that is looked at.
struct About<'a> {
    file: &'a str,
    kind: String,
    name: String,
    namespace: String,
    object: Node,
    /// The number of its first finding.
    first: usize,
    found: &'a mut Vec<Finding>,
}

impl<'a> About<'a> {
    fn new(file: &'a str, object: &Node, found: &'a mut Vec<Finding>) -> Self {
        let metadata = object.field("metadata").map(|metadata| &metadata.value);
        let text = |field: &str| metadata.and_then(|metadata| metadata.text(field));
        // One that is generated has a star for what is not known yet.
        let generated = || text("generateName").map(|prefix| format!("{prefix}*"));
        let name = text("name").map(str::to_owned).or_else(generated);
        Self {
            file,
            kind: object.text("kind").unwrap_or("object").to_owned(),
            name: name.unwrap_or_else(|| "?".to_owned()),
            namespace: text("namespace").unwrap_or_default().to_owned(),
            object: object.clone(),
            first: found.len(),
            found,
        }
    }

    fn find(&mut self, severity: Severity, line: usize, field: &str, message: String) {
        self.found.push(Finding {
            file: self.file.to_owned(),
            line,
            kind: self.kind.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            field: field.to_owned(),
            severity,
            message,
        });
    }

    fn fault_at(&mut self, line: usize, field: &str, message: String) {
        self.find(Severity::Fault, line, field, message);
    }

    fn fault(&mut self, field: &str, message: String) {
        self.fault_at(self.object.at(field).0, field, message);
    }

    fn warning(&mut self, field: &str, message: String) {
        let line = self.object.at(field).0;
        self.find(Severity::Warning, line, field, message);
    }

    /// A fault whose message may name a field of its own.
    fn said(&mut self, field: &str, message: &str) {
        if let Some((field, message)) = say::field_before(message) {
            return self.fault(field, message.to_owned());
        }
        // What a person looks for is a field that is named and there.
        let named = say::named(message).map(|named| self.object.at(named));
        let lines = named.filter_map(|(line, node)| node.map(|_| line));
        let line = lines.min().unwrap_or(self.object.at(field).0);
        self.fault_at(line, field, message.to_owned());
    }

    fn has_fault(&self, field: &str) -> bool {
        let mut own = self.found[self.first..].iter();
        own.any(|found| found.field == field)
    }

    /// A spec that its schema has taken.
    fn decode<T: DeserializeOwned>(&mut self, spec: &Value) -> Option<T> {
        let decoded = T::deserialize(spec).context("it is not understood");
        decoded
            .inspect_err(|error| self.fault("spec", format!("{error:#}")))
            .ok()
    }

    /// Fields that are there twice.
    fn twice(&mut self, path: &str, node: &Node) {
        match &node.content {
            Content::Scalar(_) => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.twice(&format!("{path}[{index}]"), item);
                }
            }
            Content::Fields(fields) => {
                for (index, field) in fields.iter().enumerate() {
                    let at = join(path, &field.name);
                    let written = fields[..index].iter().filter(|other| !other.merged);
                    let mut earlier = written.filter(|other| other.name == field.name);
                    if let Some(first) = earlier.next() {
                        let message = format!(
                            "stands in line {} already, and only the last one counts: leave one of them out",
                            first.line
                        );
                        self.fault_at(field.line, &at, message);
                    }
                    self.twice(&at, &field.value);
                }
            }
        }
    }
}
