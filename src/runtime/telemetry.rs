//! Log lines: one JSON object each, or text for people.
//!
//! Keys of the JSON form: `ts`, `level`, `msg`, `target`, then the fields of the enclosing spans
//! (`reconcileID`, `namespace`, `name`, `uid`, …) and of the event itself. `docs/logs.md` has all of them; tests hold that it
//! does, and that `msg` is a text of the source, with nothing put into it.

use std::{fmt, io::IsTerminal};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::{Event, Level, Metadata, Subscriber, field};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::filter_fn,
    fmt::{
        FmtContext, FormatEvent, FormattedFields,
        format::{JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::{LookupSpan, Registry},
    util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// The levels, from the least lines to the most.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter that cannot be used. A misspelt level would be taken for a target, and everything else be silent.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level (RUST_LOG, the chart's log.level) {given:?}: {part:?} is no level; use off, error, warn, info, debug or trace, or a list such as info,ess_rollout=debug"
)]
pub struct FilterError {
    given: String,
    part: String,
}

/// The filter that was asked for. What no part of it is about is logged at `info`.
///
/// # Errors
/// When a part of it is neither a level nor `target=level`.
pub fn filter(given: &str) -> Result<EnvFilter, FilterError> {
    let refused = |part: &str| FilterError {
        given: given.to_owned(),
        part: part.to_owned(),
    };
    let mut general = false;
    let parts = parts(given);
    for part in &parts {
        // A field of a span may have a value: `target[span{field=value}]=level`.
        let (target, level) = match part.rsplit_once('=') {
            Some((target, level)) => (Some(target), level),
            None => (None, *part),
        };
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) || target == Some("") {
            return Err(refused(part));
        }
        general |= target.is_none();
    }
    let mut text = parts.join(",");
    if !general {
        text = format!("info,{text}");
    }
    EnvFilter::try_new(text.trim_end_matches(',')).map_err(|_| refused(given))
}

/// The parts of a list, without empty ones. A comma within braces is part of a span's fields.
fn parts(given: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = given.split(|c: char| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect()
}

/// Begins to log to standard error, panics among the rest. Once per process.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    let logged = Registry::default().with(filtered(filter)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => logged
            .with(lines.fmt_fields(JsonFields::new()).event_format(JsonLines))
            .init(),
        LogFormat::Text => logged
            .with(
                lines
                    .with_target(false)
                    .with_ansi(std::io::stderr().is_terminal()),
            )
            .init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        // A message that was put together may hold anything; one that stands in the source may not.
        let message = panic.payload().downcast_ref::<&'static str>();
        tracing::error!(location, message_in_source = message, "panic");
    }));
    Ok(())
}

/// What is logged at all: what the filter lets through, without [`answers_of_the_apiserver`].
///
/// # Errors
/// When the filter cannot be parsed.
pub fn filtered<S>(filter: &str) -> Result<impl Layer<S> + use<S>, FilterError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let given = self::filter(filter)?;
    Ok(given.and_then(filter_fn(|metadata| !answers_of_the_apiserver(metadata))))
}

/// kube-client 5 logs an answer that it cannot decode in full, at WARN, and some others at DEBUG:
/// a task with its scripts, a Secret. Its errors come back to us, who log them without the answer.
/// Not a directive of the filter: one that somebody sets for the same target, or for a span, would
/// beat it.
fn answers_of_the_apiserver(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "kube_client::client" && *metadata.level() > Level::ERROR
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
pub(crate) mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex, Once},
    };

    use super::*;

    #[derive(Clone)]
    pub(crate) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Default for Sink {
        /// Whether a line of the code logs at all is kept for all threads, as the subscribers that there are at the time
        /// want it. One that wants everything, and is always there, keeps it from being settled while the one of a test on
        /// another thread comes or goes.
        fn default() -> Self {
            static EVERYTHING: Once = Once::new();
            EVERYTHING.call_once(|| {
                let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
                let all = all.with_writer(std::io::sink).finish();
                tracing::subscriber::set_global_default(all).unwrap();
            });
            Self(Arc::default())
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[tokio::test]
    async fn an_answer_of_the_apiserver_is_in_no_line_whatever_the_level() {
        use k8s_openapi::api::core::v1::Secret;
        use kube::client::Body;

        for filter in [
            "warn",
            "trace",
            "info,kube_client::client=trace",
            "info,[pass]=trace",
            "info,kube_client=debug",
        ] {
            let sink = Sink::default();
            let writer = sink.clone();
            let subscriber = Registry::default()
                .with(filtered(filter).unwrap())
                .with(tracing_subscriber::fmt::layer().with_writer(move || writer.clone()));
            let _default = tracing::subscriber::set_default(subscriber);
            let _pass = tracing::info_span!("pass").entered();
            let answers = tower::service_fn(|_: http::Request<Body>| async {
                let body = br#"{"metadata": 7, "data": {"key": "aHVudGVyMg=="}}"#;
                Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(body.to_vec())))
            });
            let secrets: kube::Api<Secret> =
                kube::Api::namespaced(kube::Client::new(answers, "ns"), "ns");
            let error = secrets.get("a").await.unwrap_err();
            tracing::warn!(error = chain(&error), "pass failed");
            let text = sink.text();
            assert!(text.contains("pass failed"), "{filter}: {text}");
            assert!(!text.contains("aHVudGVyMg"), "{filter}: {text}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_those_that_are() {
        for good in [
            "",
            "info",
            "WARN",
            "info,ess_rollout=debug",
            "debug, kube=off",
            "ess_rollout[pass{name=a}]=trace",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for (wrong, part) in [
            ("warning", "warning"),
            ("nonsense", "nonsense"),
            ("info,ess_rollout", "ess_rollout"),
            ("info,kube=loud", "kube=loud"),
            ("=debug", "=debug"),
            ("3", "3"),
        ] {
            let text = filter(wrong).unwrap_err().to_string();
            assert!(
                text.contains(&format!("{part:?} is no level; use off, error, warn, info")),
                "{text}"
            );
        }
        // What a list says nothing about is not silent.
        let levels = filter("ess_rollout=debug").unwrap().to_string();
        assert!(levels.contains("info"), "{levels}");
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
        let text = sink.text();
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
