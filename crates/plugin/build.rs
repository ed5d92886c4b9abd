//! Writes the CRDs as JSON, without what is only for people to read: made in the program itself from the types, they would be a
//! tenth of it.

use std::path::Path;

use serde_json::Value;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let crds: Vec<Value> = ess_rollout_api::crds::all().iter().map(plain).collect();
    let text = serde_json::Value::from(crds).to_string();
    let out = std::env::var_os("OUT_DIR").expect("cargo names the directory");
    std::fs::write(Path::new(&out).join("crds.json"), text).expect("the directory can be written");
}

fn plain(crd: &impl serde::Serialize) -> Value {
    let mut crd = serde_json::to_value(crd).expect("a CRD is JSON");
    strip(&mut crd["spec"]["versions"]);
    crd
}

/// Takes descriptions away. A property may have that name, too: then what it holds is a schema and no text.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}
