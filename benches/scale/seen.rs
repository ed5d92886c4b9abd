//! What a person who watches the objects sees, and when.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tokio::task::JoinHandle;

/// What was last seen of one object.
#[derive(Debug, Clone)]
pub struct Object {
    pub state: String,
    pub execution: Option<String>,
    /// When its newest version came.
    pub written: Timestamp,
    version: String,
}

impl Object {
    pub fn is_final(&self) -> bool {
        matches!(self.state.as_str(), "Succeeded" | "Failed" | "Cancelled")
    }
}

#[derive(Debug, Default)]
pub struct Board {
    pub objects: BTreeMap<String, Object>,
    /// When each instance was first shown as updated.
    pub updated: HashMap<String, Timestamp>,
}

impl Board {
    pub fn count(&self, such: impl Fn(&Object) -> bool) -> usize {
        self.objects.values().filter(|object| such(object)).count()
    }

    pub fn state(&self, name: &str) -> &str {
        self.objects
            .get(name)
            .map_or("", |object| object.state.as_str())
    }

    /// Which object each execution is of.
    pub fn executions(&self) -> HashMap<String, String> {
        let of =
            |(name, object): (&String, &Object)| Some((object.execution.clone()?, name.clone()));
        self.objects.iter().filter_map(of).collect()
    }

    fn take(&mut self, object: &DynamicObject) {
        let written = Timestamp::now();
        let (Some(name), Some(version)) =
            (&object.metadata.name, &object.metadata.resource_version)
        else {
            return;
        };
        // A list that is made again has what was seen before.
        if self
            .objects
            .get(name)
            .is_some_and(|o| o.version == *version)
        {
            return;
        }
        let status = &object.data["status"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let seen = Object {
            state: text(&status["state"]).unwrap_or_default(),
            execution: text(&status["execution"]["id"]),
            written,
            version: version.clone(),
        };
        self.objects.insert(name.clone(), seen);
        let instances = status["instances"].as_array();
        for instance in instances.into_iter().flatten() {
            if let (Some(id), Some("Succeeded")) =
                (instance["id"].as_str(), instance["state"].as_str())
                && !self.updated.contains_key(id)
            {
                self.updated.insert(id.to_owned(), written);
            }
        }
    }
}

/// A watch of the objects of one kind in one namespace; it ends when this is dropped.
#[derive(Debug)]
pub struct Seen {
    board: Arc<Mutex<Board>>,
    watch: JoinHandle<()>,
}

impl Seen {
    pub fn watch(api: Api<DynamicObject>) -> Self {
        let board = Arc::new(Mutex::new(Board::default()));
        let watch = tokio::spawn(follow(api, board.clone()));
        Self { board, watch }
    }

    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

async fn follow(api: Api<DynamicObject>, board: Arc<Mutex<Board>>) {
    let mut events = std::pin::pin!(watcher::watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(Event::InitApply(object) | Event::Apply(object)) => board.take(&object),
            Ok(Event::Delete(object)) => {
                board
                    .objects
                    .remove(&object.metadata.name.unwrap_or_default());
            }
            Ok(Event::Init | Event::InitDone) => {}
            // It goes on by itself, with a list where it has to.
            Err(error) => eprintln!("the harness's watch: {error}"),
        }
    }
}
