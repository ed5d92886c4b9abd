//! Listeners.

use serde_json::{Value, json};

use super::answers::Part;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::services::balancers::{balancers, product};
use crate::state::balancing::{Listener, LoadBalancer, Product};
use crate::state::call::Call;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "ListListeners",
    honours: &[
        "ListenerIds.N",
        "ListenerProtocol",
        "LoadBalancerIds.N",
        "MaxResults",
        "NextToken",
    ],
    run: Run::Read(list),
};

/// The protocols of the listeners of a product.
fn protocols(call: &Call) -> &'static [&'static str] {
    match product(call) {
        Product::Alb => &["HTTP", "HTTPS", "QUIC"],
        _ => &["TCP", "UDP", "TCPSSL"],
    }
}

/// ListListeners, of all load balancers or of up to 20. Forwarding rules are not in the answer.
fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let balancer_ids = args.list_up_to("LoadBalancerIds", 20)?;
    let ids = args.list_up_to("ListenerIds", 20)?;
    let protocol = args.word_in_any_case("ListenerProtocol", protocols(call))?;
    let part = Part::of(args, 100)?;
    let found = balancers(world.seen(), call)
        .filter(|b| {
            balancer_ids
                .as_ref()
                .is_none_or(|ids| ids.contains(&b.load_balancer_id))
        })
        .flat_map(|b| b.listeners.iter().map(move |l| (b, l)))
        .filter(|(_, l)| ids.as_ref().is_none_or(|ids| ids.contains(&l.listener_id)))
        .filter(|(_, l)| {
            protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case(&l.protocol))
        });
    Ok(part.answer("Listeners", found.map(|(b, l)| row(b, l))))
}

fn row(of: &LoadBalancer, listener: &Listener) -> Value {
    let to = &listener.to.server_group_id;
    let mut row = json!({
        "ListenerId": listener.listener_id,
        "ListenerPort": listener.port,
        "ListenerProtocol": listener.protocol,
        "ListenerStatus": "Running",
        "LoadBalancerId": of.load_balancer_id,
        "Tags": [],
    });
    if of.product == Product::Nlb {
        row["ServerGroupId"] = json!(to);
        row["RegionId"] = json!(of.region);
    } else {
        row["DefaultActions"] = json!([{
            "Type": "ForwardGroup",
            "ForwardGroupConfig": {"ServerGroupTuples": [{"ServerGroupId": to}]},
        }]);
    }
    row
}
