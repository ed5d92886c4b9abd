//! The members of all scaling groups, found by their own id and by their group.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

/// What belongs to a scaling group, for good.
pub trait InGroup {
    /// The id of the group.
    fn group_id(&self) -> &str;
}

/// Members by the id of the ECS instance or container group. Which group has which is kept beside
/// them: a call about one group must not look at the members of a thousand others.
#[derive(Debug, Clone)]
pub struct Members<M> {
    by_id: BTreeMap<String, M>,
    by_group: BTreeMap<String, BTreeSet<String>>,
}

impl<M> Default for Members<M> {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_group: BTreeMap::new(),
        }
    }
}

impl<M> Deref for Members<M> {
    type Target = BTreeMap<String, M>;

    fn deref(&self) -> &Self::Target {
        &self.by_id
    }
}

impl<M: InGroup> Members<M> {
    /// Puts a member into its group; one of the same id is replaced.
    pub(crate) fn insert(&mut self, id: String, member: M) {
        self.remove(&id);
        let group = self.by_group.entry(member.group_id().to_owned());
        group.or_default().insert(id.clone());
        self.by_id.insert(id, member);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<M> {
        let member = self.by_id.remove(id)?;
        if let Some(of_group) = self.by_group.get_mut(member.group_id()) {
            of_group.remove(id);
            if of_group.is_empty() {
                self.by_group.remove(member.group_id());
            }
        }
        Some(member)
    }

    /// A member, to change anything of it but its id and group.
    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut M> {
        self.by_id.get_mut(id)
    }

    /// The members of a group, by id.
    pub(crate) fn of_group<'a>(&'a self, group_id: &str) -> impl Iterator<Item = &'a M> {
        let ids = self.by_group.get(group_id).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
    }
}
