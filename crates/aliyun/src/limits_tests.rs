//! Buckets on paused time.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use super::*;

fn limiter(per_second: f64, burst: u32, reserved: u32) -> Limiter {
    let rate = Rate {
        per_second,
        burst,
        reserved,
    };
    Limiter::new(Limits {
        oos: rate,
        ..Limits::default()
    })
}

fn draw(lane: Lane) -> Draw<'static> {
    Draw {
        account: "ak",
        region: "cn-hangzhou",
        service: Service::Oos,
        action: "ListExecutions",
        lane,
    }
}

async fn drain(limiter: &Limiter, lane: Lane, count: usize) {
    for _ in 0..count {
        limiter.take(draw(lane)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn reads_leave_the_last_tokens_to_mutations() {
    let limiter = limiter(0.1, 5, 2);
    drain(&limiter, Lane::Read, 3).await;
    assert!(limiter.take(draw(Lane::Read)).await.is_err());
    drain(&limiter, Lane::Mutation, 2).await;
    assert!(limiter.take(draw(Lane::Mutation)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_is_slept_and_a_long_one_is_told() {
    let limiter = limiter(2.0, 1, 0);
    drain(&limiter, Lane::Read, 1).await;
    let before = Instant::now();
    limiter.take(draw(Lane::Read)).await.unwrap();
    assert_eq!(before.elapsed().as_millis(), 500);

    let slow = self::limiter(0.1, 1, 0);
    drain(&slow, Lane::Read, 1).await;
    let before = Instant::now();
    let wait = slow.take(draw(Lane::Read)).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::ZERO, "sent away at once");
    assert_eq!(wait.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn mutations_are_more_patient_than_reads() {
    let limiter = limiter(0.5, 1, 0);
    drain(&limiter, Lane::Read, 1).await;
    assert!(limiter.take(draw(Lane::Read)).await.is_err());
    let before = Instant::now();
    limiter.take(draw(Lane::Mutation)).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_mostly_sent_away_at_once() {
    let limiter = Arc::new(limiter(10.0, 1, 0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let limiter = Arc::clone(&limiter);
            tokio::spawn(async move {
                let before = Instant::now();
                let result = limiter.take(draw(Lane::Read)).await;
                (result, before.elapsed())
            })
        })
        .collect();
    let (mut served, mut at_once) = (0, 0);
    for task in tasks {
        let (result, took) = task.await.unwrap();
        assert!(took <= Duration::from_secs(1));
        served += usize::from(result.is_ok());
        at_once += usize::from(result.is_err() && took == Duration::ZERO);
    }
    // One from the bucket and what a second brings, give or take the last.
    assert!((9..=11).contains(&served), "{served}");
    assert!(at_once >= 85, "{at_once}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let limiter = limiter(1.0, 1, 0);
    drain(&limiter, Lane::Read, 1).await;
    for _ in 0..50 {
        // Dropped while asleep.
        let _ =
            tokio::time::timeout(Duration::from_millis(1), limiter.take(draw(Lane::Read))).await;
    }
    limiter.take(draw(Lane::Read)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_bucket_closes_for_both_lanes_as_long_as_asked() {
    let limiter = limiter(100.0, 100, 10);
    limiter.throttled(draw(Lane::Read), Some(Duration::from_secs(7)));
    for lane in [Lane::Read, Lane::Mutation] {
        assert_eq!(limiter.take(draw(lane)).await.unwrap_err().as_secs(), 7);
    }
    tokio::time::advance(Duration::from_secs(7)).await;
    limiter.take(draw(Lane::Mutation)).await.unwrap();
}

/// Or the first second after the pause would be throttled again.
#[tokio::test(start_paused = true)]
async fn after_a_pause_reads_do_not_start_with_a_burst() {
    let limiter = limiter(1.0, 100, 10);
    limiter.throttled(draw(Lane::Read), Some(Duration::from_secs(60)));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(
        limiter.take(draw(Lane::Read)).await.unwrap_err().as_secs(),
        2
    );
    drain(&limiter, Lane::Mutation, 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_nonsense_wish_is_bounded() {
    let limiter = limiter(10.0, 10, 0);
    limiter.throttled(draw(Lane::Read), Some(Duration::from_secs(86_400)));
    assert_eq!(
        limiter.take(draw(Lane::Read)).await.unwrap_err(),
        LONGEST_PAUSE
    );
}

/// How many reads pass in a second.
async fn reads_in_a_second(limiter: &Limiter) -> u32 {
    let end = Instant::now() + Duration::from_secs(1);
    let mut count = 0;
    while Instant::now() < end {
        match limiter.take(draw(Lane::Read)).await {
            Ok(()) => count += 1,
            Err(wait) => tokio::time::sleep(wait.min(end - Instant::now())).await,
        }
    }
    count
}

#[tokio::test(start_paused = true)]
async fn throttling_halves_the_rate_and_time_brings_it_back() {
    let limiter = limiter(20.0, 1, 0);
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
    let limiter = limiter(0.1, 1, 0);
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
    // The APIs of OOS share one.
    let same = Draw {
        action: "ListTaskExecutions",
        ..draw(Lane::Read)
    };
    assert!(limiter.take(same).await.is_err());
}
