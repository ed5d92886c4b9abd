//! Dispatcher and rates together, on paused time: whatever is asked and whenever, everybody's look ends within as long as
//! the calls before it take.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use ess_rollout_aliyun::{
    Client, ClientConfig, Endpoints, Limiter, Limits, Rate, Service, Transport, TransportError,
    WireRequest, WireResponse, credentials::StaticCredentials,
};
use ess_rollout_cloud::{Cloud, ExecutionFilter, Query};
use proptest::prelude::*;
use tokio::time::sleep;

use super::*;
use crate::runtime::shutdown;

/// How many calls a pass makes at most.
const MOST_CALLS: u32 = 4;
/// How long before their part of the rate allows it people may ask, in seconds.
const EARLY: u32 = 10;
/// Debounce, answers that are under way, and sleeps in whole milliseconds.
const SLACK: f64 = 2.0;

/// One look at an object that nobody else looks at.
#[derive(Debug, Clone, Copy)]
struct Look {
    urgency: Urgency,
    /// When it comes due, or somebody asks, from the beginning.
    at: Duration,
    calls: u32,
}

#[derive(Debug, Clone)]
struct World {
    workers: usize,
    /// Calls a second.
    rate: u32,
    /// Of a call.
    latency: Duration,
    looks: Vec<Look>,
}

/// What a world is made from. Small, so that what fails shrinks fast.
#[derive(Debug, Clone, Copy)]
struct Plan {
    seed: u64,
    /// Looks that come due.
    due: u32,
    /// Within how many seconds they do.
    spread: u64,
    /// Which part of the rate goes to what people ask for, in percent.
    asked: u32,
    workers: usize,
    /// Above what the passes that are side by side need before one of them is told to come back.
    spare: u32,
    latency: u64,
}

fn plans() -> impl Strategy<Value = Plan> {
    let due = prop_oneof![3 => 1_u32..200, 2 => 200_u32..=5_000, 1 => Just(5_000)];
    let asked = prop_oneof![Just(0), 1_u32..=60];
    (
        any::<u64>(),
        due,
        0_u64..=600,
        asked,
        8_usize..=128,
        0_u32..60,
        0_u64..=50,
    )
        .prop_map(|(seed, due, spread, asked, workers, spare, latency)| Plan {
            seed,
            due,
            spread,
            asked,
            workers,
            spare,
            latency,
        })
}

impl Plan {
    /// The part of the rate that is left for what is due.
    fn left(self) -> f64 {
        1.0 - f64::from(self.asked) / 100.0
    }

    fn world(self) -> World {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let most = Limits::default().longest_wait_of_reads.as_secs_f64() * 0.9;
        #[allow(clippy::cast_precision_loss, reason = "a small number")]
        let side_by_side = self.workers as f64 * f64::from(MOST_CALLS);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small number"
        )]
        let least = (side_by_side / most / self.left()).ceil() as u32;
        let rate = least + self.spare;
        let due = (0..self.due).map(|_| Look {
            urgency: Urgency::Due,
            at: Duration::from_millis(random.u64(0..=self.spread * 1_000)),
            calls: random.u32(1..=MOST_CALLS),
        });
        let mut looks: Vec<Look> = due.collect();
        let calls: u32 = looks.iter().map(|look| look.calls).sum();
        let end = f64::from(calls) / (f64::from(rate) * self.left());
        self.ask(&mut random, rate, end, &mut looks);
        World {
            workers: self.workers,
            rate,
            latency: Duration::from_millis(self.latency),
            looks,
        }
    }

    /// People ask all the time that the others need, here and there many at once, but for no more than their part.
    fn ask(self, random: &mut fastrand::Rng, rate: u32, end: f64, looks: &mut Vec<Look>) {
        let each_second = f64::from(rate * self.asked) / 100.0;
        if self.asked == 0 {
            return;
        }
        let (mut spent, mut at) = (0.0, Duration::ZERO);
        while at.as_secs_f64() < end + f64::from(MOST_CALLS) {
            let calls = random.u32(1..=MOST_CALLS);
            spent += f64::from(calls);
            let earned = Duration::from_secs_f64(spent / each_second);
            // Whoever has gathered them asks for several at once.
            if random.u32(0..4) == 0 {
                at = earned;
            }
            let urgency = Urgency::Asked;
            looks.push(Look { urgency, at, calls });
            at = at.max(earned.saturating_sub(Duration::from_secs(EARLY.into())));
        }
    }
}

/// Answers that there is no such execution.
struct Wire(Duration);

impl Transport for Wire {
    fn send(
        &self,
        _: WireRequest,
    ) -> Pin<Box<dyn Future<Output = Result<WireResponse, TransportError>> + Send + '_>> {
        Box::pin(async {
            sleep(self.0).await;
            Ok(WireResponse {
                status: 200,
                headers: Default::default(),
                body: br#"{"RequestId": "1", "Executions": []}"#.to_vec(),
            })
        })
    }
}

