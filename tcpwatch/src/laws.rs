//! The laws of the design, tried on every story of the catalogue.

use std::time::Duration;

use crate::engine::Engine;
use crate::event::{
    Acknowledged, ConnectionAborted, ConntrackDirection, Event, EventsLost, Exit, Fact, FilterHook,
    LossStage, SocketFile, TcpState, Time,
};
use crate::explain::story::{Late, Story, expired, reject_rule, removed, talk};
use crate::explain::verdict::{Certainty, Conclusion, Finding};
use crate::timeline::Timeline;

const SERVER: &str = "10.0.0.1:80";
const CLIENT: &str = "10.0.0.9:40000";
const SERVICE: &str = "10.96.0.1:80";
const OTHER: &str = "10.0.0.2:80";

/// One story for each cause, and some without.
fn stories() -> Vec<(&'static str, Vec<Event>)> {
    let served = || Story::new().finds("0.0.0.0:80").after(5);
    let lost = |death| {
        let story = served().loses_entry(CLIENT, SERVICE, OTHER, death).after(50);
        story.data_meets_listener(SERVER, CLIENT, 5).after(1).pickup_dies(CLIENT, SERVICE, SERVER)
    };
    let restarted =
        served().closes("0.0.0.0:80", Some(Exit::Signal(9))).after(900).opens("0.0.0.0:80");
    let moved = Story::new()
        .finds("0.0.0.0:80")
        .after(50)
        .vanishes(1)
        .after(5)
        .namespace(2, &["10.0.0.1"], true)
        .within(2);
    let late = served().overflows(SERVER, CLIENT, 5).after(40_000);
    let stories = [
        (
            "overflow at once",
            served().overflows(SERVER, CLIENT, 5).refuses_the_same_packet(SERVER, CLIENT, 5),
        ),
        ("overflow, late", late.data_meets_listener(SERVER, CLIENT, 5)),
        ("conntrack expired", lost(expired())),
        ("conntrack flushed", lost(removed(900))),
        (
            "untranslated",
            served()
                .loses_entry(CLIENT, SERVICE, OTHER, expired())
                .data_meets_nobody(CLIENT, OTHER),
        ),
        ("server restarted", restarted.after(500).data_meets_listener(SERVER, CLIENT, 9)),
        (
            "address reused",
            moved.opens("0.0.0.0:80").after(500).data_meets_listener(SERVER, CLIENT, 9),
        ),
        (
            "a pod is gone before its reset is judged",
            served()
                .closes("0.0.0.0:80", None)
                .after(1)
                .syn_meets_nobody(SERVER, CLIENT)
                .vanishes(1)
                .after(30)
                .namespace(1, &["10.0.0.7"], true),
        ),
        ("stray ack", served().lone_ack_meets_listener(SERVER, CLIENT)),
        (
            "closed port",
            served()
                .opens("0.0.0.0:81")
                .closes("0.0.0.0:81", None)
                .syn_meets_nobody("10.0.0.1:81", CLIENT),
        ),
        (
            "opened late",
            served().syn_meets_nobody("10.0.0.1:81", CLIENT).after(900).opens("0.0.0.0:81"),
        ),
        (
            "both ends",
            served().syn_meets_nobody("10.0.0.1:81", CLIENT).within(2).receives(
                CLIENT,
                "10.0.0.1:81",
                0,
                TcpState::SynSent,
            ),
        ),
        ("linger zero", served().aborts(SERVER, CLIENT)),
        (
            "rejected",
            served()
                .rejects_syn(FilterHook::Input, SERVER, CLIENT)
                .lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4)], true)
                .within(2)
                .refused(CLIENT, SERVER),
        ),
        (
            "invalid, after an earlier connection was flushed",
            served()
                .loses_entry(CLIENT, SERVICE, OTHER, removed(300))
                .after(90_000)
                .finds_invalid(CLIENT, SERVICE, OTHER, ConntrackDirection::Reply)
                .data_meets_nobody(CLIENT, OTHER),
        ),
        (
            "evicted",
            served()
                .reads_conntrack(9, 100, 100, 0)
                .evicts_entry(CLIENT, SERVICE, OTHER)
                .after(1)
                .reads_conntrack(9, 100, 100, 1)
                .after(5)
                .data_meets_listener(SERVER, CLIENT, 5)
                .after(1)
                .pickup_dies(CLIENT, SERVICE, SERVER),
        ),
    ];
    let stories =
        stories.into_iter().chain(given_up()).chain(late_stories()).chain(foreign_stories());
    stories.map(|(name, story)| (name, story.events())).collect()
}

