//! Whether this process leads, published for whoever acts.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::Holding;

/// Whether this process leads, and until when it knows that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It leads.
    Leads(Holding),
    /// Another does, or nobody.
    Stands,
}

/// Asked before each effect: there is one, and every way to the cloud and to the apiserver that changes something leads through
/// it.
#[derive(Debug, Clone)]
pub struct Fence {
    /// `None`: nobody else is there.
    standing: Option<Arc<watch::Sender<Standing>>>,
}

/// A process that does not lead, or not for long enough, must not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead: nothing was sent")]
pub struct DoesNotLead;

impl Fence {
    /// Of a process that is alone.
    pub fn open() -> Self {
        Self { standing: None }
    }

    /// Of one that does not lead yet.
    pub fn closed() -> Self {
        let (standing, _) = watch::channel(Standing::Stands);
        Self {
            standing: Some(Arc::new(standing)),
        }
    }

    /// Whether this process is alone: then nothing has to be over by any time.
    pub fn is_open(&self) -> bool {
        self.standing.is_none()
    }

    /// Whether something that takes so long at most may be done now.
    ///
    /// # Errors
    /// When it may not.
    pub fn pass(&self, takes: Duration) -> Result<(), DoesNotLead> {
        match self.is_led_for(takes) {
            true => Ok(()),
            false => Err(DoesNotLead),
        }
    }

    fn is_led_for(&self, takes: Duration) -> bool {
        let Some(standing) = &self.standing else {
            return true;
        };
        match *standing.borrow() {
            Standing::Leads(Holding { deadline, .. }) => Instant::now() + takes < deadline,
            Standing::Stands => false,
        }
    }

    /// Whether this process leads now.
    pub fn leads(&self) -> bool {
        self.is_led_for(Duration::ZERO)
    }

    /// Its term of office, while it leads: how often the leader had changed by then. Zero where it is alone.
    pub fn term(&self) -> Option<i32> {
        let Some(standing) = &self.standing else {
            return Some(0);
        };
        match *standing.borrow() {
            Standing::Leads(holding) if Instant::now() < holding.deadline => {
                Some(holding.transitions)
            }
            Standing::Leads(_) | Standing::Stands => None,
        }
    }

    /// Ends when it leads, and gives its term of office.
    pub async fn led(&self) -> i32 {
        let Some(standing) = &self.standing else {
            return 0;
        };
        let mut changes = standing.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(term) = self.term() {
                return term;
            }
            // The sender is here: it cannot be gone.
            drop(changes.changed().await);
        }
    }

    /// Ends when the deadline of this term is over without a renewal, or the place is another's.
    pub async fn lost(&self, term: i32) {
        let Some(standing) = &self.standing else {
            return std::future::pending().await;
        };
        let mut changes = standing.subscribe();
        while self.term() == Some(term) {
            let Standing::Leads(holding) = *changes.borrow_and_update() else {
                return;
            };
            tokio::select! {
                biased;
                changed = changes.changed() => drop(changed),
                () = tokio::time::sleep_until(holding.deadline) => {}
            }
        }
    }

    pub(crate) fn publish(&self, standing: Standing) {
        if let Some(sender) = &self.standing {
            sender.send_if_modified(|before| std::mem::replace(before, standing) != standing);
        }
    }
}
