//! The operator's ways to the apiserver and to the cloud, in this thread, with a gate across each.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ess_emulator::front;
use ess_emulator::state::faults::{Effect, Fault as CallFault};
use ess_rollout::kubernetes::{FenceLayer, Heard, HeardLayer};
use ess_rollout::runtime::lease::Fence;
use ess_rollout_aliyun::{Transport, TransportError, WireFuture, WireRequest, WireResponse};
use ess_rollout_test_support::apiserver::{Answer, Disturbance};
use http::header::{DATE, HeaderValue};
use http::{Method, Request};
use jiff::SignedDuration;
use kube::client::Body;
use tokio::time::Instant;
use tower::Layer;

use crate::fault::Fault;
use crate::gate::{Life, Side};
use crate::invariants;
use crate::world::{LATE_SECONDS, OPERATOR, World};
use crate::{others, spoil};

/// One way of a call, in milliseconds.
const CLOUD: u64 = 20;
pub const APISERVER: u64 = 2;

/// What a refusal says of how long to wait.
const HINT_MILLIS: u64 = 5000;
/// An account that has nothing.
const OTHER_ACCOUNT: &str = "1999999999999999";
/// For how long watches are disturbed, and for how long what comes late is late.
const DISTURBED: Duration = Duration::from_secs(30);

/// From the cloud client to the emulator's front.
pub struct CloudWire {
    pub world: Arc<World>,
    pub life: Arc<Life>,
}

/// With two operators: whoever changes something holds the lease, and has renewed it lately.
fn must_lead(world: &World, life: &Life, what: &str) {
    if !life.name.is_empty() && !world.lease.lets_act(&life.name) {
        world.violation(format!("{what} by {}, which does not lead", life.name));
    }
}

impl Transport for CloudWire {
    fn send(&self, request: WireRequest) -> WireFuture<'_> {
        Box::pin(self.exchange(request))
    }
}

