//! Does what a round is about to whoever leads, and measures how long it takes until the other does.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::chronicle::Side;
use super::plan::{Fault, Round};
use super::site::Site;

/// The longest that the leader is waited for to be in the middle of something.
const IN_THE_MIDDLE: Duration = Duration::from_secs(15);
/// How long a process stands still.
const FROZEN: Duration = Duration::from_secs(30);
/// The longest that anybody waits for another leader.
const BOUND: Duration = Duration::from_secs(60);

/// What a fault came to.
#[derive(Debug, Default)]
pub struct Struck {
    /// From the fault until the other's metric says that it leads.
    pub takeover: Option<Duration>,
    pub violations: Vec<String>,
}

/// Waits for the moment of a round, and does what it is about. Both operators run when this returns.
pub async fn strike(site: &Site, leader: Side, round: &Round) -> Result<Struck> {
    let (one, other) = (site.actor(leader), site.actor(leader.other()));
    let effects = site.chronicle.more_effects(leader, round.after);
    let in_the_middle = tokio::time::timeout(IN_THE_MIDDLE, effects).await.is_ok();
    let fault = round.fault;
    site.chronicle.tell(match in_the_middle {
        true => format!("{fault} of {leader}"),
        false => format!(
            "{fault} of {leader}, which has not sent {} effects",
            round.after
        ),
    });
    let mut struck = Struck::default();
    let since = Instant::now();
    match fault {
        Fault::Crash => {
            one.process(|operator| operator.process().kill()).await?;
            struck.takeover = Some(other.until_it_leads(since, BOUND).await?);
            starts_again(site, leader).await?;
        }
        Fault::Stop => {
            let stops = one.process(|operator| operator.process().stop());
            let (ended, leads) = tokio::join!(stops, other.until_it_leads(since, BOUND));
            struck.takeover = Some(leads?);
            let ended = ended?;
            if ended.and_then(|status| status.code()) != Some(0) {
                struck.violations.push(format!(
                    "{leader} was told to stop and ended with {ended:?}"
                ));
            }
            starts_again(site, leader).await?;
        }
        Fault::Freeze => {
            one.process(|operator| operator.process().freeze()).await?;
            let leads = other.until_it_leads(since, BOUND).await;
            tokio::time::sleep(FROZEN.saturating_sub(since.elapsed())).await;
            // Whatever else is wrong: one that stands still does not end by SIGTERM.
            site.chronicle.thawed(leader);
            one.process(|operator| operator.process().thaw()).await?;
            struck.takeover = Some(leads?);
        }
        Fault::Apiserver(how) => {
            one.apiserver.network().cut(how);
            let leads = other.until_it_leads(since, BOUND).await;
            if one.leads().await != Some(false) {
                struck.violations.push(format!(
                    "{leader} cannot reach the apiserver, and says that it leads while {} does",
                    leader.other()
                ));
            }
            tokio::time::sleep(round.lasts).await;
            one.apiserver.network().mend();
            struck.takeover = Some(leads?);
        }
        Fault::Cloud(how) => {
            one.cloud.network().cut(how);
            tokio::time::sleep(round.lasts).await;
            one.cloud.network().mend();
        }
    }
    site.chronicle.tell("the fault is over");
    let leads = site.leader().await?;
    if (leads != leader) != fault.deposes() {
        struck
            .violations
            .push(format!("{leads} leads after {fault} of {leader}"));
    }
    Ok(struck)
}

async fn starts_again(site: &Site, side: Side) -> Result<()> {
    let actor = site.actor(side);
    actor
        .process(|operator| {
            operator.launch()?;
            operator.wait_ready()
        })
        .await?;
    if actor.leads().await == Some(true) {
        bail!("{side} has just started, and leads although the other does");
    }
    Ok(())
}
