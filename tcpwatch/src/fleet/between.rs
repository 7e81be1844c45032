//! A reset that arrived and that nobody was seen to send: what does that mean? Never more than a hint: what no hook of
//! ours sees may have sent it on that very host.

use std::collections::BTreeMap;

use super::ends::Ends;
use super::host::Host;
use crate::event::HostId;
use crate::explain::verdict::Verdict;

/// One sentence, where the recordings of other hosts tell anything about it.
pub(super) fn what_is_between(
    hosts: &BTreeMap<HostId, Host>,
    ends: &Ends,
    to: HostId,
    wall: i128,
    received: &Verdict,
) -> Option<String> {
    if let Some((id, like)) = ends.like(received, wall) {
        let (name, flow) = (&hosts.get(&id.0)?.described.hostname, like.flow);
        let (local, remote) = (flow.local, flow.remote);
        return Some(format!(
            "the sender: {name} sent a reset with the same sequence number from {local} to {remote}, which may be this one, translated on its way"
        ));
    }
    let addr = received.flow.remote.addr;
    let mut holders = hosts.iter().filter(|(_, host)| host.holds(addr));
    let (Some((id, holder)), None) = (holders.next(), holders.next()) else { return None };
    let silent = received.rst.seq != 0 || !holder.sent_without_number(wall);
    let own = *id == to || holder.holds(received.flow.local.addr);
    let blamed = !own && silent && holder.saw_all_it_sent(addr, wall);
    let name = &holder.described.hostname;
    blamed.then(|| format!(
        "the sender: nobody who was recorded. {addr} is an address of {name}, whose recording is whole at that time and has no such reset: something in between sent it, or something on {name} that the hooks do not see (a REJECT rule, a raw socket, XDP), or another machine bears the address"
    ))
}
