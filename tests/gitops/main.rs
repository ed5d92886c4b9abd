//! What Flux, Argo CD and others who wait conclude about the objects of this operator, and what comes of their writes.
//!
//! The objects are live ones: the real operator, on a real apiserver and the emulated cloud, brings every kind into every state
//! ([`states`]). What is concluded of them is computed by kstatus' own library, by the scripts for Argo CD under its restrictions
//! ([`argo`]) and by the expressions for Flux under its rules ([`flux`]); `kubectl wait` and `kubectl ess-rollout wait` run
//! ([`tools`]). All of that is the tables in docs/gitops.md ([`table`]). The recipes in examples/gitops run from commit to commit
//! ([`recipes`]).
//!
//! `GOLDEN=write` writes what is kept of it: objects and expectations below config/argocd, its ConfigMap, the tables.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod argo;
mod flux;
mod kept;
mod live;
mod lua;
mod recipes;
#[allow(dead_code, reason = "the integration tests use all of it")]
#[path = "../integration/scene.rs"]
mod scene;
mod states;
mod table;
mod tools;
