//! What can stand against the start of an update or a run.

use ess_rollout_cloud::{GroupState, GroupType, Image, ImageStatus, ScalingGroup};

use super::decision::Settings;
use super::observation::{Known, Missing};
use super::reason::Reason;

/// Something that stands against the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: Reason,
    /// What is wrong, and the cure.
    pub(crate) message: String,
    /// Whether it passes by itself. If not, a person has to act.
    pub(crate) passes: bool,
    /// Whether only another world than that of the object's creation could lift it: the object ends.
    pub(crate) is_final: bool,
    /// Whether the time for which it stands counts against the starting deadline.
    pub(crate) counts: bool,
}

impl Problem {
    pub(crate) fn blocked(reason: Reason, message: String) -> Self {
        Self {
            reason,
            message,
            passes: false,
            is_final: false,
            counts: true,
        }
    }

    /// Nothing lifts it any more.
    pub(crate) fn refused(reason: Reason, message: String) -> Self {
        Self {
            is_final: true,
            ..Self::blocked(reason, message)
        }
    }

    pub(crate) fn wait(reason: Reason, message: String) -> Self {
        Self {
            passes: true,
            counts: false,
            ..Self::blocked(reason, message)
        }
    }

    /// The same, where nobody promises that it passes.
    pub(crate) fn counted(self) -> Self {
        Self {
            counts: true,
            ..self
        }
    }
}

/// Why nothing can begin: something stands against it, or is not known.
pub(crate) enum Stop {
    Problem(Problem),
    Missing(Missing),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Missing> for Stop {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// What checks come to.
pub(crate) type Checked<T> = Result<T, Stop>;

/// The same, with what stands against it told from what is not known.
pub(crate) fn verdict<T>(checked: Checked<T>) -> Known<Result<T, Problem>> {
    match checked {
        Ok(found) => Ok(Ok(found)),
        Err(Stop::Problem(problem)) => Ok(Err(problem)),
        Err(Stop::Missing(missing)) => Err(missing),
    }
}

/// Neither the object nor the operator names a region.
pub(crate) fn region_missing() -> Problem {
    Problem::blocked(
        Reason::RegionMissing,
        "spec.regionId is not set and the operator has no default region: set it in a new object, or give the operator one (chart value region, flag --region)".into(),
    )
}

/// The group as read, if it is there, of a type and active. What is to be done instead for a group of
/// another type is `instead`'s to say.
pub(crate) fn usable_group<'a>(
    group: Option<&'a ScalingGroup>,
    (field, id, region): (&str, &str, &str),
    wanted: &GroupType,
    instead: &str,
) -> Result<&'a ScalingGroup, Problem> {
    let (reason, message) = match group {
        None => (
            Reason::ScalingGroupNotFound,
            format!(
                "{field}: scaling group {id} does not exist in {region}, or these credentials cannot see it"
            ),
        ),
        Some(ScalingGroup { group_type, .. }) if group_type != wanted => (
            Reason::ScalingGroupTypeMismatch,
            format!(
                "scaling group {id} is of type {group_type}, and this is for {wanted} groups: {instead}"
            ),
        ),
        Some(ScalingGroup { state, .. }) if *state != GroupState::Active => (
            Reason::ScalingGroupNotActive,
            format!("scaling group {id} is {state}: enable it in the ESS console"),
        ),
        Some(group) => return Ok(group),
    };
    Err(Problem::blocked(reason, message))
}

/// The image that a field of the spec names, if it is there and can be used. What is to be done instead
/// is `instead`'s to say.
pub(crate) fn usable_image<'a>(
    image: Option<&'a Image>,
    field: &str,
    (id, region): (&str, &str),
    instead: &str,
) -> Result<&'a Image, Problem> {
    let (reason, message) = match image.map(|image| (image, &image.status)) {
        // ModifyImageAttribute: a Deprecated image can be neither shared nor copied, but instances are made from it
        // and system disks replaced by it.
        Some((image, ImageStatus::Available | ImageStatus::Deprecated)) => return Ok(image),
        Some((_, status @ (ImageStatus::Creating | ImageStatus::Waiting))) => {
            let message = format!("image {id} is {status}; this begins when it is Available");
            return Err(Problem::wait(Reason::ImageNotAvailable, message));
        }
        Some((_, status)) => (
            Reason::ImageNotAvailable,
            format!(
                "{field}: image {id} is {status}, and only an Available one can be used: {instead}"
            ),
        ),
        None => (
            Reason::ImageNotFound,
            format!(
                "{field}: image {id} does not exist in {region}, or is not shared with this account; {instead}, or copy it to the region"
            ),
        ),
    };
    Err(Problem::blocked(reason, message))
}

/// Whether two words of the cloud, as of an image's operating system or architecture, are known and
/// differ. What is not known says nothing.
pub(crate) fn differ(one: &str, other: &str) -> bool {
    !one.is_empty() && !other.is_empty() && !one.eq_ignore_ascii_case(other)
}

/// Whether the operator's configuration lets a namespace use what its object asks for. With a Secret
/// of its own it may use whatever that may.
pub(crate) fn of_credentials(
    settings: &Settings,
    namespace: &str,
    has_secret: bool,
    ram_role: Option<&str>,
) -> Option<Problem> {
    if has_secret {
        return None;
    }
    if !settings.own_credentials_namespaces.contains(namespace) {
        return Some(Problem::blocked(
            Reason::CredentialsNotAllowed,
            format!(
                "namespace {namespace} may not use the operator's own credentials: set spec.credentialsRef in a new object, or list the namespace in the operator's configuration (chart value ownCredentials.namespaces, flag --own-credentials-namespaces)"
            ),
        ));
    }
    let role = ram_role.filter(|role| !settings.own_credentials_ram_roles.contains(*role))?;
    Some(Problem::blocked(
        Reason::RamRoleNotAllowed,
        format!(
            "spec.ramRole: role {role} may not be used with the operator's own credentials: list it in the operator's configuration (chart value ownCredentials.ramRoles, flag --own-credentials-ram-roles), or set spec.credentialsRef in a new object"
        ),
    ))
}
