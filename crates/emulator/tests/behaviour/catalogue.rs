//! docs/emulator-api.md has the list of actions and parameters as the code has it.

/// Where the list of the page begins and ends.
const BEGIN: &str = "<!-- What follows is written by `make emulator-api`. -->\n";
const END: &str = "<!-- To here. -->\n";

/// `UPDATE_DOCS=1` writes it.
#[test]
fn the_page_has_the_list_as_the_code_has_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/emulator-api.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let list = format!("\n{}", ess_emulator::services::catalogue());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, [before, BEGIN, &list, END, after].concat()).unwrap();
    } else {
        assert!(
            found == list,
            "run `make emulator-api` and commit the result"
        );
    }
}
