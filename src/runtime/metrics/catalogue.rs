//! The list of all metrics: each is registered once, with what the documentation says of it.
//!
//! Names are written as they are exposed. A label is given by position, so that a metric has the labels that its entry
//! names and no others.

use std::fmt::Write as _;

use prometheus_client::{
    encoding::{EncodeMetric, text::encode},
    metrics::{
        MetricType, TypedMetric,
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};

type Labels = Vec<(&'static str, String)>;

/// What a restart, or another process that leads from now on, does to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// It tells what is, from what is on record or from this process as it is now: nothing is lost.
    AsItIs,
    /// It counts what this process did, from zero.
    Process,
    /// It counts what has come on record, in the process that wrote it: from zero, and nothing that an earlier process wrote
    /// is counted again.
    OnRecord,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it is exposed; a histogram has `_bucket`, `_sum` and `_count` besides.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: &'static str,
    /// Its labels, and what each holds.
    pub labels: Vec<(&'static str, &'static str)>,
    /// What it tells.
    pub help: &'static str,
    /// What a restart does to it.
    pub lasts: Lasts,
}

/// All metrics, and their list.
#[derive(Default)]
pub struct Catalogue {
    registry: Registry,
    entries: Vec<Entry>,
}

/// What a metric says of itself: its name, its help, what a restart does to it.
pub(super) type About = (&'static str, Lasts, &'static str);

/// Makes histograms with these upper bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buckets(pub &'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// A metric with labels.
pub(super) struct Labelled<const N: usize, M, C = fn() -> M> {
    names: [&'static str; N],
    family: Family<Labels, M, C>,
}

pub(super) type Counters<const N: usize> = Labelled<N, Counter>;
pub(super) type Gauges<const N: usize> = Labelled<N, Gauge>;
pub(super) type Histograms<const N: usize> = Labelled<N, Histogram, Buckets>;

impl<const N: usize, M, C: MetricConstructor<M>> Labelled<N, M, C> {
    fn labels(&self, values: [&str; N]) -> Labels {
        let pairs = self.names.into_iter().zip(values);
        pairs
            .map(|(name, value)| (name, value.to_owned()))
            .collect()
    }

    /// The one with these labels, which is there from then on.
    pub fn with<R>(&self, values: [&str; N], change: impl FnOnce(&M) -> R) -> R {
        change(&self.family.get_or_create(&self.labels(values)))
    }
}

impl<const N: usize> Gauges<N> {
    /// Makes these the only ones: what is not there any more has no series.
    pub fn set_all<'a>(&self, values: impl IntoIterator<Item = ([&'a str; N], i64)>) {
        self.family.clear();
        for (labels, value) in values {
            self.with(labels, |gauge| gauge.set(value));
        }
    }
}

impl Catalogue {
    fn enter(&mut self, about: About, kind: &'static str, labels: &[(&'static str, &'static str)]) {
        let (name, lasts, help) = about;
        self.entries.push(Entry {
            name,
            kind,
            labels: labels.to_vec(),
            help,
            lasts,
        });
    }

    /// The library appends units, and `_total` to counters.
    fn register(
        &mut self,
        (name, _, help): About,
        metric: impl EncodeMetric + Send + Sync + std::fmt::Debug + 'static,
    ) {
        let stem = name.trim_end_matches("_total");
        let units = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)];
        let found = units
            .into_iter()
            .find_map(|(suffix, unit)| Some((stem.strip_suffix(suffix)?, unit)));
        match found {
            Some((stem, unit)) => self.registry.register_with_unit(stem, help, unit, metric),
            None => self.registry.register(stem, help, metric),
        }
    }

    fn labelled<const N: usize, M, C>(
        &mut self,
        about: About,
        labels: [(&'static str, &'static str); N],
        constructor: C,
    ) -> Labelled<N, M, C>
    where
        M: EncodeMetric + TypedMetric + Send + Sync + std::fmt::Debug + 'static,
        C: MetricConstructor<M> + Clone + Send + Sync + std::fmt::Debug + 'static,
    {
        let family = Family::new_with_constructor(constructor);
        self.enter(about, word(M::TYPE), &labels);
        self.register(about, family.clone());
        Labelled {
            names: labels.map(|(name, _)| name),
            family,
        }
    }

    fn alone<M>(&mut self, about: About, metric: M) -> M
    where
        M: EncodeMetric + TypedMetric + Clone + Send + Sync + std::fmt::Debug + 'static,
    {
        self.enter(about, word(M::TYPE), &[]);
        self.register(about, metric.clone());
        metric
    }

    pub(super) fn counters<const N: usize>(
        &mut self,
        about: About,
        labels: [(&'static str, &'static str); N],
    ) -> Counters<N> {
        self.labelled(about, labels, Counter::default as fn() -> Counter)
    }

    pub(super) fn counter<C>(&mut self, about: About) -> C
    where
        C: EncodeMetric + TypedMetric + Clone + Default + Send + Sync + std::fmt::Debug + 'static,
    {
        self.alone(about, C::default())
    }

    pub(super) fn gauges<const N: usize>(
        &mut self,
        about: About,
        labels: [(&'static str, &'static str); N],
    ) -> Gauges<N> {
        self.labelled(about, labels, Gauge::default as fn() -> Gauge)
    }

    pub(super) fn gauge<G>(&mut self, about: About) -> G
    where
        G: EncodeMetric + TypedMetric + Clone + Default + Send + Sync + std::fmt::Debug + 'static,
    {
        self.alone(about, G::default())
    }

    pub(super) fn histograms<const N: usize>(
        &mut self,
        about: About,
        labels: [(&'static str, &'static str); N],
        buckets: Buckets,
    ) -> Histograms<N> {
        self.labelled(about, labels, buckets)
    }

    /// A series with the value 1 that tells by its label. `about` has its name with `_info`.
    pub(super) fn info(
        &mut self,
        about: About,
        label: (&'static str, &'static str),
        value: &'static str,
    ) {
        let (name, lasts, help) = about;
        self.enter(about, word(MetricType::Info), &[label]);
        let stem = name.trim_end_matches("_info");
        self.register((stem, lasts, help), Info::new(vec![(label.0, value)]));
    }

    /// The list, in the order of names.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|entry| entry.name);
        entries
    }

    /// The list as a table in Markdown.
    pub fn table(&self) -> String {
        let mut text =
            String::from("| name | type | labels | meaning | restart |\n|---|---|---|---|---|\n");
        for entry in self.entries() {
            let labels = entry.labels.iter().map(|(name, values)| match *values {
                "" => format!("`{name}`"),
                values => format!("`{name}` ({values})"),
            });
            let lasts = match entry.lasts {
                Lasts::AsItIs => "as it is",
                Lasts::Process => "from zero",
                Lasts::OnRecord => "from zero, once",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {lasts} |",
                entry.name,
                entry.kind,
                labels.collect::<Vec<_>>().join(", "),
                entry.help,
            );
        }
        text
    }

    /// What a scrape gets, in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn word(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
        MetricType::Histogram => "histogram",
        MetricType::Info => "info",
        _ => "unknown",
    }
}
