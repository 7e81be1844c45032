//! Verdicts for the tests of the formats.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Summary;
use crate::event::*;
use crate::explain::cause::{NoListener, NotYetListening, Scan};
use crate::explain::mechanism::Mechanism;
use crate::explain::verdict::*;

/// 2026-11-21 12:04:00 UTC.
pub(crate) const START: Time = Time(5_000_000_000_000);

pub(crate) fn host() -> HostDescribed {
    HostDescribed {
        time: START,
        wall: 1_795_262_640_000_000_000,
        hostname: "node1".into(),
        boot_id: "b0".into(),
        kernel: "6.18.0".into(),
        version: "0.1.0".into(),
    }
}

pub(crate) fn coverage() -> CoverageDeclared {
    let sent = HookCoverage {
        fact: Fact::RstSent,
        hook: "tcp_v4_send_reset".into(),
        way: Some(Way::Kprobe),
        failed: vec!["fentry: refused by the kernel".into()],
        blind: String::new(),
        idle: false,
    };
    let destroyed = HookCoverage {
        fact: Fact::ConntrackDestroyed,
        hook: "nf_ct_destroy".into(),
        way: None,
        failed: Vec::new(),
        blind: "lost translations cannot be told from stray segments".into(),
        idle: false,
    };
    CoverageDeclared { time: START, hooks: vec![sent, destroyed] }
}

pub(crate) fn endpoint(text: &str) -> Endpoint {
    let addr: std::net::SocketAddr = text.parse().unwrap();
    Endpoint::new(addr.ip(), addr.port())
}

/// Sent by this host, explained.
pub(crate) fn explained() -> Verdict {
    let cause = NoListener {
        dialled: endpoint("10.0.0.1:80"),
        elsewhere: vec![endpoint("127.0.0.1:80")],
        watched_s: 31.0,
    };
    Verdict {
        id: 17,
        time: START.plus(Duration::from_nanos(31_882_104_007)),
        netns: NetNs(4_026_532_201),
        namespace: Some("shop".into()),
        pod: None,
        direction: Direction::Sent,
        flow: Flow { local: endpoint("10.0.0.1:80"), remote: endpoint("10.0.0.9:40000") },
        service: None,
        listens: None,
        symptom: Symptom::Refused,
        errno: Some(Errno::ECONNREFUSED),
        mechanism: Mechanism::SynToNoSocket,
        reason: Some("NO_SOCKET".into()),
        state: None,
        rst: RstHeader { seq: 0, ack: Acknowledged::Number(4_711), ttl: None },
        finding: Finding::Explained(std::sync::Arc::new(Explanation {
            certainty: Certainty::Observed,
            cause: cause.into(),
        })),
        also: Vec::new(),
        owner: None,
        owner_status: OwnerStatus::Nobody,
        joined: None,
        peer: None,
    }
}

/// One of many ports tried from one source.
pub(crate) fn scanned(port: u16) -> Verdict {
    let sent = explained();
    let (source, dialled) = (sent.flow.remote.addr, Endpoint { port, ..sent.flow.local });
    let flow =
        Flow { local: dialled, remote: Endpoint { port: 20_000 + port, ..sent.flow.remote } };
    let cause = Scan { source, dialled, ports: 300, within_s: 0.2 };
    let explanation = Explanation { certainty: Certainty::Observed, cause: cause.into() };
    let finding = Finding::Explained(std::sync::Arc::new(explanation));
    Verdict { id: port.into(), flow, finding, ..sent }
}

/// The other end of it, on the same host; the client used a service address.
pub(crate) fn received() -> Verdict {
    let sent = explained();
    Verdict {
        id: 18,
        netns: NetNs(4_026_532_202),
        namespace: None,
        pod: None,
        direction: Direction::Received,
        flow: sent.flow.reversed(),
        service: Some(endpoint("10.96.0.1:80")),
        state: Some(TcpState::SynSent),
        rst: RstHeader { ttl: Some(61), ..sent.rst },
        owner: Some(Owner { cgroup: Some("/user.slice".into()), ..Owner::named(812, "curl") }),
        owner_status: OwnerStatus::Known,
        joined: Some(17),
        ..sent
    }
}

/// Another host, 30 s younger, whose clock is 5 ms behind.
pub(crate) fn other_host() -> HostDescribed {
    let host = host();
    HostDescribed {
        time: Time(host.time.0 - 30_000_000_000),
        wall: host.wall - 5_000_000,
        hostname: "node2".into(),
        boot_id: "b1".into(),
        ..host
    }
}

/// The other end on another host.
pub(crate) fn received_elsewhere() -> Verdict {
    let sent = explained();
    let host = std::sync::Arc::new(host());
    let peer = Peer { host, time: sent.time, explains: true };
    Verdict {
        time: sent.time.minus(Duration::from_secs(30)),
        peer: Some(std::sync::Arc::new(peer)),
        service: None,
        owner: None,
        owner_status: OwnerStatus::Unknown,
        ..received()
    }
}

/// Sent by this host, IPv6, not explained.
pub(crate) fn unexplained() -> Verdict {
    Verdict {
        id: 19,
        namespace: None,
        pod: None,
        flow: Flow { local: endpoint("[fd00::1]:80"), remote: endpoint("[fd00::9]:40000") },
        symptom: Symptom::Reset,
        errno: Some(Errno::ECONNRESET),
        mechanism: Mechanism::AckToListener,
        reason: None,
        state: Some(TcpState::Listen),
        rst: RstHeader { seq: 90_210, ack: Acknowledged::Nothing, ttl: None },
        finding: Finding::Unexplained {
            missing: vec![
                "no dropped handshake of this connection in the 31 s watched".into(),
                "the beginning of this connection".into(),
            ],
        },
        owner: Some(Owner::named(77, "ngi\u{1b}[31mnx")),
        owner_status: OwnerStatus::Known,
        ..explained()
    }
}

pub(crate) fn amendment() -> Amendment {
    let verdict = explained();
    let opened_at = verdict.time.plus(Duration::from_secs(3));
    let cause = NotYetListening {
        dialled: verdict.flow.local,
        listener: endpoint("0.0.0.0:80"),
        opened_after_s: 3.0,
        refusals: 1,
        opened_at,
    };
    Amendment {
        of: verdict.id,
        time: opened_at,
        explanation: Explanation { certainty: Certainty::Observed, cause: cause.into() },
        owner: Some(Owner::named(77, "nginx")),
    }
}

pub(crate) fn lost() -> EventsLost {
    EventsLost {
        since: START,
        until: START.plus(Duration::from_secs(1)),
        fact: Fact::RstSent,
        count: 12,
        stage: LossStage::Ring,
    }
}

pub(crate) fn totals() -> Totals {
    Totals {
        explained: 412,
        unexplained: 3,
        lost: 24,
        causes: BTreeMap::from([
            ("accept-queue-overflow", 6),
            ("conntrack-expired", 6),
            ("no-listener", 400),
        ]),
        namespaces: vec![
            NamespaceTotals {
                host: None,
                netns: NetNs(4_026_532_201),
                name: Some("shop".into()),
                sent: 400,
                out_rsts: Some(402),
                difference: Some(2),
            },
            NamespaceTotals {
                host: None,
                netns: NetNs(4_026_532_202),
                name: None,
                sent: 12,
                out_rsts: None,
                difference: None,
            },
        ],
        skews: Vec::new(),
    }
}

pub(crate) fn summary(totals: &Totals) -> Summary<'_> {
    Summary { totals, hidden: 5, cpu: Some(Duration::from_millis(213)) }
}
