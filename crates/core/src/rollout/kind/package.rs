//! `update.package`: an OOS package installed or uninstalled by the package plug-in of Cloud Assistant.
//!
//! The template (`ACS-ESS-RollingUpdateByConfigureOOSPackage`) splices name and version into a command
//! of root, so their characters are limited here once more: an execution that was started elsewhere
//! and an object that was restored have passed no admission.

use ess_rollout_api::v1alpha1::{
    PackageAction, PackageState, PackageUpdate, Plan, RollbackPayload, Update,
};
use ess_rollout_cloud::{ErrorClass, Execution, Query};
use serde_json::{Map, Value, json};

use super::update_kind::{
    Author, Before, Eligible, KindRow, ReadBack, UpdateKind, blocked, missing, not_running,
    parameters,
};
use crate::rollout::parameters::text;
use crate::task::observation::{Known, Missing, Observation};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// The most instances whose packages are read: OOS tells of one instance at a time.
const READS_MAX: usize = 100;
/// OOS `TemplateType` of packages.
const PACKAGE_TYPE: &str = "Package";
/// The longest name (OOS `TemplateName`).
const NAME_MAX: usize = 200;
/// The longest version that is taken for one.
const VERSION_MAX: usize = 64;

pub(super) static ROW: KindRow = KindRow {
    template: "ACS-ESS-RollingUpdateByConfigureOOSPackage",
    field: "package",
    payload_field: "packageVersion",
    made_of_payload: &["version", "rollbackVersion"],
    of: |asked| {
        Some(Box::new(Package {
            update: asked.update.package.as_ref()?,
            author: asked.author,
        }))
    },
    of_execution,
};

struct Package<'a> {
    update: &'a PackageUpdate,
    author: Author,
}

/// Letters and digits, and `.`, `_`, `-` inside: nothing that a shell or the plug-in's own list of
/// parameters, which has commas, would read as more than a word.
fn is_word(text: &str, max: usize) -> bool {
    text.len() <= max
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

impl Package<'_> {
    fn is_install(&self) -> bool {
        self.update.action == PackageAction::Install
    }

    /// The version that OOS is asked for. `None`: when installing the newest, when uninstalling
    /// whichever is there.
    fn version<'p>(&'p self, plan: &'p Plan) -> Option<&'p str> {
        let version = self.update.version.as_deref();
        version.or(plan.package_version.as_deref())
    }

    /// The versions that the spec names, each with its field.
    fn versions(&self) -> impl Iterator<Item = (&'static str, &String)> {
        let version = self.update.version.iter().map(|v| ("version", v));
        let rollback = self.update.rollback_version.iter();
        version.chain(rollback.map(|v| ("rollbackVersion", v)))
    }

    fn state_queries<'q>(&'q self, instances: &'q [&str]) -> impl Iterator<Item = Query> + 'q {
        instances.iter().map(|instance| Query::InstancePackage {
            instance: (*instance).to_owned(),
            package: self.update.name.clone(),
        })
    }

    /// What all members have installed; `None`: not known, or not the same for all.
    fn source(&self, observation: &Observation, members: &[&str]) -> Known<Option<PackageState>> {
        if members.is_empty() || members.len() > READS_MAX {
            return Ok(None);
        }
        observation.require(self.state_queries(members))?;
        let mut found: Option<Option<String>> = None;
        for member in members {
            let version = match observation.instance_package(member, &self.update.name) {
                Ok(version) => version.clone(),
                Err(Missing::Failed(error)) if passes(error.class) => {
                    return Err(Missing::Failed(error));
                }
                // Not being allowed to tell what was there is no reason not to start.
                Err(_) => return Ok(None),
            };
            // A version that could not be asked for is as good as none that is known.
            let unfit = version.as_ref().is_some_and(|v| !is_word(v, VERSION_MAX));
            if unfit || found.as_ref().is_some_and(|other| *other != version) {
                return Ok(None);
            }
            found = Some(version);
        }
        Ok(found.map(|version| PackageState { version }))
    }

    fn payload(&self, version: Option<&str>) -> Map<String, Value> {
        let action = match self.update.action {
            PackageAction::Install => "install",
            PackageAction::Uninstall => "uninstall",
        };
        parameters([
            ("packageName", json!(self.update.name)),
            ("packageVersion", json!(version.unwrap_or(""))),
            ("action", json!(action)),
        ])
    }

    /// Something is wrong with what a field of the spec names.
    fn refuse(&self, reason: Reason, field: &str, what: &str) -> Known<Option<Problem>> {
        let field = ROW.field_of(self.author, field);
        blocked(reason, format!("{field}: {what}"))
    }
}

