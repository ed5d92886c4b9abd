//! The operator's program.
fn main() {
    for crd in ess_rollout_api::crds::all() {
        match ess_rollout_api::crds::to_yaml(&crd) {
            Ok(text) => print!("---\n{text}"),
            Err(error) => eprintln!("{error}"),
        }
    }
}
