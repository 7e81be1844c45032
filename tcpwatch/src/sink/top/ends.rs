//! Which end is the client and which the server?

use std::net::IpAddr;

use crate::event::{Endpoint, NetNs, Owner, TcpState};
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::{Direction, Symptom, Verdict};

/// Who talks to whom: the port of a service stays the same, that of its clients changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    /// Where it was seen.
    pub(super) netns: NetNs,
    pub(super) client: IpAddr,
    /// As the client dialled it, where that is known.
    pub(super) server: Endpoint,
}

impl Pair {
    pub(super) fn of(verdict: &Verdict) -> Self {
        let (local, remote) = (verdict.flow.local, verdict.flow.remote);
        let (client, server) = if serves(verdict) { (remote, local) } else { (local, remote) };
        let (netns, server) = (verdict.netns, verdict.service.unwrap_or(server));
        Self { netns, client: client.addr.to_canonical(), server: canonical(server) }
    }
}

/// A server of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Server {
    pub(super) netns: NetNs,
    pub(super) at: Endpoint,
}

impl Server {
    /// A rule speaks in the name of an address that may be anywhere.
    pub(super) fn of(verdict: &Verdict) -> Option<Self> {
        let here = serves(verdict) && verdict.mechanism != Mechanism::Rejected;
        here.then(|| Self { netns: verdict.netns, at: canonical(verdict.flow.local) })
    }
}

/// The local end is the server:
/// 1. who refuses is the server, who is refused the client;
/// 2. a service address is told by the server where it sends, by the client where it receives;
/// 3. a listener is a server, and so is who has one, or had one lately;
/// 4. where both ports may be those of clients, who has no listener is the client;
/// 5. where nothing tells, the lower port is taken for the server's.
pub(super) fn serves(verdict: &Verdict) -> bool {
    let (local, remote) = (verdict.flow.local, verdict.flow.remote);
    if verdict.symptom == Symptom::Refused || verdict.service.is_some() {
        return verdict.direction == Direction::Sent;
    }
    let lower = local.port < remote.port;
    let is_listener = verdict.state == Some(TcpState::Listen);
    match verdict.listens {
        _ if is_listener => true,
        Some(true) => true,
        Some(false) => lower && local.port < EPHEMERAL,
        None => lower,
    }
}

/// Clients are given ports from here on (`net.ipv4.ip_local_port_range`, as kernels come).
const EPHEMERAL: u16 = 32_768;

fn canonical(endpoint: Endpoint) -> Endpoint {
    Endpoint { addr: endpoint.addr.to_canonical(), ..endpoint }
}

/// The first few programs that were seen at one end.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub(super) struct Names(Vec<String>);

impl Names {
    pub(super) fn learn(&mut self, owner: Option<&Owner>) {
        let Some(owner) = owner.filter(|_| self.0.len() < FEW) else { return };
        let name = name(owner);
        if !self.0.contains(&name) {
            self.0.push(name);
        }
    }

    /// With a sign that there may be more.
    pub(super) fn text(&self) -> String {
        let more = if self.0.len() == FEW { ",…" } else { "" };
        self.0.join(",") + more
    }
}

/// Without its pid, which changes from one connection to the next.
fn name(owner: &Owner) -> String {
    let command = &owner.command;
    match owner.pod_name().or_else(|| owner.container_name()) {
        Some(place) => format!("{command} in {place}"),
        None => command.clone(),
    }
}

const FEW: usize = 3;

/// Who is at both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Both {
    pub(super) namespace: Option<String>,
    pub(super) client: Names,
    pub(super) server: Names,
}

