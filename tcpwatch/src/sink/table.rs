//! One table for spreadsheets and databases: the same columns in every tabular format.
//!
//! A row is a verdict, an amendment or a loss; `type` says which, and a count of verdicts counts resets. An
//! amendment does not replace its verdict: it is a row of its own with the `id` of that verdict, and only what it
//! says anew is filled in. A loss says in `summary` what was lost. The account of the run is no row of any kind.

use std::sync::Arc;

use super::Clean;
use super::clock::Span;
use super::losses::sentence;
use crate::event::{Endpoint, EventsLost, NetNs, Owner, TcpState, Time};
use crate::explain::verdict::{Amendment, Evidence, Explanation, Finding, Peer, Verdict};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Time,
    Evidence,
}

/// One field of a row. Text from outside has been made harmless for terminals.
#[derive(Debug, PartialEq)]
pub(super) enum Cell {
    Empty,
    Text(String),
    Number(i64),
    Time(Time),
    Evidence(Proof),
}

/// Evidence, and what its times mean.
#[derive(Debug, PartialEq)]
pub(super) struct Proof {
    pub(super) lines: Vec<Evidence>,
    /// The time of the reset they are evidence of, where the row tells it.
    pub(super) reset: Option<Time>,
    /// By whose clock, where that is not the host of the row.
    pub(super) peer: Option<Arc<Peer>>,
}

/// The columns, in order.
pub(super) const COLUMNS: [(&str, Kind); 33] = [
    ("type", Kind::Text),
    ("time", Kind::Time),
    ("host", Kind::Text),
    ("id", Kind::Number),
    ("netns", Kind::Number),
    ("namespace", Kind::Text),
    ("direction", Kind::Text),
    ("local_addr", Kind::Text),
    ("local_port", Kind::Number),
    ("remote_addr", Kind::Text),
    ("remote_port", Kind::Number),
    ("service_addr", Kind::Text),
    ("service_port", Kind::Number),
    ("symptom", Kind::Text),
    ("errno", Kind::Text),
    ("mechanism", Kind::Text),
    ("reset_reason", Kind::Text),
    ("state", Kind::Text),
    ("certainty", Kind::Text),
    ("cause", Kind::Text),
    ("summary", Kind::Text),
    ("evidence", Kind::Evidence),
    ("missing", Kind::Text),
    ("remedy_now", Kind::Text),
    ("remedy_fix", Kind::Text),
    ("owner_pid", Kind::Number),
    ("owner_command", Kind::Text),
    ("owner_exe", Kind::Text),
    ("owner_pod", Kind::Text),
    ("owner_container", Kind::Text),
    ("joined", Kind::Number),
    ("seq", Kind::Number),
    ("joined_host", Kind::Text),
];

pub(super) type Row = Vec<Cell>;

pub(super) fn of_verdict(verdict: &Verdict, host: &str) -> Row {
    let told = match &verdict.finding {
        Finding::Explained(best) => {
            explanation(best, Some(verdict.evidence_time()), verdict.explained_by().cloned())
        }
        Finding::Unexplained { missing } => unexplained(missing),
    };
    let mut row = head("verdict", verdict.time, host, Some(verdict.id));
    row.extend(place(verdict));
    row.extend(told);
    row.extend(owner(verdict.owner.as_ref()));
    let peer = verdict.peer.as_ref().map(|peer| peer.host.hostname.as_str());
    row.extend([number(verdict.joined), number(Some(verdict.rst.seq)), text(peer)]);
    row
}

pub(super) fn of_amendment(amendment: &Amendment, host: &str) -> Row {
    let mut row = head("amendment", amendment.time, host, Some(amendment.of));
    row.extend([const { Cell::Empty }; PLACE]);
    row.extend(explanation(&amendment.explanation, None, None));
    row.extend(owner(amendment.owner.as_ref()));
    row.extend([const { Cell::Empty }; 3]);
    row
}

pub(super) fn of_lost(lost: &EventsLost, host: &str) -> Row {
    let span = Span(lost.until.since(lost.since));
    let mut told = [const { Cell::Empty }; TOLD];
    told[2] = Cell::Text(format!("{}, in the {span} before", sentence(lost)));
    let mut row = head("lost", lost.until, host, None);
    row.extend([const { Cell::Empty }; PLACE]);
    row.extend(told);
    row.extend([const { Cell::Empty }; OWNER + 3]);
    row
}

