//! Answers that are behind: a question is answered as it was some time ago, if it was asked then.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ess_emulator::front::Response;
use jiff::{SignedDuration, Timestamp};

use crate::world::{SETTLE, begin};

/// So long nested executions and tasks are behind: at the end of a run nothing else tells how they have ended.
const TASKS_BEHIND_FOR: SignedDuration = SignedDuration::from_secs(140);

/// Earlier answers to the same question, with their times, oldest first.
type Answers = BTreeMap<String, Vec<(Timestamp, Response)>>;

pub struct Lists {
    behind: SignedDuration,
    /// Those of nested executions and of tasks.
    tasks_behind: SignedDuration,
    answers: Mutex<Answers>,
    /// The last answer to each question.
    last: Mutex<BTreeMap<String, (Timestamp, Response)>>,
}

impl Lists {
    pub fn new(behind: u64, tasks_behind: u64) -> Self {
        let seconds = |seconds| SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        Self {
            behind: seconds(behind),
            tasks_behind: seconds(tasks_behind),
            answers: Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Takes an answer, which is true now, and gives the one to the same question before it, if it is no older than answers
    /// may be.
    pub fn before(&self, question: &str, now: Timestamp, answer: &Response) -> Option<Response> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.insert(question.to_owned(), (now, answer.clone()));
        let oldest = now - SignedDuration::try_from(SETTLE).unwrap_or_default();
        before
            .filter(|(at, _)| *at > oldest)
            .map(|(_, before)| before)
    }

    /// Which lists of tasks have been asked for, where those are behind: what they show changes whether anybody asks or not.
    pub fn of_tasks(&self) -> Vec<String> {
        if self.tasks_behind.is_zero() {
            return Vec::new();
        }
        let all = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let bodies = all
            .keys()
            .filter_map(|key| key.strip_prefix("ListTaskExecutions?"));
        bodies.map(str::to_owned).collect()
    }

    /// What is shown of this answer, which is true now: the oldest one to the same question that is no
    /// older than lists may be.
    pub fn shown(&self, action: &str, body: &str, now: Timestamp, answer: Response) -> Response {
        let lists = ["ListExecutions", "ListTaskExecutions"].contains(&action);
        let nested = ["ParentExecutionId=", "IncludeChildExecution="];
        let nested = nested.iter().any(|filter| body.contains(filter));
        let for_now = now.duration_since(begin()) < TASKS_BEHIND_FOR;
        let of_tasks = for_now && (action == "ListTaskExecutions" || nested);
        let behind = match of_tasks {
            true => self.behind.max(self.tasks_behind),
            false => self.behind,
        };
        if behind.is_zero() || !lists || answer.status != 200 {
            return answer;
        }
        let mut all = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(format!("{action}?{body}")).or_default();
        known.retain(|(at, _)| now.duration_since(*at) <= behind);
        known.push((now, answer.clone()));
        known.first().map_or(answer, |(_, shown)| shown.clone())
    }
}
