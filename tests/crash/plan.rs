//! Which runs there are, made from what the dry runs did.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::gate::{Event, Side, What};
use super::scenario::Scenario;
use super::site::{CALL_TIMEOUT, CLOCK_SCALE, SETTLE};

/// Nearly the whole bound on lateness: what is left is for the way through the proxy.
const LATE: Duration = Duration::from_millis(SETTLE.as_millis() as u64 * 9 / 10);
/// The operator stays away until every call that it left behind has had its effect, the next batch has run, and the next
/// pause has come.
const LONG: Duration = Duration::from_millis(3500);
/// A person has time to delete the task meanwhile.
const SHORT: Duration = Duration::from_millis(400);
/// Virtual seconds: most of the bound on lateness.
const LAG: u32 = (SETTLE.as_millis() as f64 * CLOCK_SCALE / 1000.0 * 0.9) as u32;

/// One run, and what happens in it.
#[derive(Debug, Clone)]
pub struct Run {
    pub name: String,
    pub scenario: Scenario,
    pub events: Vec<Event>,
    /// For the emulator's control API.
    pub faults: Vec<Value>,
    /// Undocumented behaviours of OOS.
    pub switches: Value,
}

impl Run {
    fn new(scenario: Scenario, events: Vec<Event>) -> Self {
        let mut run = Self {
            name: String::new(),
            scenario,
            events,
            faults: Vec::new(),
            switches: json!({}),
        };
        run.rename();
        run
    }

    fn fault(mut self, action: &str, effect: &Value) -> Self {
        self.faults
            .push(json!({"service": "OOS", "action": action, "effect": effect}));
        self.rename();
        self
    }

    fn lag(mut self, switches: Value) -> Self {
        self.switches = switches;
        self.rename();
        self
    }

    fn rename(&mut self) {
        self.name = format!("{}:", self.scenario.name());
        for event in &self.events {
            let _ = write!(self.name, " {event};");
        }
        for fault in &self.faults {
            let _ = write!(
                self.name,
                " {} {};",
                fault["action"].as_str().unwrap_or("?"),
                fault["effect"]["kind"].as_str().unwrap_or("?")
            );
        }
        if self.switches != json!({}) {
            let _ = write!(self.name, " {};", self.switches);
        }
        self.name.pop();
    }
}

/// The scenarios without any event.
pub fn dry() -> Vec<Run> {
    use Scenario::{Cancelled, Deleted, Failing, Image, Script};
    [Script, Image, Failing, Deleted, Cancelled]
        .map(|scenario| Run::new(scenario, Vec::new()))
        .into()
}

fn kill(step: &str, nth: usize, side: Side, down: Duration) -> Event {
    Event {
        step: step.to_owned(),
        nth,
        what: What::Kill { side, down },
    }
}

/// Splits `name#n`.
fn parts(step: &str) -> (&str, usize) {
    let (name, nth) = step.rsplit_once('#').unwrap_or((step, "1"));
    (name, nth.parse().unwrap_or(1))
}

fn is_cloud(step: &str) -> bool {
    !step.contains(' ')
}

/// Kills on every side of each call to the cloud, and on one side of every fourth write:
/// `make sweep` stops the operator on every side of both in simulation, and this shows that the process behaves as
/// simulated. `steps` are those of the dry run. Up to the start all scenarios do the same, so that is swept once; of
/// the others the calls are.
pub fn sweep(scenario: Scenario, steps: &[String]) -> Vec<Run> {
    const CALL: [Side; 3] = [Side::Before, Side::After, Side::Late(LATE)];
    let started = steps
        .iter()
        .position(|step| parts(step) == ("StartExecution", 1));
    let mut runs = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let (name, nth) = parts(step);
        let sides = match (scenario, is_cloud(name)) {
            (Scenario::Script, true) => &CALL[..],
            (Scenario::Script, false) if number % 4 == 0 => {
                let side = number / 4 % 3;
                &CALL[side..=side]
            }
            (_, true) if Some(number) > started => &CALL[1..2],
            (_, _) => &[],
        };
        for side in sides {
            runs.push(Run::new(
                scenario,
                vec![kill(name, nth, *side, Duration::ZERO)],
            ));
        }
    }
    runs
}

/// What is worse than one kill, each of them once: `make sweep` combines them. `steps` are those of the dry run of
/// [`Scenario::Script`].
pub fn combinations(steps: &[String]) -> Vec<Run> {
    use Scenario::{Cancelled, DeletedAtOnce, Script};
    const START: &str = "StartExecution";
    const NOTIFY: &str = "NotifyExecution";
    let zero = Duration::ZERO;
    let mut runs = Vec::new();

    for step in [START, NOTIFY] {
        // Time passes while nobody runs.
        runs.push(Run::new(Script, vec![kill(step, 1, Side::After, LONG)]));
        for side in [Side::After, Side::Late(LATE)] {
            // Killed again while it recovers.
            runs.push(Run::new(
                Script,
                vec![
                    kill(step, 1, side, zero),
                    kill("*", 2, Side::After, zero),
                    kill("*", 1, Side::Late(LATE), zero),
                ],
            ));
        }
    }
    // The network and the service lose and delay calls; the kill comes when the answer would have.
    let late = json!({"kind": "effectLate", "afterMillis": LATE.as_millis() as u64});
    for effect in [
        json!({"kind": "lostBefore"}),
        json!({"kind": "answerLost"}),
        late.clone(),
    ] {
        for (scenario, action) in [
            (Script, START),
            (Script, NOTIFY),
            (Cancelled, "CancelExecution"),
        ] {
            runs.push(
                Run::new(scenario, vec![kill(action, 1, Side::After, zero)]).fault(action, &effect),
            );
        }
    }
    // Lists lag behind.
    for (switches, step, side) in [
        (json!({"listLagSeconds": LAG}), START, Side::After),
        (json!({"tagLagSeconds": LAG}), START, Side::After),
        (
            json!({"updateDateLagSeconds": LAG}),
            NOTIFY,
            Side::Late(LATE),
        ),
        (
            json!({"updateDateMovesWithChildren": false}),
            NOTIFY,
            Side::Late(LATE),
        ),
    ] {
        runs.push(Run::new(Script, vec![kill(step, 1, side, zero)]).lag(switches));
    }
    // The answer to the intent comes late, and the call that follows it has its effect late.
    for action in [START, NOTIFY] {
        let call = steps.iter().position(|step| parts(step) == (action, 1));
        if let Some(intent) = call.and_then(|at| steps.get(at.checked_sub(1)?)) {
            let (step, nth) = parts(intent);
            let slow = Event {
                step: step.to_owned(),
                nth,
                what: What::SlowAnswer(CALL_TIMEOUT * 2 / 5),
            };
            runs.push(Run::new(
                Script,
                vec![slow, kill(action, 1, Side::Late(LATE), zero)],
            ));
        }
    }
    // Deleted while it is not known whether there is an execution.
    for (side, down) in [
        (Side::Before, zero),
        (Side::After, SHORT),
        (Side::Late(LATE), zero),
        (Side::Late(LATE), SHORT),
    ] {
        runs.push(Run::new(DeletedAtOnce, vec![kill(START, 1, side, down)]));
    }
    runs
}