/// Cells that say where and how: netns to state.
const PLACE: usize = 14;

/// Cells that say why: certainty to fix.
const TOLD: usize = 7;

/// Cells that say who: pid to container.
const OWNER: usize = 5;

fn head(kind: &str, time: Time, host: &str, id: Option<u64>) -> Row {
    vec![text(Some(kind)), Cell::Time(time), text(Some(host)), number(id)]
}

fn place(verdict: &Verdict) -> [Cell; PLACE] {
    let NetNs(netns) = verdict.netns;
    let [local_addr, local_port] = endpoint(Some(verdict.flow.local));
    let [remote_addr, remote_port] = endpoint(Some(verdict.flow.remote));
    let [service_addr, service_port] = endpoint(verdict.service);
    [
        number(Some(netns)),
        text(verdict.namespace.as_deref()),
        text(Some(verdict.direction.name())),
        local_addr,
        local_port,
        remote_addr,
        remote_port,
        service_addr,
        service_port,
        text(Some(verdict.symptom.name())),
        text(verdict.errno.map(|errno| errno.name)),
        text(Some(verdict.mechanism.name())),
        text(verdict.reason.as_deref()),
        text(verdict.state.map(TcpState::name)),
    ]
}

fn explanation(
    explanation: &Explanation,
    reset: Option<Time>,
    peer: Option<Arc<Peer>>,
) -> [Cell; TOLD] {
    let Explanation { certainty, cause } = explanation;
    let remedy = cause.remedy();
    [
        text(Some(certainty.name())),
        text(Some(cause.code())),
        text(Some(&cause.to_string())),
        Cell::Evidence(Proof { lines: cause.evidence(), reset, peer }),
        Cell::Empty,
        text(Some(&remedy.now)),
        text(Some(&remedy.fix)),
    ]
}

fn unexplained(missing: &[String]) -> [Cell; TOLD] {
    let mut told = [const { Cell::Empty }; TOLD];
    told[4] = text(Some(&missing.join(SEPARATOR)));
    told
}

fn owner(owner: Option<&Owner>) -> [Cell; OWNER] {
    let Some(owner) = owner else { return [const { Cell::Empty }; OWNER] };
    [
        number(Some(owner.pid)),
        text(Some(&owner.command)),
        text(owner.exe.as_deref()),
        text(owner.pod_name().as_deref()),
        text(owner.container_name().as_deref()),
    ]
}

/// Mapped addresses are written as what they are, IPv4.
fn endpoint(endpoint: Option<Endpoint>) -> [Cell; 2] {
    let addr = endpoint.map(|endpoint| endpoint.addr.to_canonical().to_string());
    [text(addr.as_deref()), number(endpoint.map(|endpoint| endpoint.port))]
}

fn text(text: Option<&str>) -> Cell {
    text.map_or(Cell::Empty, |text| Cell::Text(Clean(text).to_string()))
}

fn number(number: Option<impl TryInto<i64>>) -> Cell {
    number.and_then(|number| number.try_into().ok()).map_or(Cell::Empty, Cell::Number)
}

