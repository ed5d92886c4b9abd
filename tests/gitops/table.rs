//! The tables in docs/gitops.md.

use ess_rollout_test_support::source_root;

use crate::states::{Case, MORE};
use crate::{argo, flux, tools};

/// Of each kind: where its table stands in the page, by the names of its markers.
fn table(kind: &str, cases: &[&Case], states: &[String], kstatus: &[String]) -> String {
    let (plain, paused) = (
        flux::HealthChecks::read("flux"),
        flux::HealthChecks::read("flux/pauses"),
    );
    let mut text = format!(
        "| {kind} | kstatus | Argo CD | Flux, `config/flux` | Flux, `config/flux/pauses` | `kubectl wait` | `kubectl ess-rollout wait` |\n|---|---|---|---|---|---|---|\n"
    );
    let more = MORE
        .iter()
        .map(|(case, shown)| ((*case).to_owned(), (*shown).to_owned()));
    let rows = states
        .iter()
        .map(|state| (crate::states::case_of(state), format!("`{state}`")));
    for (name, shown) in rows.chain(more) {
        let Some(index) = cases.iter().position(|case| case.name == name) else {
            continue;
        };
        let case = cases[index];
        text.push_str(&format!(
            "| {shown} | {} | {} | {} | {} | {} | {} |\n",
            kstatus[index],
            argo::verdict(&case.object),
            plain.verdict(&case.object),
            paused.verdict(&case.object),
            case.kubectl_wait,
            case.plugin_wait,
        ));
    }
    text
}

/// Makes the tables, prints them, and compares them with those in the page.
pub fn check(cases: &[Case], kinds: &[(&str, Vec<String>)]) {
    let path = source_root().join("docs/gitops.md");
    let mut page = std::fs::read_to_string(&path).unwrap();
    for (kind, states) in kinds {
        let of_kind: Vec<&Case> = cases.iter().filter(|case| case.kind == *kind).collect();
        let objects: Vec<_> = of_kind.iter().map(|case| case.object.clone()).collect();
        let verdicts: Vec<String> = tools::kstatus(&objects)
            .into_iter()
            .map(|(status, _)| status)
            .collect();
        let table = table(kind, &of_kind, states, &verdicts);
        println!("{table}");
        let (begin, end) = (
            format!("<!-- table {kind} -->\n"),
            "<!-- end -->".to_owned(),
        );
        let (before, rest) = page
            .split_once(&begin)
            .unwrap_or_else(|| panic!("docs/gitops.md has no {begin}"));
        let (_, after) = rest.split_once(&end).unwrap();
        page = format!("{before}{begin}{table}{end}{after}");
    }
    crate::kept::check_file(&path, &page);
}
