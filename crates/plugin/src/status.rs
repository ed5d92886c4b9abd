//! `status`: an object, once or until it has ended.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;

use crate::cli::{Output, StatusArgs};
use crate::cluster::{Change, Cluster, Found};
use crate::exit::End;
use crate::object::Object;
use crate::output;
use crate::screen::{in_a_line, screen};
use crate::terminal::{Painter, is_rewritten, print, style};

/// Shows it.
///
/// # Errors
/// When there is none, or it cannot be read, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &StatusArgs) -> Result<End> {
    let found = cluster.named(&args.named.name)?;
    let form = args.output.output;
    if args.watch {
        return follow(&found, args.verbose, form).await;
    }
    let object = found.get().await?;
    match (output::is_document(form), form) {
        (Some(form), _) => output::document(&object.document(), form)?,
        (None, Some(Output::Name)) => print(&[object.target().qualified()])?,
        (None, _) => print(&screen(&object, Timestamp::now(), style(args.verbose)))?,
    }
    Ok(End::Wanted)
}

/// Shows it each time that it changes, until it has ended. Its verdict is how this ends.
///
/// # Errors
/// When it is gone, or may not be read, or nobody reads what is printed.
pub async fn follow(found: &Found<'_>, verbose: bool, form: Option<Output>) -> Result<End> {
    let mut shown = found.get().await?;
    let mut screen = Screen::new(verbose, form);
    let mut changes = found.follow();
    let mut unseen = None;
    // Ages go on between two changes.
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        screen.show(&shown, unseen.as_deref())?;
        if let Some(end) = shown.end() {
            return Ok(end);
        }
        tokio::select! {
            biased;
            change = changes.next() => match change? {
                Change::Seen(object) => (shown, unseen) = (*object, None),
                Change::Unseen(why) => unseen = Some(why),
            },
            _ = ticks.tick(), if screen.rewrites => {}
        }
    }
}

/// What has been shown.
struct Screen {
    verbose: bool,
    form: Option<Output>,
    rewrites: bool,
    painter: Painter,
    last: String,
}

impl Screen {
    fn new(verbose: bool, form: Option<Output>) -> Self {
        Self {
            verbose,
            form,
            rewrites: is_rewritten() && form.is_none(),
            painter: Painter::default(),
            last: String::new(),
        }
    }

    fn show(&mut self, object: &Object, unseen: Option<&str>) -> Result<()> {
        if let Some(form) = output::is_document(self.form) {
            let version = object.metadata().resource_version.clone();
            let version = version.unwrap_or_default();
            if self.last != version {
                output::next_document(&object.document(), form)?;
                self.last = version;
            }
            return Ok(());
        }
        if self.rewrites {
            let mut lines = screen(object, Timestamp::now(), style(self.verbose));
            lines.extend(unseen.map(|why| format!("  {why}")));
            return self.painter.paint(lines);
        }
        let line = unseen.map_or_else(|| in_a_line(object), str::to_owned);
        if self.last != line {
            print(std::slice::from_ref(&line))?;
            self.last = line;
        }
        Ok(())
    }
}
