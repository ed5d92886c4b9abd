//! Buckets on paused time.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::{Arc, Mutex};

use ess_rollout_cloud::Urgency;

use super::*;

fn limiter(per_second: f64, burst: u32) -> Limiter {
    let rate = Rate { per_second, burst };
    Limiter::new(Limits {
        oos_reads: rate,
        oos_requests: rate,
        ..Limits::default()
    })
}

fn draw(lane: Lane) -> Draw<'static> {
    Draw {
        account: "ak",
        region: "cn-hangzhou",
        service: Service::Oos,
        action: match lane {
            Lane::Read => "ListExecutions",
            Lane::Mutation => "NotifyExecution",
        },
        lane,
        turn: Turn::default(),
    }
}

async fn drain(limiter: &Limiter, lane: Lane, count: usize) {
    for _ in 0..count {
        limiter.take(draw(lane)).await.unwrap();
    }
}

/// How long a token takes.
async fn wait_for(limiter: &Limiter, draw: Draw<'_>) -> Duration {
    let before = Instant::now();
    limiter.take(draw).await.unwrap();
    before.elapsed()
}

#[test]
fn a_read_waits_as_long_as_the_passes_side_by_side_can_make_its_queue_at_a_rate_throttled_to_its_least()
 {
    let wait = |per_second: u32, passes: usize| {
        let limits = Limits {
            oos_reads: Rate::per_second(per_second),
            ..Limits::default()
        };
        limits.for_passes(passes).longest_wait_of_reads.as_secs()
    };
    assert_eq!(wait(10, 1), 300, "never less than by default");
    assert_eq!(wait(10, 128), 1024);
    assert_eq!(wait(20, 128), 1024, "the others have a rate of 10");
    assert_eq!(wait(2, 16), 640);
    assert_eq!(wait(1, 1000), 3600, "nor without end");
}

#[tokio::test(start_paused = true)]
async fn reads_and_what_people_ask_for_and_starts_have_tokens_of_their_own() {
    let limiter = limiter(0.1, 3);
    drain(&limiter, Lane::Read, 3).await;
    drain(&limiter, Lane::Mutation, 3).await;
    let start = Draw {
        action: "StartExecution",
        ..draw(Lane::Mutation)
    };
    assert_eq!(wait_for(&limiter, start).await, Duration::ZERO);
    // The lists share theirs, and so do the requests.
    let cancel = Draw {
        action: "CancelExecution",
        ..draw(Lane::Mutation)
    };
    assert!(limiter.take(cancel).await.is_err());
    let tasks = Draw {
        action: "ListTaskExecutions",
        ..draw(Lane::Read)
    };
    assert_eq!(wait_for(&limiter, tasks).await.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_its_turn_and_a_mutation_is_told_when_to_come_back() {
    let limiter = limiter(0.1, 1);
    drain(&limiter, Lane::Read, 1).await;
    assert_eq!(wait_for(&limiter, draw(Lane::Read)).await.as_secs(), 10);

    drain(&limiter, Lane::Mutation, 1).await;
    let before = Instant::now();
    let wait = limiter.take(draw(Lane::Mutation)).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO, "sent away at once");
    assert_eq!(wait.as_secs(), 10);
}

fn turn(urgency: Urgency, number: u64) -> Turn {
    Turn { urgency, number }
}

/// Asks for a token in each of these turns, in this order, and gives the order in which they got it.
async fn served(limiter: Arc<Limiter>, turns: &[Turn]) -> Vec<Turn> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let waiting = turns.iter().map(|turn| {
        let (limiter, order) = (limiter.clone(), order.clone());
        async move {
            let draw = Draw {
                turn: *turn,
                ..draw(Lane::Read)
            };
            limiter.take(draw).await.unwrap();
            order.lock().unwrap().push(*turn);
        }
    });
    futures::future::join_all(waiting).await;
    let order = order.lock().unwrap();
    order.clone()
}

#[tokio::test(start_paused = true)]
async fn what_serves_many_goes_first_then_what_people_wait_for_then_who_has_waited_longest() {
    let limiter = Arc::new(limiter(1.0, 1));
    drain(&limiter, Lane::Read, 1).await;
    let mut turns = [
        turn(Urgency::Due, 1),
        turn(Urgency::Due, 9),
        turn(Urgency::Due, 4),
        turn(Urgency::Asked, 12),
        turn(Urgency::Shared, 20),
        turn(Urgency::Asked, 11),
    ];
    let order = served(limiter, &turns).await;
    turns.sort();
    assert_eq!(order, turns);
}

