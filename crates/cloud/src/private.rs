//! `Debug` of what carries parameters, variables or scripts: their names, and no value. What is printed ends in a log line
//! sooner or later.

use std::fmt;

use serde_json::{Map, Value};

use crate::{container::Container, model::Execution, mutation::StartExecution};

/// The names in a map.
struct Names<'a>(&'a Map<String, Value>);

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("name", &self.name)
            .field("image", &self.text("Image"))
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl fmt::Debug for StartExecution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartExecution")
            .field("template_name", &self.template_name)
            .field("template_version", &self.template_version)
            .field("parameters", &Names(&self.parameters))
            .field("mode", &self.mode)
            .field("safety_check", &self.safety_check)
            .field("client_token", &self.client_token)
            .field("description", &self.description)
            .field("tags", &self.tags)
            .finish()
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("id", &self.id)
            .field("parent", &self.parent)
            .field("template_name", &self.template_name)
            .field("status", &self.status)
            .field("status_message", &self.status_message)
            .field("start", &self.start)
            .field("end", &self.end)
            .field("updated", &self.updated)
            .field("parameters", &Names(&self.parameters))
            .field("tags", &self.tags)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_not_printed() {
        let variables = json!([{"Key": "DB_PASSWORD", "Value": "hunter2"}]);
        let container = Container::new(
            "app",
            [
                ("Image".to_owned(), json!("app:v1")),
                ("EnvironmentVar".to_owned(), variables),
            ],
        );
        let mut parameters = Map::new();
        parameters.insert("containerConfigure".into(), json!([container]));
        let start = StartExecution {
            template_name: "T".into(),
            template_version: None,
            parameters,
            mode: crate::ExecutionMode::Automatic,
            safety_check: None,
            client_token: "token".into(),
            description: String::new(),
            tags: Vec::new(),
        };
        let text = format!("{container:?} {start:?}");
        assert!(!text.contains("hunter2"), "{text}");
        for part in ["app:v1", "EnvironmentVar", "containerConfigure", "token"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