fn header<'a>(request: &'a WireRequest, name: &str) -> &'a str {
    let found = request.headers.iter().find(|(n, _)| *n == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// Whether an action changes nothing.
pub fn is_read(action: &str) -> bool {
    ["Describe", "List", "Get"]
        .iter()
        .any(|verb| action.starts_with(verb))
}

impl CloudWire {
    async fn exchange(&self, request: WireRequest) -> Result<WireResponse, TransportError> {
        let world = &self.world;
        let sent = Instant::now();
        world.latency.pass(CLOUD).await;
        self.life.goes_on().await;
        // What was on its way when the process came to stand still has been given up meanwhile.
        if self.life.stood_still_since(sent) {
            return Err(TransportError::Broken("the connection is gone".to_owned()));
        }
        let action = header(&request, "x-acs-action").to_owned();
        if self.life.is_cut_from_cloud() {
            return Err(TransportError::NotConnected("no connection".to_owned()));
        }
        world.call_made(|| called(&action, &request.body));
        world.exchanged(action.as_bytes());
        world.exchanged(request.body.as_bytes());
        let mut fault = None;
        let mut befallen = None;
        if is_read(&action) {
            befallen = world.gate.befalls_read(&action, &request.body);
        } else {
            must_lead(world, &self.life, &action);
            invariants::before_call(world, &action, &request.body);
            fault = world.reach(Side::Cloud);
        }
        let number = world.gate.passed();
        let story = |became: &str| {
            let at = if is_read(&action) {
                String::new()
            } else {
                format!("#{number} ")
            };
            let fault = fault.map_or(String::new(), |fault: Fault| format!(" [{}]", fault.name()));
            format!("{at}cloud {action}{fault}: {became}")
        };
        let effect = match fault {
            Some(fault @ Fault::StopBefore) => {
                world.trace(|| story("not sent, the operator stops"));
                world.gate.stop(&self.life, fault).await
            }
            Some(Fault::AnswerLost) => Some(Effect::AnswerLost {}),
            Some(Fault::Lost) => Some(Effect::LostBefore {}),
            Some(Fault::EffectLate | Fault::StopLate | Fault::TakenLate) => {
                Some(Effect::EffectLate {
                    after_seconds: Some(LATE_SECONDS),
                    after_millis: None,
                })
            }
            Some(Fault::Throttled) => Some(Effect::Throttle {
                retry_after_millis: None,
            }),
            Some(Fault::ThrottledWithHint) => Some(Effect::Throttle {
                retry_after_millis: Some(HINT_MILLIS),
            }),
            Some(Fault::Unavailable) => Some(Effect::Error {
                status: 503,
                code: "ServiceUnavailable".to_owned(),
                message: "The request has failed due to a temporary failure of the server."
                    .to_owned(),
            }),
            // Whose credentials they are is asked once for each.
            None if befallen == Some(Fault::ReadsElsewhere) && action != "GetCallerIdentity" => {
                Some(Effect::Elsewhere {
                    account_id: Some(OTHER_ACCOUNT.to_owned()),
                    region: None,
                })
            }
            None if befallen == Some(Fault::ReadsThrottled) => Some(Effect::Throttle {
                retry_after_millis: None,
            }),
            None if befallen == Some(Fault::Omitted) => Some(Effect::Omit {
                entries: vec!["*".to_owned()],
            }),
            _ => None,
        };
        let later = world.pages.later(&request.body);
        let outcome = match later {
            Some(page) => front::Outcome::Answer(page),
            None => self.answer(&request, effect),
        };
        if !is_read(&action) {
            world.effect(Side::Cloud);
        }
        if let Some(fault) = fault.filter(|fault| fault.stops()) {
            world.trace(|| story("sent, the operator stops"));
            world.gate.stop(&self.life, fault).await;
        }
        if let Some(befallen) = befallen {
            world.trace(|| format!("cloud {action}: {}", befallen.name()));
        }
        befalls(world, &self.life, fault);
        let spoilt = fault.or(befallen);
        let answer = match outcome {
            front::Outcome::Answer(answer) => Some(answer),
            front::Outcome::AnswerAt(at, answer) => {
                let wait = at.duration_since(world.now());
                tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
                Some(answer)
            }
            front::Outcome::Dropped => None,
        };
        world.latency.pass(CLOUD).await;
        self.life.goes_on().await;
        let answer = answer.map(|answer| self.shown(&action, &request.body, answer, befallen));
        let answer = answer.map(|answer| spoil::answer(spoilt, answer));
        let answer = answer.map(
            |answer| match befallen.filter(|fault| fault.is_of_pages()) {
                Some(fault) => world.pages.cut(fault, &request.body, answer),
                None => answer,
            },
        );
        let Some(answer) = answer else {
            world.trace(|| story("no answer"));
            return Err(TransportError::Broken(
                "the exchange with the emulator broke off".to_owned(),
            ));
        };
        world.exchanged(&answer.body);
        world.trace(|| story(&summary(&action, &request.body, &answer)));
        let headers = answer.headers.iter().filter_map(|(name, value)| {
            let name = http::HeaderName::try_from(name.as_str()).ok()?;
            Some((name, http::HeaderValue::try_from(value.as_str()).ok()?))
        });
        Ok(WireResponse {
            status: answer.status,
            headers: headers.collect(),
            body: answer.body,
        })
    }

    /// What is shown of an answer that is true now.
    fn shown(
        &self,
        action: &str,
        body: &str,
        answer: front::Response,
        befallen: Option<Fault>,
    ) -> front::Response {
        let world = &self.world;
        let answer = world.lists.shown(action, body, world.now(), answer);
        // What left something out is not what was true then.
        let is_true = answer.status == 200
            && ![Some(Fault::Omitted), Some(Fault::ReadsElsewhere)].contains(&befallen);
        if !is_read(action) || !is_true || !world.gate.remembers() {
            return answer;
        }
        let question = format!("{action}?{body}");
        match world.lists.before(&question, world.now(), &answer) {
            Some(before) if befallen == Some(Fault::Older) => before,
            _ => answer,
        }
    }

    fn answer(&self, request: &WireRequest, effect: Option<Effect>) -> front::Outcome {
        let mut headers = vec![("host".to_owned(), request.host())];
        let rest = request.headers.iter();
        headers.extend(rest.map(|(name, value)| ((*name).to_owned(), value.clone())));
        let request = front::Request {
            method: "POST".to_owned(),
            path: request.url.path().to_owned(),
            query: request.url.query().unwrap_or_default().to_owned(),
            headers,
            body: request.body.clone().into_bytes(),
        };
        let now = self.world.now();
        let mut cloud = self.world.cloud();
        // It strikes the very next call, which is this one.
        let struck = effect.map(|effect| {
            let mut fault = CallFault::of(effect);
            fault.principal = Some(OPERATOR.to_owned());
            cloud.world.faults.add(fault, now)
        });
        let outcome = front::handle(&mut cloud, &request, now);
        if let Some(id) = struck {
            cloud.world.faults.remove(id);
        }
        outcome
    }
}

/// What is called, and of a list for what.
fn called(action: &str, body: &str) -> String {
    let filters = [
        ("IncludeChildExecution=", "nested"),
        ("ParentExecutionId=", "children"),
        ("ExecutionId=", "id"),
        ("Status=", "template and status"),
        ("TemplateName=", "newest of template"),
        ("Tags=", "tags"),
    ];
    let named = filters.iter().find(|(filter, _)| body.contains(filter));
    match named.filter(|_| action == "ListExecutions") {
        Some((_, name)) => format!("{action}: {name}"),
        None => action.to_owned(),
    }
}

/// What a trace shows of a call.
fn summary(action: &str, body: &str, answer: &front::Response) -> String {
    let about: Vec<&str> = body
        .split('&')
        .filter(|pair| {
            let shown = [
                "ExecutionId=",
                "NotifyType=",
                "ClientToken=",
                "LoopItem=",
                "Process",
                "InstanceId",
                "ImageId=",
            ];
            !is_read(action) && shown.iter().any(|name| pair.starts_with(name))
        })
        .collect();
    let code = match answer.status {
        200 => String::new(),
        status => {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            format!(" {}", body["Code"].as_str().unwrap_or("?"))
                + if status >= 500 { " (5xx)" } else { "" }
        }
    };
    format!("{}{code} {}", answer.status, about.join(" "))
        .trim()
        .to_owned()
}

/// From the operator's Kubernetes client to the fake apiserver.
#[derive(Clone)]
pub struct ApiserverWire {
    pub world: Arc<World>,
    pub life: Arc<Life>,
    pub fence: Fence,
}

/// What happens from now on, and does not end the operator.
fn befalls(world: &World, life: &Life, fault: Option<Fault>) {
    let Some(fault) = fault.filter(|fault| !fault.stops()) else {
        return;
    };
    world.trace(|| format!("{} {}", life.name, fault.name()));
    let until = Instant::now() + DISTURBED;
    let hour = SignedDuration::from_hours(1);
    let year = SignedDuration::from_hours(365 * 24);
    let jump = |by| world.clock().jumps(by);
    match fault {
        Fault::WatchClosed => world.apiserver.disturb(Disturbance::Closed),
        Fault::WatchLate => world.apiserver.disturb(Disturbance::Late(until)),
        Fault::WatchLost => world.apiserver.disturb(Disturbance::Lost(until)),
        Fault::WatchTwice => world.apiserver.disturb(Disturbance::Twice(until)),
        Fault::Labelled => others::label(world),
        Fault::StatusWiped => others::wipe_statuses(world),
        Fault::Recreated => others::recreate(world),
        Fault::NamespaceDeleted => others::delete_namespace(world),
        Fault::Reconfigured => others::reconfigure(world),
        Fault::HourAhead => jump(hour),
        Fault::HourBehind => jump(-hour),
        Fault::YearAhead => jump(year),
        Fault::YearBehind => jump(-year),
        Fault::Told | Fault::TakenTold => world.gate.tell(life, fault),
        _ => life.meets(fault),
    }
}

/// As of HTTP's header Date.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

impl ApiserverWire {
    /// `takes`: how long a write may take.
    pub fn client(self, namespace: &str, takes: Duration, heard: Arc<Heard>) -> kube::Client {
        let fence = self.fence.clone();
        let patience = Duration::MAX;
        let heard = HeardLayer { heard, patience }.layer(self);
        kube::Client::new(FenceLayer { fence, takes }.layer(heard), namespace)
    }

    async fn exchange(self, request: Request<Body>) -> io::Result<Answer> {
        let Self { world, life, .. } = &self;
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap_or_default().to_vec();
        let request = Request::from_parts(parts, body);
        let path = request.uri().path();
        let writes = request.method() != Method::GET;
        let event = path.contains("/events.k8s.io/");
        // An Event has the time of the machine in its name.
        if writes && !event {
            world.exchanged(path.as_bytes());
            world.exchanged(request.body());
        }
        world.call_made(|| {
            let resource = path.split('/').nth(6).unwrap_or_default();
            format!("{} {resource}", request.method())
        });
        let sent = Instant::now();
        world.latency.pass(APISERVER).await;
        life.goes_on().await;
        if life.stood_still_since(sent) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if life.is_cut_from_apiserver() {
            return Ok(failure(503, "ServiceUnavailable"));
        }
        let name = || {
            let segments: Vec<&str> = path.split('/').skip(4).collect();
            format!("{} {}", request.method(), segments.join("/"))
        };
        let fault = if writes && !event {
            world.reach(Side::Apiserver)
        } else {
            None
        };
        let number = world.gate.passed();
        let story = |became: &str| {
            let fault = fault.map_or(String::new(), |fault| format!(" [{}]", fault.name()));
            let at = if event {
                String::new()
            } else {
                format!("#{number} ")
            };
            format!("{at}kube  {}{fault}: {became}", name())
        };
        match fault {
            Some(fault @ Fault::StopBefore) => {
                world.trace(|| story("not sent, the operator stops"));
                world.gate.stop(life, fault).await
            }
            Some(Fault::Conflict) => {
                world.trace(|| story("409"));
                return Ok(failure(409, "Conflict"));
            }
            Some(Fault::Throttled) => {
                world.trace(|| story("429"));
                let mut answer = failure(429, "TooManyRequests");
                let wait = http::HeaderValue::from_static("1");
                answer.headers_mut().insert("retry-after", wait);
                return Ok(answer);
            }
            Some(Fault::Unavailable) => {
                world.trace(|| story("500"));
                return Ok(failure(500, "InternalError"));
            }
            Some(Fault::Lost) => {
                world.trace(|| story("lost on the way"));
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            _ => {}
        }
        if writes {
            must_lead(world, life, path);
        } else if may_be_of_any_age(&request) {
            world.violation(format!("{} asks for a state of any age", name()));
        }
        let new = request.method() == Method::POST && !path.contains("/scalinggrouprecords");
        if new && world.others.terminating() {
            world.trace(|| story("403, the namespace is being deleted"));
            return Ok(failure(403, "Forbidden"));
        }
        let before = invariants::subject(world, path).filter(|_| writes);
        let mut answer = world.apiserver.answer(OPERATOR, &request);
        if let Ok(date) = HeaderValue::from_str(&world.now().strftime(HTTP_DATE).to_string()) {
            answer.headers_mut().insert(DATE, date);
        }
        if writes && !event {
            world.effect(Side::Apiserver);
            invariants::after_write(world, path, before.as_deref());
        }
        if let Some(fault) = fault.filter(|fault| fault.stops()) {
            world.trace(|| story("sent, the operator stops"));
            world.gate.stop(life, fault).await;
        }
        befalls(world, life, fault);
        world.latency.pass(APISERVER).await;
        life.goes_on().await;
        if fault == Some(Fault::AnswerLost) {
            world.trace(|| story("done, the connection ended"));
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if fault == Some(Fault::TimedOut) {
            world.trace(|| story("done, answered 504"));
            return Ok(failure(504, "Timeout"));
        }
        if writes {
            world.trace(|| story(&format!("{} {}", answer.status().as_u16(), said(&request))));
        }
        Ok(answer)
    }
}

/// A list that an apiserver may answer from its cache, which may be behind by any time where it has lost its store. A watch from
/// there on tells the rest, and a list that names no version is of this moment.
fn may_be_of_any_age(request: &Request<Vec<u8>>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let pairs = ess_emulator::params::pairs(query);
    let has = |name: &str, value: Option<&str>| {
        let mut found = pairs.iter().filter(|(n, _)| n == name);
        found.any(|(_, v)| value.is_none_or(|value| value == v))
    };
    has("resourceVersion", None) && !has("watch", None) && !has("continue", None)
}

/// What a trace shows of a write: the state that it gives, or the reason of an Event.
fn said(request: &Request<Vec<u8>>) -> String {
    let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let words = [
        "/status/state",
        "/status/pause/kind",
        "/status/holder/name",
        "/reason",
        "/note",
    ];
    // Of a JSON patch: what is put there.
    let put = |pointer: &str| {
        let mut operations = body.as_array().into_iter().flatten();
        let found = operations.find(|operation| operation["path"] == pointer)?;
        found["value"].as_str()
    };
    let words = words.iter().filter_map(|pointer| {
        body.pointer(pointer)
            .and_then(|v| v.as_str())
            .or_else(|| put(pointer))
    });
    words.collect::<Vec<_>>().join(", ")
}

fn failure(code: u16, reason: &str) -> Answer {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "reason": reason, "message": "injected", "code": code,
    });
    let mut answer = Answer::new(status.to_string().into());
    *answer.status_mut() = http::StatusCode::from_u16(code).expect("a status code");
    answer
}

impl tower::Service<Request<Body>> for ApiserverWire {
    type Response = Answer;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Answer>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = self.clone();
        Box::pin(wire.exchange(request))
    }
}
