//! `make bench`: what the emulated cloud costs, measured on the release binary as a process of its own. One line for each
//! figure, with its target.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ess_rollout_aliyun::credentials::StaticCredentials;
use ess_rollout_aliyun::{Client, ClientConfig, Endpoints, Limiter, Limits, Rate, Service};
use ess_rollout_test_support::Emulator;
use ess_rollout_test_support::process::find_program;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

const REGION: &str = "cn-hangzhou";
const TEMPLATE: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
/// Starts that are timed.
const STARTS: usize = 20;
/// Signed calls that are timed, so many of them at once.
const CALLS: usize = 20_000;
const AT_ONCE: usize = 8;
/// The large account.
const GROUPS: usize = 1_000;
const INSTANCES: usize = 50;
/// Executions of the virtual day, each of which waits for commands of ten minutes.
const EXECUTIONS: usize = 100;
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main]
async fn main() -> Result<()> {
    let program = find_program("ess-emulator")?;
    ensure!(
        program
            .components()
            .any(|part| part.as_os_str() == "release"),
        "{} is no release binary: run `make bench`",
        program.display()
    );
    let directory = tempfile::tempdir()?;
    let small = written(directory.path(), "small", &fixture(1, 2))?;
    let large = written(directory.path(), "large", &fixture(GROUPS, INSTANCES))?;
    let day = written(directory.path(), "day", &fixture(EXECUTIONS, 4))?;
    starts(&program, &small)?;
    idle(&small)?;
    calls(&large).await?;
    a_day(&day).await
}

fn line(what: &str, measured: &str, target: &str) {
    println!("{what:<58} {measured:>22}   target {target}");
}

fn fixture(groups: usize, instances: usize) -> Value {
    let group = |number: usize| {
        json!({
            "scalingGroupId": format!("asg-{number:04}"),
            "maxSize": instances,
            "configurations": [{"scalingConfigurationId": format!("asc-{number:04}"), "imageId": "m-1"}],
            "instances": {"count": instances},
        })
    };
    json!({
        "regions": [REGION],
        "principals": [{"name": "bench", "accessKeyId": "bench-id", "accessKeySecret": "bench-secret", "allow": ["*"]}],
        "images": [{"imageId": "m-1"}],
        "durations": {"command": 600},
        "scalingGroups": (0..groups).map(group).collect::<Vec<_>>(),
    })
}

/// JSON is YAML.
fn written(directory: &Path, name: &str, fixture: &Value) -> Result<PathBuf> {
    let path = directory.join(name).with_extension("yaml");
    fs::write(&path, fixture.to_string())?;
    Ok(path)
}

/// From the start of the process to the line that says it is ready.
fn until_ready(program: &Path, fixture: &Path) -> Result<Duration> {
    let began = Instant::now();
    let mut process = Command::new(program)
        .arg("--fixture")
        .arg(fixture)
        .args(["--http", "127.0.0.1:0"])
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().context("no standard output")?;
    let mut first = String::new();
    BufReader::new(output).read_line(&mut first)?;
    let took = began.elapsed();
    process.kill()?;
    process.wait()?;
    ensure!(first.contains("\"ready\":true"), "it said {first:?}");
    Ok(took)
}

fn starts(program: &Path, fixture: &Path) -> Result<()> {
    let mut all = Vec::new();
    for _ in 0..STARTS {
        all.push(until_ready(program, fixture)?);
    }
    all.sort_unstable();
    let (middle, last) = (all[STARTS / 2], all[STARTS - 1]);
    let measured = format!("{} ms, at most {}", middle.as_millis(), last.as_millis());
    line(
        "ready after the start of the process",
        &measured,
        "<=200 ms",
    );
    Ok(())
}

/// A line of a file that the kernel keeps of a process.
fn of_process(emulator: &mut Emulator, file: &str) -> Result<String> {
    let pid = emulator.process().pid().context("it does not run")?;
    Ok(fs::read_to_string(format!("/proc/{pid}/{file}"))?)
}

/// What is resident, in KiB.
fn resident(emulator: &mut Emulator) -> Result<u64> {
    let status = of_process(emulator, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let words = line.context("the kernel shows no VmRSS")?;
    Ok(words
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .parse()?)
}

/// Seconds of processor time: fields 14 and 15 of `stat`, in hundredths (proc_pid_stat(5), USER_HZ).
fn processor(emulator: &mut Emulator) -> Result<f64> {
    let stat = of_process(emulator, "stat")?;
    let after_name = stat.rsplit_once(") ").context("a strange stat")?.1;
    let ticks = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse::<u32>);
    let ticks: u32 = ticks.sum::<Result<u32, _>>()?;
    Ok(f64::from(ticks) / 100.0)
}

