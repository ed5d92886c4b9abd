//! The objects that a request is for: one by its name, or those with some labels, once it was confirmed.

use std::io::{IsTerminal, Write, stderr, stdin};

use anyhow::{Result, bail, ensure};
use kube::api::ListParams;

use crate::cli::RequestArgs;
use crate::cluster::{Cluster, Found};
use crate::kind::Kind;
use crate::object::Object;
use crate::screen::in_a_line;

/// What a request is for, and each object as it was seen for it.
pub async fn selected<'c>(
    cluster: &'c Cluster,
    args: &RequestArgs,
    kinds: &[Kind],
    what: &str,
    fits: impl Fn(&Object) -> bool,
) -> Result<Vec<Found<'c>>> {
    let Some(selector) = &args.selector else {
        ensure!(
            !args.all_namespaces,
            "an object is named: --all-namespaces goes with --selector"
        );
        let name = args.name.as_deref().unwrap_or_default();
        let found = cluster.named(name)?;
        let kind = found.target().kind;
        ensure!(
            kinds.contains(&kind),
            "{what} is for a {}, and {name} is of another kind",
            kinds
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
                .join(" or ")
        );
        return Ok(vec![found]);
    };
    let scope = cluster.scope(args.all_namespaces);
    let params = ListParams::default().labels(selector);
    let (mut found, mut lines) = (Vec::new(), Vec::new());
    for kind in kinds {
        let api = cluster.api(*kind, scope);
        let each = |raw| {
            let object = Object::read(*kind, raw)?;
            if fits(&object) {
                lines.push(format!("  {}  {}", object.namespace(), in_a_line(&object)));
                found.push(cluster.found(object.namespace(), object.target()));
            }
            Ok(())
        };
        cluster.list(&api, &params, each).await?;
    }
    ensure!(
        !found.is_empty(),
        "nothing that {what} can be for has the labels {selector}"
    );
    confirm(args, what, &lines)?;
    Ok(found)
}

/// Says what is meant, and asks whether it is.
fn confirm(args: &RequestArgs, what: &str, lines: &[String]) -> Result<()> {
    let mut err = stderr().lock();
    writeln!(err, "{what} of {}:", lines.len())?;
    for line in lines {
        writeln!(err, "{line}")?;
    }
    if args.yes {
        return Ok(());
    }
    ensure!(
        stdin().is_terminal(),
        "nobody can be asked whether these are meant: --yes says so"
    );
    write!(err, "Are these meant? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was asked for");
    }
    Ok(())
}
