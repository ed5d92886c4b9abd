//! `lint`: manifests, checked without a cluster and without a kubeconfig.
//!
//! - [`files`], [`yaml`]: what is read, and where everything in it stands
//! - `object`: one object against its CRD, the operator's own checks, and what is seldom meant (`dangers`)
//! - `fields`, `names`: fields that there are not, and what may be meant
//! - `metadata`: what no CRD says
//! - `say`, [`finding`]: how it is said and printed

mod dangers;
mod fields;
pub mod files;
pub mod finding;
mod metadata;
mod names;
mod object;
mod say;
pub mod yaml;

use std::io::{BufWriter, Write as _, stdout};

use anyhow::{Result, bail};
use jiff::Timestamp;

use self::files::Source;
use self::finding::{Finding, Report, Severity};
use self::object::Rules;
use self::yaml::{Broken, Content, Node};
use crate::cli::{LintArgs, LintOutput};
use crate::exit::End;

/// How deep lists of objects may be in each other.
const LISTS_MAX: usize = 4;

/// Looks at what the arguments name, and says what is wrong with it.
///
/// # Errors
/// When there is nothing to look at, or nobody reads what is said.
pub fn run(args: &LintArgs) -> Result<End> {
    let named: Vec<_> = args.filenames.iter().chain(&args.files).cloned().collect();
    if named.is_empty() {
        bail!(
            "no file is named: kubectl ess-rollout lint -f FILE, a folder, or - for standard input"
        );
    }
    let report = look(&files::read(&named), Timestamp::now())?;
    let faults = report.count(Severity::Fault);
    if faults == 0 && report.objects == 0 {
        let files = report.files;
        bail!(
            "there is no RollingUpdateTask, Rollback, ImageUpdateTask or MaintenanceWindow of ess-rollout.io/v1alpha1 in {files} files: nothing was checked"
        );
    }
    let mut out = BufWriter::new(stdout().lock());
    match args.output {
        None => report.print_lines(&mut out)?,
        Some(LintOutput::Json) => report.print_json(&mut out)?,
    }
    out.flush()?;
    eprintln!("{}", report.summary());
    let fails = faults > 0 || (args.strict && !report.findings.is_empty());
    Ok(if fails { End::Error } else { End::Wanted })
}

/// What is wrong with these files, in their order and that of their lines.
///
/// # Errors
/// When the CRDs are not understood, which they are.
pub fn look(sources: &[Source], now: Timestamp) -> Result<Report> {
    let rules = Rules::new(now)?;
    let mut report = Report {
        files: sources.len(),
        ..Report::default()
    };
    for source in sources {
        let mut found = Vec::new();
        match &source.text {
            Err(broken) => found.push(of_file(&source.name, broken)),
            Ok(text) => {
                for document in yaml::documents(text) {
                    match document {
                        Ok(document) => {
                            look_at(&rules, &source.name, &document, 0, &mut report, &mut found);
                        }
                        Err(broken) => {
                            found.push(of_file(&source.name, &broken));
                        }
                    }
                }
            }
        }
        found.sort_by(|a, b| (a.line, &a.field).cmp(&(b.line, &b.field)));
        found.dedup();
        report.findings.extend(found);
    }
    Ok(report)
}

/// An object, or each of a list of them.
fn look_at(
    rules: &Rules,
    file: &str,
    node: &Node,
    depth: usize,
    report: &mut Report,
    found: &mut Vec<Finding>,
) {
    if !node.is_mapping() {
        report.others += usize::from(!node.is_null());
        return;
    }
    let list = node.text("kind").is_some_and(|kind| kind.ends_with("List"));
    let items = node.field("items").filter(|_| list && depth < LISTS_MAX);
    if let Some(Content::List(items)) = items.map(|items| &items.value.content) {
        for item in items {
            look_at(rules, file, item, depth + 1, report, found);
        }
    } else if rules.check(file, node, found) {
        report.objects += 1;
    } else {
        report.others += 1;
    }
}

fn of_file(file: &str, broken: &Broken) -> Finding {
    Finding {
        file: file.to_owned(),
        line: broken.line,
        kind: String::new(),
        name: String::new(),
        namespace: String::new(),
        field: String::new(),
        severity: Severity::Fault,
        message: broken.message.clone(),
    }
}
