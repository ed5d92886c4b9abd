//! The experiments, in their order, and what they leave.

use std::collections::BTreeMap;

use ess_emulator::state::behaviour::Switches;
use ess_emulator::state::call::Service;
use serde_json::json;

use crate::account::{Account, CallError};
use crate::oos::Oos;
use crate::profile::Profile;
use crate::{groups, lags, pauses, requests};

/// Why an experiment found nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A call that it needs was refused, or not answered.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What it waited for did not come.
    #[error("waited 15 minutes in vain: {0}")]
    NotSeen(String),
    /// What was seen is neither of what the emulator can do.
    #[error("{0}")]
    Unknown(String),
}

/// What a probe may touch besides what it creates.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Tells the things of this probe from those of others: 1 to 20 letters and digits.
    pub run: String,
    /// Scaling groups of the region. On the first with an instance in service a process is suspended and resumed, and an
    /// instance protected for a moment.
    pub groups: Vec<String>,
}

impl Options {
    /// What the probe will do to the account, a line each.
    pub fn touches(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "create, start and delete OOS templates named {}-{}-…; they sleep, fail on purpose and wait for approval, and call no other service",
                crate::oos::TAG,
                self.run
            ),
            "list executions, templates, scaling groups and their instances".to_owned(),
        ];
        if !self.groups.is_empty() {
            lines.push(format!(
                "on one of {}: suspend the process AlarmNotification and resume it, unless it is suspended; protect one instance in service from scale-in, twice, and take that back",
                self.groups.join(", ")
            ));
        }
        lines
    }
}

/// What experiments find, each by itself: one that fails leaves the others their turn.
pub(crate) struct Findings {
    pub switches: Switches,
    pub not_found: BTreeMap<String, String>,
}

impl Findings {
    /// Notes why there is nothing to say of these switches.
    pub(crate) fn without(&mut self, names: &[&str], why: &str) {
        for name in names {
            self.not_found.insert((*name).to_owned(), why.to_owned());
        }
    }

    /// What an experiment on these switches found.
    pub(crate) fn keep<T>(
        &mut self,
        names: &[&str],
        found: Result<T, ProbeError>,
        set: impl FnOnce(&mut Switches, T),
    ) {
        match found {
            Ok(found) => set(&mut self.switches, found),
            Err(error) => self.without(names, &error.to_string()),
        }
    }
}

/// Asks the account, one experiment after the other, and deletes what it created. `tell` hears of each before it begins.
pub fn probe(account: &mut dyn Account, options: &Options, mut tell: impl FnMut(&str)) -> Profile {
    let mut findings = Findings {
        switches: Switches::default(),
        not_found: BTreeMap::new(),
    };
    tell("page limits");
    let page_limits = page_limits(account, options);
    let mut oos = Oos::new(account, &options.run);
    for (name, experiment) in [
        (
            "templates",
            lags::templates as fn(&mut Oos<'_>, &mut Findings),
        ),
        ("lags of lists and dates", lags::find),
        ("what is taken and refused", requests::find),
        ("batch pauses", pauses::of_batches),
        ("failure pauses", pauses::of_failures),
    ] {
        tell(name);
        experiment(&mut oos, &mut findings);
    }
    let left = oos.clean_up().into_iter().collect();
    tell("scaling groups");
    groups::find(account, &options.groups, &mut findings);
    Profile {
        switches: findings.switches,
        not_found: findings.not_found,
        page_limits,
        left,
    }
}

/// The sizes that are asked for.
const SIZES: [u32; 5] = [10, 20, 50, 100, 200];

fn page_limits(account: &mut dyn Account, options: &Options) -> BTreeMap<String, u32> {
    let group = options.groups.first().map_or("asg-nobody", String::as_str);
    let mut limits = BTreeMap::new();
    for (service, action, size, more) in [
        (Service::Oos, "ListExecutions", "MaxResults", json!({})),
        (Service::Oos, "ListTaskExecutions", "MaxResults", json!({})),
        (Service::Oos, "ListTemplates", "MaxResults", json!({})),
        (Service::Ess, "DescribeScalingGroups", "PageSize", json!({})),
        (
            Service::Ess,
            "DescribeScalingInstances",
            "PageSize",
            json!({"ScalingGroupId": group}),
        ),
        (
            Service::Ess,
            "DescribeScalingActivities",
            "PageSize",
            json!({"ScalingGroupId": group}),
        ),
    ] {
        let mut largest = None;
        for asked in SIZES {
            let mut ask = more.clone();
            ask[size] = json!(asked.to_string());
            let Ok(answer) = account.call(service, action, &ask) else {
                continue;
            };
            // Some give less than is asked for, and say so.
            let given = answer[size].as_u64().and_then(|n| u32::try_from(n).ok());
            largest = largest.max(Some(given.unwrap_or(asked).min(asked)));
        }
        if let Some(largest) = largest {
            limits.insert(format!("{} {action}", service.name()), largest);
        }
    }
    limits
}
