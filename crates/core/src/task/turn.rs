//! Whose turn a scaling group is: rollbacks first, then first come, first served.

use super::object::Object;

/// Why it is not the object's turn, if so. Whoever holds the group and does not exist any more will never
/// let it go, and is passed over.
pub(crate) fn before(object: &Object<'_>) -> Option<String> {
    if let Some(holder) = object.held_by_other() {
        return Some(format!(
            "{} {}/{} holds the scaling group",
            holder.kind, holder.namespace, holder.name
        ));
    }
    let ahead = object.ahead.filter(|_| !object.holds())?;
    let why = match ahead.kind.as_str() {
        "Rollback" => "undoes an update of the group",
        _ => "was created earlier",
    };
    Some(format!(
        "{} {}/{} {why} and starts first",
        ahead.kind, ahead.namespace, ahead.name
    ))
}