/// Between several things in one field.
pub(super) const SEPARATOR: &str = " | ";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::samples;

    /// The cell of a column.
    fn cell<'a>(row: &'a Row, name: &str) -> &'a Cell {
        &row[COLUMNS.iter().position(|(column, _)| *column == name).unwrap()]
    }

    fn of(verdict: &Verdict) -> Row {
        of_verdict(verdict, "node1")
    }

    fn said(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    fn rows() -> Vec<Row> {
        let verdicts = [samples::explained(), samples::received(), samples::unexplained()];
        let mut rows: Vec<_> = verdicts.iter().map(of).collect();
        rows.extend([
            of_amendment(&samples::amendment(), "node1"),
            of_lost(&samples::lost(), "node1"),
        ]);
        rows
    }

    #[test]
    fn every_row_has_every_column_with_what_it_holds() {
        for row in rows() {
            assert_eq!(row.len(), COLUMNS.len());
            for ((name, kind), cell) in COLUMNS.iter().zip(&row) {
                let fits = match cell {
                    Cell::Empty => true,
                    Cell::Text(_) => *kind == Kind::Text,
                    Cell::Number(_) => *kind == Kind::Number,
                    Cell::Time(_) => *kind == Kind::Time,
                    Cell::Evidence(..) => *kind == Kind::Evidence,
                };
                assert!(fits, "{name}: {cell:?}");
            }
        }
    }

    #[test]
    fn a_verdict_fills_its_columns() {
        let row = of(&samples::received());
        assert_eq!(*cell(&row, "type"), said("verdict"));
        assert_eq!(*cell(&row, "host"), said("node1"));
        assert_eq!(*cell(&row, "id"), Cell::Number(18));
        assert_eq!(*cell(&row, "netns"), Cell::Number(4_026_532_202));
        assert_eq!(*cell(&row, "namespace"), Cell::Empty);
        assert_eq!(*cell(&row, "direction"), said("received"));
        assert_eq!(
            (cell(&row, "local_addr"), cell(&row, "local_port")),
            (&said("10.0.0.9"), &Cell::Number(40_000))
        );
        assert_eq!(
            (cell(&row, "service_addr"), cell(&row, "service_port")),
            (&said("10.96.0.1"), &Cell::Number(80))
        );
        assert_eq!(*cell(&row, "errno"), said("ECONNREFUSED"));
        assert_eq!(*cell(&row, "mechanism"), said("syn-to-no-socket"));
        assert_eq!(*cell(&row, "reset_reason"), said("NO_SOCKET"));
        assert_eq!(*cell(&row, "state"), said("SYN_SENT"));
        assert_eq!(*cell(&row, "cause"), said("no-listener"));
        assert_eq!(
            (cell(&row, "owner_pid"), cell(&row, "owner_command")),
            (&Cell::Number(812), &said("curl"))
        );
        assert_eq!(
            (cell(&row, "joined"), cell(&row, "seq")),
            (&Cell::Number(17), &Cell::Number(0))
        );
    }

    #[test]
    fn the_other_end_on_another_host_is_named_and_keeps_its_clock() {
        let verdict = samples::received_elsewhere();
        let row = of_verdict(&verdict, "node2");
        assert_eq!(*cell(&row, "joined_host"), said("node1"));
        let Cell::Evidence(proof) = cell(&row, "evidence") else { panic!() };
        assert_eq!((proof.reset, &proof.peer), (Some(samples::explained().time), &verdict.peer));
        assert_eq!(*cell(&of(&samples::received()), "joined_host"), Cell::Empty);
    }

    #[test]
    fn without_a_cause_there_is_what_is_missing() {
        let row = of(&samples::unexplained());
        assert_eq!(*cell(&row, "cause"), Cell::Empty);
        let missing = "no dropped handshake of this connection in the 31 s watched | the beginning of this connection";
        assert_eq!(*cell(&row, "missing"), said(missing));
        assert_eq!(*cell(&row, "owner_command"), said(r"ngi\u{1b}[31mnx"));
    }

    #[test]
    fn an_amendment_has_the_id_of_its_verdict_and_only_what_is_new() {
        let row = of_amendment(&samples::amendment(), "node1");
        assert_eq!((cell(&row, "type"), cell(&row, "id")), (&said("amendment"), &Cell::Number(17)));
        assert_eq!(*cell(&row, "cause"), said("not-yet-listening"));
        assert_eq!(*cell(&row, "local_addr"), Cell::Empty);
        assert_eq!(*cell(&row, "owner_command"), said("nginx"));
    }

    #[test]
    fn a_loss_says_what_was_lost_when() {
        let row = of_lost(&samples::lost(), "node1");
        assert_eq!(*cell(&row, "time"), Cell::Time(samples::lost().until));
        let sentence = "lost 12 (resets sent): the ring buffer was full, in the 1.0 s before";
        assert_eq!(*cell(&row, "summary"), said(sentence));
    }

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        let mut verdict = samples::explained();
        verdict.flow.local.addr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(*cell(&of(&verdict), "local_addr"), said("10.0.0.1"));
    }
}
