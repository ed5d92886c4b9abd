//! The experiments, in their order, and what they leave.

use std::collections::{BTreeMap, BTreeSet};

use ess_emulator::state::behaviour::Switches;
use ess_emulator::state::call::Service;
use serde_json::json;

use crate::account::{Account, Stop};
use crate::findings::Findings;
use crate::guard::Guard;
use crate::oos::Oos;
use crate::profile::Profile;
use crate::rates::{ASKED, MOST};
use crate::{groups, lags, pauses, rates, requests};

pub use crate::groups::missing as missing_group;

/// What a probe may touch besides what it creates.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Tells the things of this probe from those of others: 1 to 20 letters and digits.
    pub run: String,
    /// Scaling groups of the region. On the first with an instance in service a process is suspended and resumed, and an
    /// instance protected for a moment.
    pub groups: Vec<String>,
    /// Whether to find out how many calls a minute the account may make. Meanwhile others who use it are refused, too.
    pub rates: bool,
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
        if self.rates {
            lines.push(format!(
                "call {} as often as the account may in a minute, {MOST} times at most: whoever else uses the account is refused as well then, for up to a minute each",
                ASKED.map(|(service, action)| format!("{} {action}", service.name())).join(", ")
            ));
        }
        lines
    }
}

/// Asks the account, one experiment after the other, and deletes what it created. `tell` hears of each before it begins. Where the
/// account says that it is to stop, it takes back what it did, for two minutes at most, and finds out no more.
pub fn probe(account: &mut dyn Account, options: &Options, mut tell: impl FnMut(&str)) -> Profile {
    let account = &mut Guard::new(account);
    let mut findings = Findings {
        switches: Switches::default(),
        not_found: BTreeMap::new(),
        left: Vec::new(),
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
        if oos.account.stop() == Stop::No {
            tell(name);
            experiment(&mut oos, &mut findings);
        }
    }
    let mut left: BTreeSet<String> = oos.clean_up().into_iter().collect();
    if account.stop() == Stop::No {
        tell("scaling groups");
        groups::find(account, &options.groups, &mut findings);
    }
    match options.rates && account.stop() == Stop::No {
        true => {
            tell("rates");
            rates::find(account, &mut findings);
        }
        false => findings.without(&["rates"], "not asked for: --rates"),
    }
    left.extend(findings.left);
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
