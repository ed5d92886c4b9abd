//! Log lines: one JSON object each, or text for people.
//!
//! Keys of the JSON form: `ts`, `level`, `msg`, `target`, then the fields of the enclosing spans
//! (`namespace`, `name`, `uid`, …) and of the event itself.

use std::{fmt, io::IsTerminal};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::{Event, Subscriber, field};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormattedFields,
        format::{JsonFields, Writer},
    },
    registry::LookupSpan,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// A level or filter that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--log-level {given:?} is neither a level nor a list of target=level: {reason}")]
pub struct FilterError {
    given: String,
    reason: String,
}

/// Begins to log to standard error. Once per process.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| FilterError {
        given: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .init(),
        LogFormat::Text => builder
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .init(),
    }
    Ok(())
}

/// The JSON form.
struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let metadata = event.metadata();
        line.insert("ts".to_owned(), Timestamp::now().to_string().into());
        let level = metadata.level().as_str().to_lowercase();
        line.insert("level".to_owned(), level.into());
        line.insert("msg".to_owned(), "".into());
        line.insert("target".to_owned(), metadata.target().into());
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|s| s.from_root())
        {
            // Span fields were formatted as a JSON object when the span was made.
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(fields) = serde_json::from_str::<Map<String, Value>>(fields)
            {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// Collects the fields of an event.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &field::Field, value: Value) {
        let name = match field.name() {
            "message" => "msg",
            name => name,
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl field::Visit for Fields<'_> {
    fn record_f64(&mut self, field: &field::Field, value: f64) {
        self.insert(field, value.into());
    }
    fn record_i64(&mut self, field: &field::Field, value: i64) {
        self.insert(field, value.into());
    }
    fn record_u64(&mut self, field: &field::Field, value: u64) {
        self.insert(field, value.into());
    }
    fn record_bool(&mut self, field: &field::Field, value: bool) {
        self.insert(field, value.into());
    }
    fn record_str(&mut self, field: &field::Field, value: &str) {
        self.insert(field, value.into());
    }
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }
}

/// An error with its causes, in one line, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_fields_of_its_spans() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("pass", namespace = "ns", uid = tracing::field::Empty);
            let _entered = span.enter();
            span.record("uid", "u-1");
            tracing::warn!(error = "first\nsecond", attempts = 3, "pass failed");
        });
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(line["msg"], "pass failed");
        assert_eq!(line["level"], "warn");
        assert_eq!(line["namespace"], "ns");
        assert_eq!(line["uid"], "u-1");
        assert_eq!(line["error"], "first\nsecond");
        assert_eq!(line["attempts"], 3);
        assert!(line["ts"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }
}