impl World {
    fn client(&self) -> Client {
        let limits = Limits {
            oos_reads: Rate::per_second(self.rate),
            ..Limits::default()
        };
        let config = ClientConfig {
            // Of one service alone: STS is not asked then.
            endpoints: Endpoints::standard()
                .with(Service::Oos, "http://127.0.0.1:1")
                .unwrap(),
            limiter: Arc::new(Limiter::new(limits)),
            ..ClientConfig::default()
        };
        let credentials = Arc::new(StaticCredentials::new("ak", "secret", None).unwrap());
        Client::with_transport(config, credentials, Arc::new(Wire(self.latency)))
    }

    /// When each look ended.
    async fn run(&self) -> Vec<Duration> {
        let begin = Instant::now();
        let triggers = Arc::new(Triggers::new());
        let ended = Arc::new(Mutex::new(vec![None; self.looks.len()]));
        let (stop, shutdown) = shutdown::channel();
        let (served, client) = (triggers.clone(), self.client());
        let (looks, ends, workers) = (self.looks.clone(), ended.clone(), self.workers);
        let serving = tokio::spawn(async move {
            let workers = Workers {
                in_a_lane: workers,
                in_all: workers,
            };
            run(&served, workers, shutdown, |key: usize, turn| {
                let (client, ends, calls) = (client.clone(), ends.clone(), looks[key].calls);
                async move {
                    let query = Query::Executions(ExecutionFilter::Id("exec-1".to_owned()));
                    for _ in 0..calls {
                        client.query("cn-hangzhou", &query, turn).await.unwrap();
                    }
                    ends.lock().unwrap()[key] = Some(begin.elapsed());
                    Finished {
                        again: Again::OnChange,
                        versions: Vec::new(),
                    }
                }
            })
            .await
        });
        self.arrive(&triggers, begin).await;
        // Longer than anything may take: nobody is asked for any more.
        let calls: u32 = self.looks.iter().map(|look| look.calls).sum();
        let longest = Duration::from_secs_f64(1.1 * f64::from(calls) / f64::from(self.rate) + 60.0);
        let give_up = Instant::now() + longest;
        while ended.lock().unwrap().contains(&None) && Instant::now() < give_up {
            sleep(Duration::from_secs(1)).await;
        }
        stop.stop();
        serving.await.unwrap().unwrap();
        let ended = ended.lock().unwrap();
        ended.iter().map(|end| end.unwrap()).collect()
    }

    async fn arrive(&self, triggers: &Triggers<usize>, begin: Instant) {
        let mut order: Vec<usize> = (0..self.looks.len()).collect();
        order.sort_by_key(|key| self.looks[*key].at);
        for key in order {
            let look = self.looks[key];
            sleep_until(begin + look.at).await;
            match look.urgency {
                Urgency::Due => triggers.trigger(key),
                Urgency::Asked | Urgency::Shared => {
                    triggers.changed(key, "1".to_owned(), look.urgency);
                }
            }
        }
    }

    /// How long these calls take, with the hair that a bucket loses that is full before it is drawn from.
    fn time_of(&self, calls: u32) -> f64 {
        1.01 * f64::from(calls) / f64::from(self.rate) + SLACK
    }

    /// The calls that may come before this look has ended: its own, of those before it that had not ended when it came
    /// due, and of all that people have asked for until it ended. Whoever asks waits for nobody but those who asked
    /// before, and for the passes that are under way, which hold the workers.
    fn calls_before(&self, ended: &[Duration], key: usize) -> u32 {
        let (look, end) = (self.looks[key], ended[key]);
        let before = |other: &Look| match (look.urgency, other.urgency) {
            (Urgency::Due, Urgency::Due) => other.at <= look.at,
            (Urgency::Due, _) => other.at <= end,
            (_, Urgency::Due) => false,
            _ => other.at <= look.at,
        };
        let others = self.looks.iter().zip(ended);
        let others = others.filter(|(other, other_end)| **other_end >= look.at && before(other));
        let under_way = match look.urgency {
            Urgency::Due => 0,
            _ => u32::try_from(self.workers).unwrap() * MOST_CALLS,
        };
        under_way + others.map(|(other, _)| other.calls).sum::<u32>()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_look_ends_within_the_time_of_the_calls_before_it(plan in plans()) {
        let world = plan.world();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let ended = runtime.block_on(world.run());
        let early = f64::from(EARLY * world.rate * plan.asked) / 100.0;
        let all = (f64::from(plan.due * MOST_CALLS) + early) / f64::from(world.rate) / plan.left();
        for (key, (look, end)) in world.looks.iter().zip(&ended).enumerate() {
            let took = (*end - look.at).as_secs_f64();
            let bound = world.time_of(world.calls_before(&ended, key));
            prop_assert!(took <= bound, "{key} {look:?}: {took} s, bound {bound} s, at {}/s", world.rate);
            // Nobody is starved: what people ask for takes its part of the rate and no more.
            let most = 1.01 * all + world.time_of(2 * MOST_CALLS * u32::try_from(world.workers).unwrap());
            prop_assert!(took <= most, "{key} {look:?}: {took} s, {most} s for all, at {}/s", world.rate);
        }
    }
}
