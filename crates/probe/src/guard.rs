//! A probe that is stopped in the middle takes back what it did, for a while, and then tells what is
//! left.

use std::time::Duration;

use ess_emulator::state::call::Service;
use jiff::Timestamp;
use serde_json::Value;

use crate::account::{Account, CallError, Stop};

/// How long a probe that was stopped may take to clean up.
const CLEANING: Duration = Duration::from_secs(120);
/// How long it may take to notice that it is to stop.
const SLICE: Duration = Duration::from_secs(1);

/// An account that is not asked any more once the probe is to stop, but to take back what was done.
pub(crate) struct Guard<'a> {
    account: &'a mut dyn Account,
    takes_back: bool,
    /// When cleaning up ends, once the probe was stopped.
    deadline: Option<Timestamp>,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(account: &'a mut dyn Account) -> Self {
        Self {
            account,
            takes_back: false,
            deadline: None,
        }
    }

    /// Whether nothing may be called now.
    fn is_closed(&mut self) -> bool {
        match self.account.stop() {
            Stop::No => false,
            Stop::AtOnce => true,
            Stop::CleanUp => {
                let now = self.account.now();
                let end = now.saturating_add(CLEANING).unwrap_or(Timestamp::MAX);
                let deadline = *self.deadline.get_or_insert(end);
                !self.takes_back || now >= deadline
            }
        }
    }

    fn open(&mut self, action: &'static str) -> Result<(), CallError> {
        match self.is_closed() {
            true => Err(CallError::Stopped {
                action: action.to_owned(),
            }),
            false => Ok(()),
        }
    }
}

impl Account for Guard<'_> {
    fn call(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        self.open(action)?;
        self.account.call(service, action, parameters)
    }

    fn call_once(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        self.open(action)?;
        self.account.call_once(service, action, parameters)
    }

    fn sleep(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() && !self.is_closed() {
            let slice = left.min(SLICE);
            self.account.sleep(slice);
            left = left.saturating_sub(slice);
        }
    }

    fn stop(&self) -> Stop {
        self.account.stop()
    }

    fn take_back(&mut self, begins: bool) {
        self.takes_back = begins;
    }

    fn now(&mut self) -> Timestamp {
        self.account.now()
    }
}