fn mebibytes(kibibytes: u64) -> String {
    format!(
        "{}.{} MiB",
        kibibytes >> 10,
        ((kibibytes % 1024) * 10) >> 10
    )
}

fn idle(fixture: &Path) -> Result<()> {
    let mut emulator = Emulator::start(fixture)?;
    std::thread::sleep(Duration::from_secs(2));
    let resident = mebibytes(resident(&mut emulator)?);
    line("resident, idle", &resident, "<=20 MiB");
    Ok(())
}

fn client(emulator: &Emulator) -> Result<Client> {
    let rate = Rate::per_second(1_000_000);
    let limits = Limits {
        oos_reads: rate,
        oos_starts: rate,
        ess_instances: rate,
        ess: rate,
        ecs: rate,
        ..Limits::default()
    };
    let config = ClientConfig {
        endpoints: Endpoints::standard().with_all(emulator.endpoint())?,
        limiter: Arc::new(Limiter::new(limits)),
        ..ClientConfig::default()
    };
    let credentials = StaticCredentials::new("bench-id", "bench-secret", None)?;
    Ok(Client::new(config, Arc::new(credentials))?)
}

/// Loading, and calls about single groups of a large account.
async fn calls(fixture: &Path) -> Result<()> {
    let took = until_ready(&find_program("ess-emulator")?, fixture)?;
    let what = format!("{GROUPS} groups of {INSTANCES} instances loaded");
    line(&what, &format!("{} ms", took.as_millis()), "<=1000 ms");
    let mut emulator = Emulator::start(fixture)?;
    line(
        "resident with them",
        &mebibytes(resident(&mut emulator)?),
        "-",
    );
    let client = client(&emulator)?;
    let call = |number: usize| {
        let group = format!("asg-{:04}", number % GROUPS);
        let (action, parameters) = match number % 2 {
            0 => (
                "DescribeScalingGroups",
                vec![("ScalingGroupIds.1".to_owned(), group)],
            ),
            _ => (
                "DescribeScalingInstances",
                vec![
                    ("ScalingGroupId".to_owned(), group),
                    ("PageSize".to_owned(), "10".to_owned()),
                ],
            ),
        };
        let client = &client;
        async move { client.call(REGION, Service::Ess, action, &parameters).await }
    };
    let (began, before) = (Instant::now(), processor(&mut emulator)?);
    let made: usize = stream::iter(0..CALLS)
        .map(call)
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |made, _| Ok(made + 1))
        .await?;
    let (took, used) = (
        began.elapsed().as_secs_f64(),
        processor(&mut emulator)? - before,
    );
    let made = f64::from(u32::try_from(made)?);
    line(
        "signed calls for a second of one core",
        &format!("{:.0}", made / used),
        ">=3000",
    );
    line(
        "signed calls in a second, beside this client",
        &format!("{:.0}", made / took),
        "-",
    );
    Ok(())
}

/// Updates of four instances each, begun over a day.
async fn a_day(fixture: &Path) -> Result<()> {
    let emulator = Emulator::start(fixture)?;
    emulator.post("clock", &json!({"paused": true})).await?;
    let client = client(&emulator)?;
    let began = Instant::now();
    for number in 0..EXECUTIONS {
        let parameters = json!({
            "invokeType": "invoke",
            "scalingGroupId": format!("asg-{number:04}"),
            "invokeScript": "uptime",
            "batchNumber": 2,
        });
        let parameters = [
            ("TemplateName", TEMPLATE.to_owned()),
            ("Parameters", parameters.to_string()),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
        client
            .call(REGION, Service::Oos, "StartExecution", &parameters)
            .await?;
        emulator.advance(DAY / u32::try_from(EXECUTIONS)?).await?;
    }
    emulator.advance(Duration::from_secs(7_200)).await?;
    let took = began.elapsed();
    let list = [
        ("Status", "Success"),
        ("TemplateName", TEMPLATE),
        ("MaxResults", "100"),
    ];
    let list = list.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let ended = client
        .call(REGION, Service::Oos, "ListExecutions", &list)
        .await?;
    let ended = ended["Executions"].as_array().map_or(0, Vec::len);
    ensure!(ended == EXECUTIONS, "{ended} of {EXECUTIONS} succeeded");
    let what = format!("a virtual day with {EXECUTIONS} executions");
    line(&what, &format!("{:.2} s", took.as_secs_f64()), "<=10 s");
    Ok(())
}