impl Both {
    pub(super) fn learn(&mut self, verdict: &Verdict) {
        let end = if serves(verdict) { &mut self.server } else { &mut self.client };
        end.learn(verdict.owner.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Flow, PodName};
    use crate::sink::samples::{self, endpoint};

    fn pair(verdict: &Verdict) -> (String, String) {
        let Pair { client, server, .. } = Pair::of(verdict);
        (client.to_string(), server.to_string())
    }

    fn of(client: &str, server: &str) -> (String, String) {
        (client.into(), server.into())
    }

    #[test]
    fn who_refuses_is_the_server() {
        let mut verdict = samples::explained();
        verdict.flow.remote.port = 8;
        assert_eq!(pair(&verdict), of("10.0.0.9", "10.0.0.1:80"));
        let received =
            Verdict { flow: verdict.flow.reversed(), service: None, ..samples::received() };
        assert_eq!(pair(&received), of("10.0.0.9", "10.0.0.1:80"));
        assert_eq!((Server::of(&verdict).is_some(), Server::of(&received)), (true, None));
    }

    #[test]
    fn a_service_is_called_as_its_client_calls_it() {
        assert_eq!(pair(&samples::received()), of("10.0.0.9", "10.96.0.1:80"));
        let sent = Verdict { service: samples::received().service, ..samples::explained() };
        assert_eq!(pair(&sent), of("10.0.0.9", "10.96.0.1:80"));
        assert_eq!(
            Server::of(&sent).unwrap().at.to_string(),
            "10.0.0.1:80",
            "as the host knows it"
        );
    }

    #[test]
    fn else_the_lower_port_is_the_servers() {
        let verdict = samples::unexplained();
        assert_eq!(pair(&verdict), of("fd00::9", "[fd00::1]:80"));
        let sent_by_client = Verdict { flow: verdict.flow.reversed(), state: None, ..verdict };
        assert_eq!(pair(&sent_by_client), of("fd00::9", "[fd00::1]:80"));
        assert_eq!(Server::of(&sent_by_client), None);
    }

    #[test]
    fn a_listener_is_a_server_whatever_its_port() {
        let mut verdict = samples::unexplained();
        verdict.flow.remote.port = 8;
        assert_eq!(pair(&verdict), of("fd00::9", "[fd00::1]:80"));
    }

    #[test]
    fn a_server_on_a_high_port_is_one_server_to_all_its_clients() {
        let ends = |local: &str, remote: &str, listens| Verdict {
            flow: Flow { local: endpoint(local), remote: endpoint(remote) },
            listens,
            state: None,
            ..samples::unexplained()
        };
        for port in 40_001..=40_005 {
            let client = format!("10.0.0.9:{port}");
            let of_server = ends("10.0.0.1:50051", &client, Some(true));
            assert_eq!(pair(&of_server), of("10.0.0.9", "10.0.0.1:50051"));
            assert_eq!(Server::of(&of_server).unwrap().at.to_string(), "10.0.0.1:50051");
            let of_client = ends(&client, "10.0.0.1:50051", Some(false));
            assert_eq!(pair(&of_client), of("10.0.0.9", "10.0.0.1:50051"));
            assert_eq!(Server::of(&of_client), None);
        }
        let closed_long_ago = ends("10.0.0.1:8080", "10.0.0.9:40001", Some(false));
        assert_eq!(pair(&closed_long_ago), of("10.0.0.9", "10.0.0.1:8080"));
    }

    #[test]
    fn a_rule_is_no_server_of_this_host() {
        let verdict = Verdict { mechanism: Mechanism::Rejected, ..samples::explained() };
        assert_eq!(Server::of(&verdict), None);
    }

    #[test]
    fn a_few_names_are_kept_and_the_rest_hinted_at() {
        let mut names = Names::default();
        names.learn(None);
        assert_eq!(names.text(), "");
        let learn = |names: &mut Names, command: &str| {
            names.learn(Some(&Owner::named(812, command)));
        };
        for command in ["curl", "curl", "wget"] {
            learn(&mut names, command);
        }
        assert_eq!(names.text(), "curl,wget");
        for command in ["java", "php"] {
            learn(&mut names, command);
        }
        assert_eq!(names.text(), "curl,wget,java,…");
    }

    #[test]
    fn a_pod_or_a_container_is_a_better_name_than_a_program_alone() {
        let named = |owner: Owner| {
            let mut names = Names::default();
            names.learn(Some(&owner));
            names.text()
        };
        let nginx = || Owner::named(77, "nginx");
        let pod = PodName { namespace: "shop".into(), name: "web-0".into() };
        let in_pod = Owner { pod: Some(pod), container: Some("web".into()), ..nginx() };
        assert_eq!(named(in_pod), "nginx in shop/web-0");
        assert_eq!(named(Owner { container: Some("web".into()), ..nginx() }), "nginx in web");
        let service = Some("/system.slice/nginx.service".into());
        assert_eq!(named(Owner { cgroup: service, ..nginx() }), "nginx");
    }
}