/// Whether the same call may be answered well soon.
fn passes(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Retry | ErrorClass::Throttled)
}

/// An answer, or `None` where the credentials may not ask: whether it exists is then seen by running.
fn if_allowed<T>(answer: Known<T>) -> Known<Option<T>> {
    match answer {
        Err(Missing::Failed(error)) if error.class == ErrorClass::Denied => Ok(None),
        answer => answer.map(Some),
    }
}

impl UpdateKind for Package<'_> {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn check_spec(&self) -> Option<Problem> {
        let name = std::iter::once(("name", &self.update.name, NAME_MAX));
        let versions = self.versions().map(|(field, v)| (field, v, VERSION_MAX));
        let mut words = name.chain(versions);
        let (field, text, _) = words.find(|(_, text, max)| !is_word(text, *max))?;
        let message = format!(
            "{}: {text:?} is refused: only letters, digits, '.', '_' and '-', beginning with a letter or a digit, since it becomes part of a command of root",
            ROW.field_of(self.author, field)
        );
        Some(Problem::blocked(Reason::InvalidSpec, message))
    }

    fn reads(&self) -> Vec<Query> {
        let versions = self.versions().map(|(_, version)| Some(version.clone()));
        let query = |version| Query::Package {
            name: self.update.name.clone(),
            version,
        };
        std::iter::once(None).chain(versions).map(query).collect()
    }

    fn check_cloud(&self, eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        let (observation, instances) = (eligible.observation, eligible.instances()?);
        let name = &self.update.name;
        let package = match if_allowed(observation.package(name, None))? {
            None => return Ok(not_running(instances)),
            Some(None) => {
                let message = format!(
                    "OOS has no package {name} in the group's region, public or of this account; create it there, or name another in a new task"
                );
                return self.refuse(Reason::PackageNotFound, "name", &message);
            }
            Some(Some(package)) => package,
        };
        let template_type = package.template_type.as_str();
        if !["", PACKAGE_TYPE].contains(&template_type) {
            let message =
                format!("{name} is an OOS template of type {template_type}, and no package");
            return self.refuse(Reason::NotAPackage, "name", &message);
        }
        for (field, version) in self.versions() {
            if let Some(None) = if_allowed(observation.package(name, Some(version)))? {
                let newest = &package.version;
                let message =
                    format!("package {name} has no version {version}; the newest is {newest}");
                return self.refuse(Reason::PackageVersionNotFound, field, &message);
            }
        }
        // The template has a branch for Linux and one for everything else, which is for Windows.
        let other = instances.iter().find(|instance| {
            let system = instance.os_type.as_str();
            !["", "linux", "windows"].contains(&system.to_ascii_lowercase().as_str())
        });
        let Some(instance) = other else {
            return Ok(not_running(instances));
        };
        let message = format!(
            "instance {} runs {}, and OOS installs packages on linux and windows",
            instance.id, instance.os_type
        );
        blocked(Reason::UnsupportedOS, message)
    }

    fn notes(&self, eligible: &Eligible<'_>) -> Known<Vec<String>> {
        let observation = eligible.observation;
        let mut notes = Vec::new();
        if let Err(Missing::Failed(error)) = observation.package(&self.update.name, None) {
            notes.push(format!(
                "whether there is such a package could not be checked: {error}"
            ));
        }
        let ids: Vec<&str> = eligible.ids.iter().map(String::as_str).collect();
        if self.update.rollback_version.is_none()
            && !ids.is_empty()
            && self.source(observation, &ids)?.is_none()
        {
            let unknown = "what the instances have installed now is not known, or differs: a Rollback will have to name a version";
            notes.push(unknown.to_owned());
        }
        Ok(notes)
    }

    /// The newest version is looked up once, so that a version that is published while the update runs
    /// does not end in a group of two versions. What is installed is read for the way back.
    fn complete(&self, observation: &Observation, plan: &mut Plan) -> Known<()> {
        if self.is_install() && self.update.version.is_none() {
            let package = if_allowed(observation.package(&self.update.name, None))?;
            let newest = package.and_then(Option::as_ref).map(|p| p.version.clone());
            plan.package_version = newest.filter(|version| is_word(version, VERSION_MAX));
        }
        let members: Vec<&str> = plan.members.iter().map(|m| m.id.as_str()).collect();
        plan.source_package = self.source(observation, &members)?;
        Ok(())
    }

    /// The version to go back to is installed; where none of the instances had the package before, it is uninstalled. What
    /// was there is never guessed: going back from version 3 to nothing is an outage.
    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        let update = self.update;
        let found = before.plan.source_package.as_ref();
        let named = to.package_version.as_ref();
        let named = named.or(update.rollback_version.as_ref());
        let known = named.or(found.and_then(|found| found.version.as_ref()));
        let back = match (known, found, update.action) {
            (Some(version), _, _) => Ok((PackageAction::Install, Some(version))),
            (None, Some(_), PackageAction::Install) => Ok((PackageAction::Uninstall, None)),
            (None, Some(_), PackageAction::Uninstall) => Err(
                "no instance had the package installed before it was uninstalled: to install it all the same name a version by spec.to.packageVersion in a new rollback",
            ),
            (None, None, PackageAction::Uninstall) => {
                let version = update.version.as_ref().ok_or(
                    "which version was installed before is not known, or differed: name the one to install by spec.to.packageVersion in a new rollback",
                );
                version.map(|version| (PackageAction::Install, Some(version)))
            }
            (None, None, PackageAction::Install) => Err(
                "which version was installed before is not known, or differed: name the one to go back to by spec.to.packageVersion in a new rollback, or uninstall the package by a new RollingUpdateTask",
            ),
        };
        let (action, version) = back.map_err(missing)?;
        Ok(Update {
            package: Some(PackageUpdate {
                name: update.name.clone(),
                version: version.cloned(),
                action,
                rollback_version: None,
            }),
            ..Update::default()
        })
    }

    fn parameters(&self, plan: &Plan) -> Map<String, Value> {
        self.payload(self.version(plan))
    }

    /// The template's rollback runs the action that it is given, so it is given the one that undoes.
    fn rollback_parameters(&self, _plan: &Plan) -> Map<String, Value> {
        self.payload(self.update.version.as_deref())
    }

    fn read_back(
        &self,
        observation: &Observation,
        plan: &Plan,
        instances: &[&str],
    ) -> Known<ReadBack> {
        let (name, mut back, mut absent) = (&self.update.name, ReadBack::default(), 0);
        let (read, left) = instances.split_at(instances.len().min(READS_MAX));
        observation.require(self.state_queries(read))?;
        for id in read {
            let found = match observation.instance_package(id, name) {
                Ok(found) => found,
                Err(Missing::Failed(error)) => {
                    return Ok(ReadBack {
                        unread: Some(format!("packages could not be read back: {error}")),
                        ..ReadBack::default()
                    });
                }
                Err(read) => return Err(read),
            };
            let how = match (found, self.is_install(), self.version(plan)) {
                (None, true, _) => {
                    absent += 1;
                    format!("{id} does not have package {name}")
                }
                (Some(found), true, Some(wanted)) if found != wanted => {
                    format!("{id} has version {found} of package {name}")
                }
                (Some(found), false, _) => {
                    format!("{id} still has version {found} of package {name}")
                }
                (Some(_), true, _) | (None, false, _) => continue,
            };
            back.differ.insert((*id).to_owned(), how);
        }
        if absent > 0 && absent == read.len() {
            back.differ.clear();
            // Whether OOS lists what the template installs is not documented.
            back.unread = Some(format!(
                "OOS lists package {name} for none of the instances that it was installed on"
            ));
        } else {
            back.read = read.iter().map(|id| (*id).to_owned()).collect();
        }
        if !left.is_empty() {
            back.unread = Some(format!(
                "the packages of {} of {} instances were not read back: OOS tells of one at a time",
                left.len(),
                instances.len()
            ));
        }
        Ok(back)
    }

    fn what(&self, plan: Option<&Plan>) -> String {
        let version = match plan {
            Some(plan) => self.version(plan),
            None => self.update.version.as_deref(),
        };
        let name = &self.update.name;
        match (self.is_install(), version) {
            (true, Some(version)) => format!("package {name} {version}"),
            (true, None) => format!("package {name}, the newest version"),
            (false, _) => format!("package {name} uninstalled"),
        }
    }
}

fn of_execution(root: &Execution) -> Result<Update, Problem> {
    Ok(Update {
        package: Some(PackageUpdate {
            name: text(root, "packageName").unwrap_or_default().to_owned(),
            version: text(root, "packageVersion").map(str::to_owned),
            action: match text(root, "action") {
                Some("uninstall") => PackageAction::Uninstall,
                _ => PackageAction::Install,
            },
            rollback_version: None,
        }),
        ..Update::default()
    })
}
