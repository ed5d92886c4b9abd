//! Prints `status_fields.txt` as it is to be for the types: what `make crds` runs.

use ess_rollout_api::status_fields::{Served, document, text};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let served: Served = serde_json::from_value(document()?)?;
    print!("{}", text(&served));
    Ok(())
}
