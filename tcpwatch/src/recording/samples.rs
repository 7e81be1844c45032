//! Events for tests of this room.

use crate::event::{ConntrackDirection, Event, FilterHook, NetNs, TcpState, Time};
use crate::explain::story::{Story, reject_rule, removed};

pub(super) fn tick(time: Time) -> Event {
    Event::Tick { time }
}

pub(super) fn coverage(at: Time) -> Event {
    let mut events = Story::new().events().into_iter();
    let found = events.find_map(|event| match event {
        Event::CoverageDeclared(declared) => Some(declared),
        _ => None,
    });
    let mut declared = found.expect("a story declares its coverage");
    declared.time = at;
    Event::CoverageDeclared(declared)
}

pub(super) fn described(at: Time, netns: u32) -> Event {
    let mut events = Story::new().events().into_iter();
    let found = events.find_map(|event| match event {
        Event::NamespaceDescribed(described) => Some(described),
        _ => None,
    });
    let mut described = found.expect("a story describes its namespace");
    (described.time, described.netns) = (at, NetNs(netns));
    Event::NamespaceDescribed(described)
}

pub(super) fn reset(at: Time) -> Event {
    let mut events = Story::new().syn_meets_nobody("10.0.0.1:80", "10.0.0.9:40000").events();
    match events.pop() {
        Some(Event::RstSent(mut rst)) => {
            rst.time = at;
            Event::RstSent(rst)
        }
        other => unreachable!("the story ends with a reset, not with {other:?}"),
    }
}

/// A story with every kind of event that carries addresses, names or kernel addresses.
pub(super) fn told_of_every_kind() -> Vec<Event> {
    const SERVER: &str = "10.0.0.1:80";
    const CLIENT: &str = "203.0.113.9:40000";
    const SERVICE: &str = "10.96.0.1:80";
    let story = Story::new().finds("0.0.0.0:80").after(5).overflows(SERVER, CLIENT, 5);
    let story = story.loses_entry(CLIENT, SERVICE, SERVER, removed(900)).opens("[::]:81");
    let story = story.after(5).data_meets_listener(SERVER, CLIENT, 5).aborts(SERVER, CLIENT);
    let story = story.receives(CLIENT, SERVER, 7, TcpState::Established);
    let story = story.rejects_syn(FilterHook::Input, SERVER, CLIENT);
    let story = story.lists_rules(&[reject_rule("inet", Some(FilterHook::Input), 4)], true);
    let story = story.finds_invalid(CLIENT, SERVICE, SERVER, ConntrackDirection::Reply);
    let story = story.reads_conntrack(1, 9, 100, 1);
    story.closes("[::]:81", None).vanishes(1).events()
}