/// This host gives a connection up of its own accord: each cause once, beside listeners.
fn given_up() -> impl Iterator<Item = (&'static str, Story)> {
    let served = || Story::new().finds("0.0.0.0:80").opens("0.0.0.0:81").after(5);
    let way = |way: fn(&mut ConnectionAborted)| served().gives_up(SERVER, CLIENT, way);
    let closed = served().closes("0.0.0.0:80", Some(Exit::Signal(9))).after(1);
    let stories = [
        ("closed with data unread", way(|rst| rst.unread = 17)),
        (
            "killed with data unread",
            way(|rst| (rst.unread, rst.task.exit) = (17, Some(Exit::Signal(9)))),
        ),
        ("dissolved", way(|rst| rst.file = SocketFile::Open)),
        ("destroyed", way(|rst| rst.socket.state = TcpState::Established)),
        ("keepalive", way(|rst| rst.reason = Some("TCP_KEEPALIVE_TIMEOUT".into()))),
        ("too many orphans", way(|rst| rst.reason = Some("TCP_ABORT_ON_MEMORY".into()))),
        ("queue emptied", closed.gives_up(SERVER, CLIENT, never_accepted)),
        ("never accepted, listener open", way(never_accepted)),
        ("MPTCP", way(|rst| rst.mptcp = true)),
        ("nothing known", way(|rst| rst.file = SocketFile::Unknown)),
    ];
    stories.into_iter()
}

fn never_accepted(rst: &mut ConnectionAborted) {
    (rst.socket.owned, rst.file, rst.locked) = (false, SocketFile::None, false);
}

/// Replies to what came too late, or to the wrong handshake.
fn late_stories() -> Vec<(&'static str, Story)> {
    let served = || Story::new().finds("0.0.0.0:80").after(5);
    let idle = talk().idle(75_000).heard(700).written(1);
    let both =
        served().within(2).takes(CLIENT, SERVER, TcpState::CloseWait, idle, Acknowledged::Unseen);
    let aborted = served().opens("0.0.0.0:81").after(5).aborts("10.0.0.1:81", CLIENT).after(2);
    let scanned = (1000..1020).fold(served(), |story, port| {
        story.after(5).syn_meets_nobody(&format!("10.0.0.1:{port}"), CLIENT)
    });
    vec![
        ("late data", served().late_segment(SERVER, CLIENT, Late::to_time_wait(900))),
        ("crossed", served().late_segment(SERVER, CLIENT, Late::to_orphan(idle))),
        ("race", both.within(1).late_segment(SERVER, CLIENT, Late::to_time_wait(700))),
        ("behind an abort", aborted.data_meets_listener("10.0.0.1:81", CLIENT, 5)),
        ("wrong ack", {
            served().refuses_ack(SERVER, CLIENT, 5).lone_ack_meets_listener(SERVER, CLIENT)
        }),
        ("cookies", served().ack_meets_cookies(SERVER, CLIENT, 900, 0)),
        ("scan", scanned),
    ]
}

/// Resets from elsewhere.
fn foreign_stories() -> Vec<(&'static str, Story)> {
    let (here, there) = ("10.0.0.1:40000", "192.0.2.1:80");
    let taken = |state, talk| Story::new().after(5).takes(here, there, state, talk, NOTHING);
    let race = talk().idle(60_000).heard(8).written(12).unacknowledged(90);
    let checked = Story::new().opens("0.0.0.0:80").after(5);
    vec![
        ("refused elsewhere", taken(TcpState::SynSent, talk())),
        ("reset elsewhere", taken(TcpState::Established, talk())),
        ("race elsewhere", taken(TcpState::CloseWait, race)),
        ("late elsewhere", taken(TcpState::CloseWait, race.idle(30))),
        ("another path", Story::new().after(5).takes_with_ttl(here, there, 63, Some(57))),
        ("half open", checked.handshake_reset(SERVER, "192.0.2.9:40000")),
    ]
}

const NOTHING: Acknowledged = Acknowledged::Nothing;

#[test]
fn replacing_events_by_their_loss_never_makes_another_firm_cause() {
    for (name, events) in stories() {
        let whole = firm_causes(&conclude(&events));
        for torn in losses_of_one_or_two(&events) {
            for cause in firm_causes(&conclude(&torn)) {
                assert!(
                    whole.contains(&cause),
                    "{name}: a loss turned {whole:?} into {cause}: {torn:#?}"
                );
            }
        }
    }
}