/// The queue of a rate is a line: with `calls` calls each, whoever stands at place `n` has them all after `n × calls` tokens,
/// whatever comes after him.
#[tokio::test(start_paused = true)]
async fn everybody_is_served_within_the_time_that_all_calls_before_his_take() {
    for (passes, calls, rate) in [
        (1_u64, 1_u64, 3_u32),
        (40, 3, 10),
        (60, 3, 10),
        (5_000, 3, 100),
    ] {
        let limiter = Arc::new(Limiter::new(Limits {
            oos_reads: Rate::per_second(rate),
            longest_wait_of_reads: Duration::MAX / 4,
            ..Limits::default()
        }));
        let begin = Instant::now();
        // The last come first.
        let all = (0..passes).rev().map(|number| {
            let limiter = limiter.clone();
            async move {
                // One after the other, as the pages of a list are.
                for _ in 0..calls {
                    let turn = turn(Urgency::Due, number);
                    let draw = Draw {
                        turn,
                        ..draw(Lane::Read)
                    };
                    limiter.take(draw).await.unwrap();
                }
                (number, begin.elapsed())
            }
        });
        for (number, took) in futures::future::join_all(all).await {
            // Those who came when there were tokens took them: they are behind by no more than the burst.
            let ahead = (number + 1) * calls + u64::from(rate);
            let bound = Duration::from_millis(ahead * 1_000 / u64::from(rate) + 50);
            assert!(
                took <= bound,
                "{number} of {passes}: {took:?}, bound {bound:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let limiter = limiter(1.0, 1);
    drain(&limiter, Lane::Read, 1).await;
    for _ in 0..50 {
        // Dropped while asleep.
        let _ =
            tokio::time::timeout(Duration::from_millis(1), limiter.take(draw(Lane::Read))).await;
    }
    assert!(wait_for(&limiter, draw(Lane::Read)).await <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_throttled_bucket_closes_as_long_as_asked() {
    let limiter = limiter(100.0, 100);
    for lane in [Lane::Read, Lane::Mutation] {
        limiter.throttled(draw(lane), Some(Duration::from_secs(7)));
    }
    let wait = limiter.take(draw(Lane::Mutation)).await.unwrap_err();
    assert_eq!(wait.as_secs(), 7);
    assert_eq!(wait_for(&limiter, draw(Lane::Read)).await.as_secs(), 7);
    drain(&limiter, Lane::Mutation, 1).await;
}

/// Or the first second after the pause would be throttled again.
#[tokio::test(start_paused = true)]
async fn after_a_pause_nobody_starts_with_a_burst() {
    let limiter = limiter(1.0, 100);
    limiter.throttled(draw(Lane::Read), Some(Duration::from_secs(60)));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(wait_for(&limiter, draw(Lane::Read)).await.as_secs() >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_nonsense_wish_is_bounded() {
    let limiter = limiter(10.0, 10);
    limiter.throttled(draw(Lane::Mutation), Some(Duration::from_secs(86_400)));
    let wait = limiter.take(draw(Lane::Mutation)).await.unwrap_err();
    assert_eq!(wait.as_secs(), LONGEST_PAUSE.as_secs());
}

/// How many reads pass in a second.
async fn reads_in_a_second(limiter: &Limiter) -> u32 {
    let end = Instant::now() + Duration::from_secs(1);
    let mut count = 0;
    while Instant::now() < end {
        let taken = tokio::time::timeout_at(end, limiter.take(draw(Lane::Read))).await;
        count += u32::from(taken.is_ok());
    }
    count
}

#[tokio::test(start_paused = true)]
async fn throttling_halves_the_rate_and_time_brings_it_back() {
    let limiter = limiter(20.0, 1);
    // Ten calls under way at once are one sign.
    for _ in 0..10 {
        limiter.throttled(draw(Lane::Read), None);
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let slowed = reads_in_a_second(&limiter).await;
    assert!((9..=12).contains(&slowed), "{slowed}");
    tokio::time::advance(Duration::from_secs(60)).await;
    let recovered = reads_in_a_second(&limiter).await;
    assert!((19..=22).contains(&recovered), "{recovered}");
}

#[tokio::test(start_paused = true)]
async fn accounts_regions_and_apis_do_not_hinder_each_other() {
    let limiter = limiter(0.1, 1);
    drain(&limiter, Lane::Read, 1).await;
    for other in [
        Draw {
            account: "other",
            ..draw(Lane::Read)
        },
        Draw {
            region: "cn-beijing",
            ..draw(Lane::Read)
        },
        Draw {
            service: Service::Ess,
            action: "DescribeScalingGroups",
            ..draw(Lane::Read)
        },
    ] {
        limiter.take(other).await.unwrap();
    }
}
