//! What can stand against the start of an update or a run.

use crate::decision::Settings;

/// Something that stands against the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// One CamelCase word.
    pub(crate) reason: &'static str,
    /// What is wrong, and the cure.
    pub(crate) message: String,
    /// Whether it passes by itself. If not, a person has to act.
    pub(crate) passes: bool,
}

impl Problem {
    pub(crate) fn blocked(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            passes: false,
        }
    }

    pub(crate) fn wait(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            passes: true,
        }
    }
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
            "CredentialsNotAllowed",
            format!(
                "namespace {namespace} may not use the operator's own credentials: set spec.credentialsRef in a new task, or list the namespace in --own-credentials-namespaces"
            ),
        ));
    }
    let role = ram_role.filter(|role| !settings.own_credentials_ram_roles.contains(*role))?;
    Some(Problem::blocked(
        "RamRoleNotAllowed",
        format!(
            "spec.ramRole: role {role} may not be used with the operator's own credentials: list it in --own-credentials-ram-roles, or set spec.credentialsRef in a new task"
        ),
    ))
}
