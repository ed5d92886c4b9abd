//! `ess-emulator`: the emulated cloud as a program.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::server::{Server, TlsFiles};
use ess_emulator::state::behaviour::UnsupportedParameters;
use serde_json::json;
use tracing_subscriber::EnvFilter;

/// A local Alibaba Cloud for rolling updates: ESS, OOS, ECS and STS over HTTP and HTTPS.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// YAML file that describes the scene
    #[arg(long)]
    fixture: PathBuf,
    /// Address for HTTP; port 0 takes a free one. Without --http and --https: 127.0.0.1:0
    #[arg(long)]
    http: Option<SocketAddr>,
    /// Address for HTTPS
    #[arg(long)]
    https: Option<SocketAddr>,
    /// Where to write the PEM certificate that HTTPS clients must trust
    #[arg(long, requires = "https")]
    tls_cert_out: Option<PathBuf>,
    /// Virtual seconds per real second, instead of the fixture's
    #[arg(long)]
    clock_scale: Option<f64>,
    /// What becomes of a parameter that an action has and the emulator does not, instead of the fixture's switch
    #[arg(long)]
    unsupported_parameters: Option<Unsupported>,
    /// Where to write the addresses once everything is ready
    #[arg(long)]
    ready_file: Option<PathBuf>,
}

/// As the switch `unsupportedParameters`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Unsupported {
    /// The call is refused with `UnsupportedParameter`
    Refuse,
    /// It is carried out without the parameter; log and journal say so
    Ignore,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let path = options.fixture.display();
    let yaml = std::fs::read_to_string(&options.fixture)
        .with_context(|| format!("cannot read the fixture {path}"))?;
    let mut fixture = Fixture::parse(&yaml).with_context(|| path.to_string())?;
    if let Some(scale) = options.clock_scale {
        fixture.clock_scale = scale;
    }
    if let Some(choice) = options.unsupported_parameters {
        fixture.switches.unsupported_parameters = match choice {
            Unsupported::Refuse => UnsupportedParameters::Refuse,
            Unsupported::Ignore => UnsupportedParameters::Ignore,
        };
    }
    fixture.start_time.get_or_insert_with(jiff::Timestamp::now);
    let cloud = Cloud::new(&fixture).with_context(|| path.to_string())?;

    let tls = TlsFiles::make()?;
    if let Some(out) = &options.tls_cert_out {
        std::fs::write(out, &tls.ca_pem)
            .with_context(|| format!("cannot write the certificate to {}", out.display()))?;
    }
    let http = match (options.http, options.https) {
        (None, None) => Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        (http, _) => http,
    };
    let mut server = Server::start(cloud, http, options.https, &tls).await?;
    let url =
        |scheme: &str, address: Option<SocketAddr>| address.map(|a| format!("{scheme}://{a}"));
    let ready = json!({
        "ready": true,
        "http": url("http", server.http),
        "https": url("https", server.https),
    });
    if let Some(file) = &options.ready_file {
        // Written beside and renamed, so that a reader never sees half of it.
        let part = file.with_extension("part");
        std::fs::write(&part, format!("{ready}\n"))
            .and_then(|()| std::fs::rename(&part, file))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    writeln!(std::io::stdout(), "{ready}").context("cannot write to the standard output")?;

    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result.context("cannot wait for a signal"),
        () = server.ended() => anyhow::bail!("a listener ended unexpectedly"),
    }
}