#[test]
fn extra_ticks_change_when_a_verdict_is_printed_and_never_what_it_says() {
    for (name, events) in stories() {
        assert_eq!(told(&conclude(&events)), told(&conclude(&with_ticks(&events))), "{name}");
    }
}

#[test]
fn events_that_arrive_out_of_order_within_the_slack_make_the_same_verdicts() {
    for (name, events) in stories() {
        let swapped: Vec<_> =
            events.chunks(2).flat_map(|pair| pair.iter().rev().cloned()).collect();
        let reordered = in_order(&swapped);
        assert_eq!(told(&conclude(&in_order(&events))), told(&conclude(&reordered)), "{name}");
    }
}

#[test]
fn every_reset_ends_in_a_verdict() {
    for (name, events) in stories() {
        let resets = events.iter().filter(|event| is_reset(event)).count();
        let verdicts =
            conclude(&events).iter().filter(|c| matches!(c, Conclusion::Verdict(_))).count();
        assert_eq!(resets, verdicts, "{name}");
    }
}

fn is_reset(event: &Event) -> bool {
    matches!(
        event,
        Event::RstSent(_)
            | Event::RstReceived(_)
            | Event::ConnectionAborted(_)
            | Event::PacketRejected(_)
    )
}

fn conclude(events: &[Event]) -> Vec<Conclusion> {
    let mut engine = Engine::new();
    let mut conclusions: Vec<_> = events.iter().flat_map(|event| engine.observe(event)).collect();
    conclusions.extend(engine.finish());
    conclusions
}

fn told(conclusions: &[Conclusion]) -> Vec<String> {
    conclusions.iter().map(|conclusion| format!("{conclusion:?}")).collect()
}

/// Codes of the causes that are claimed as seen.
fn firm_causes(conclusions: &[Conclusion]) -> Vec<&'static str> {
    let finding = |conclusion: &Conclusion| match conclusion {
        Conclusion::Verdict(verdict) => match &verdict.finding {
            Finding::Explained(best) if best.certainty > Certainty::Inferred => {
                Some(best.cause.code())
            }
            _ => None,
        },
        Conclusion::Amendment(amendment) => Some(amendment.explanation.cause.code()),
    };
    conclusions.iter().filter_map(finding).collect()
}

/// The same events, but one fact is lost instead of told. Resets themselves are not replaced: without one there is
/// nothing to explain.
fn lose(events: &[Event], index: usize) -> Option<Vec<Event>> {
    let event = events.get(index).filter(|event| !is_reset(event))?;
    let lost = Event::EventsLost(EventsLost {
        since: event.time().minus(Duration::from_millis(1)),
        until: event.time(),
        fact: event.fact()?,
        count: 1,
        stage: LossStage::Ring,
    });
    let mut torn = events.to_vec();
    torn[index] = lost;
    Some(torn)
}

fn losses_of_one_or_two(events: &[Event]) -> Vec<Vec<Event>> {
    let once =
        |events: &[Event]| (0..events.len()).filter_map(|i| lose(events, i)).collect::<Vec<_>>();
    let one = once(events);
    let two: Vec<_> = one.iter().flat_map(|torn| once(torn)).collect();
    one.into_iter().chain(two).collect()
}

fn with_ticks(events: &[Event]) -> Vec<Event> {
    let mut ticked = Vec::new();
    for pair in events.windows(2) {
        let (from, to) = (pair[0].time(), pair[1].time());
        ticked.push(pair[0].clone());
        let times = (1..20u32).map(|n| from.plus(Duration::from_millis(37) * n));
        ticked.extend(times.take_while(|time| *time < to).map(|time| Event::Tick { time }));
    }
    ticked.extend(events.last().cloned());
    let end = events.last().map_or(Time::default(), Event::time);
    ticked.push(Event::Tick { time: end.plus(Duration::from_secs(1)) });
    ticked
}

fn in_order(events: &[Event]) -> Vec<Event> {
    let mut timeline = Timeline::new(Duration::from_hours(1));
    for event in events {
        timeline.push(event.clone());
    }
    let mut ordered: Vec<_> = std::iter::from_fn(|| timeline.next_remaining()).collect();
    // Equal times keep the order of arrival; the story told them in another: sort those by what they say.
    ordered.sort_by_cached_key(|event| (event.time(), format!("{event:?}")));
    ordered
}

#[test]
fn the_facts_of_hooks_are_all_in_some_story() {
    let told: Vec<_> =
        stories().iter().flat_map(|(_, events)| events.iter().filter_map(Event::fact)).collect();
    for fact in Fact::ALL {
        assert!(told.contains(&fact), "{fact}");
    }
}
