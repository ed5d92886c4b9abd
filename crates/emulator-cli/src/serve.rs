//! Serving the emulated cloud.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::oos::{Library, Taken};
use ess_emulator::recording::{self, Scene, Template};
use ess_emulator::server::{Server, TlsFiles};
use ess_emulator::state::behaviour::UnsupportedParameters;
use ess_emulator_probe::profile::Profile;
use serde_json::json;

use crate::output::check_replaceable;

/// What is served, and where.
#[derive(Debug, Args)]
pub struct Serving {
    /// YAML file that describes the scene
    #[arg(long)]
    fixture: PathBuf,
    /// How an account behaves, as `ess-emulator probe` found it, in place of the fixture's switches
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
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
    /// Folder of templates and actions that every account has, by the names of the files:
    /// `ACS::ECS::MyAction.yml`. Folders below it count
    #[arg(long)]
    actions: Vec<PathBuf>,
    /// Refuse templates that ask for actions or APIs which are not there, instead of telling
    #[arg(long)]
    strict: bool,
    /// What becomes of a parameter that an action has and the emulator does not, instead of the fixture's switch
    #[arg(long)]
    unsupported_parameters: Option<Unsupported>,
    /// Where to write the addresses once everything is ready
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Where to write what was called and what came of it, at the end, for `ess-emulator verify`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// As the switch `unsupportedParameters`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Unsupported {
    /// The call is refused with `UnsupportedParameter`
    Refuse,
    /// It is carried out without the parameter; log and journal say so
    Ignore,
}

/// Templates of a folder and the folders below it, in the order of their paths.
fn templates_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    const MAX_FILES: usize = 20_000;
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read the folder {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
            let path = entry.path();
            let is_template = path
                .extension()
                .is_some_and(|end| ["yml", "yaml", "json"].iter().any(|known| end == *known));
            // Links are left alone: they may lead in circles.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path);
            } else if is_template {
                found.push(path);
            }
            anyhow::ensure!(found.len() <= MAX_FILES, "more than {MAX_FILES} templates");
        }
    }
    found.sort();
    Ok(found)
}

/// What a file holds. Anything but a file would be waited for, or have no end.
fn template_text(file: &Path) -> Result<String, String> {
    // The largest that OOS takes has 64 KiB.
    const MAX_BYTES: u64 = 1 << 20;
    let why = |error: std::io::Error| error.to_string();
    if !std::fs::metadata(file).map_err(why)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut text = String::new();
    let mut from = std::fs::File::open(file).map_err(why)?.take(MAX_BYTES + 1);
    let read = from.read_to_string(&mut text);
    // Where it is cut off may be inside of a letter.
    if from.limit() == 0 {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    read.map_err(why)?;
    Ok(text)
}

/// Adds one file and gives it. One that is no template is told of and left out.
fn add_template(cloud: &mut Cloud, file: &Path) -> Option<Template> {
    let name = file
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let added =
        template_text(file).and_then(|text| cloud.world.library.add(name, &text).map(|_| text));
    match added {
        Ok(content) => Some(Template {
            name: name.to_owned(),
            content,
        }),
        Err(why) => {
            tracing::warn!(file = %file.display(), why, "this is left out");
            None
        }
    }
}

/// Serves until it is told to end.
///
/// # Errors
/// When the fixture or the profile cannot be read, or an address cannot be listened at.
pub async fn serve(options: Serving) -> anyhow::Result<()> {
    let path = options.fixture.display();
    let yaml = std::fs::read_to_string(&options.fixture)
        .with_context(|| format!("cannot read the fixture {path}"))?;
    let mut fixture = Fixture::parse(&yaml).with_context(|| path.to_string())?;
    if let Some(scale) = options.clock_scale {
        fixture.clock_scale = scale;
    }
    if let Some(file) = &options.profile {
        fixture.switches = profile(file)?.switches;
    }
    if let Some(choice) = options.unsupported_parameters {
        fixture.switches.unsupported_parameters = match choice {
            Unsupported::Refuse => UnsupportedParameters::Refuse,
            Unsupported::Ignore => UnsupportedParameters::Ignore,
        };
    }
    if options.strict {
        fixture.switches.oos.missing_actions = Taken::Refused;
    }
    let start = *fixture.start_time.get_or_insert_with(jiff::Timestamp::now);
    let mut cloud = Cloud::new(&fixture).with_context(|| path.to_string())?;
    let mut templates = Vec::new();
    // By their names in small letters.
    let mut files: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    for folder in &options.actions {
        for file in templates_in(folder)? {
            let Some(template) = add_template(&mut cloud, &file) else {
                continue;
            };
            let given = (template.name.clone(), file.clone());
            match files.insert(template.name.to_ascii_lowercase(), given) {
                Some((name, before)) if name == template.name => tracing::warn!(
                    name = template.name,
                    file = %file.display(),
                    before = %before.display(),
                    "two files have the same name: this one takes the place of the one before"
                ),
                Some((name, before)) => tracing::warn!(
                    name = template.name,
                    file = %file.display(),
                    other = name,
                    before = %before.display(),
                    "two files have names that differ in the case of letters alone: they are two templates"
                ),
                None => {}
            }
            if Library::is_built_in(&template.name) {
                tracing::warn!(
                    name = template.name,
                    file = %file.display(),
                    "this file takes the place of a template or action that is built in"
                );
            }
            templates.push(template);
        }
    }
    let scene = match &options.record {
        Some(file) => {
            // Said now rather than at the end of a long run.
            let folder = file
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            anyhow::ensure!(
                folder.is_none_or(Path::is_dir) && !file.is_dir(),
                "--record {}: there is no such folder, or it is one",
                file.display()
            );
            check_replaceable(file)
                .with_context(|| format!("--record {} cannot be written", file.display()))?;
            recording::begin(&mut cloud);
            let mut scene = Scene::new(&yaml, &fixture, start)?;
            scene.templates = templates;
            Some(scene)
        }
        None => None,
    };

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
        biased;
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result.context("cannot wait for a signal")?,
        () = server.ended() => anyhow::bail!("a listener ended unexpectedly"),
    }
    if let (Some(file), Some(scene)) = (&options.record, scene) {
        let take = |cloud: &mut Cloud| recording::take(cloud, &scene);
        let taken = server.shared.with(take).await;
        let recording = taken.context("nothing was recorded")?;
        recording.write(file).context("nothing was recorded")?;
        tracing::info!(file = %file.display(), calls = recording.calls.len(), "recorded");
    }
    Ok(())
}

fn profile(file: &Path) -> anyhow::Result<Profile> {
    let read = || format!("cannot read the profile {}", file.display());
    let text = std::fs::read_to_string(file).with_context(read)?;
    serde_saphyr::from_str(&text).with_context(read)
}
