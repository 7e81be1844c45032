//! The promise of the format: a recording of any schema so far can be read, to the last line (`tests/recordings`).

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use schema::Schema;
use serde_json::{Value, json};
use tcpwatch::event::Event;
use tcpwatch::explain::verdict::Totals;
use tcpwatch::filter::Filter;
use tcpwatch::recording::{Damage, Line, Reader, SCHEMA, Stream, Told};
use tcpwatch::session::Session;

#[path = "../../tcpwatch/src/sink/schema.rs"]
mod schema;

#[test]
fn every_line_of_every_schema_is_understood() {
    for schema in 1..=SCHEMA {
        for file in files(&folder(schema)) {
            understood(schema, &file);
        }
    }
}

fn understood(schema: u32, file: &Path) {
    let mut reader = Reader::new(File::open(file).unwrap()).unwrap();
    let is_cut = file.to_string_lossy().contains("cut-off");
    loop {
        match reader.next_line() {
            Ok(Some(Line::Header(header))) => {
                assert_eq!(header.schema, schema, "{}", file.display());
            }
            Ok(Some(Line::Unknown(kind))) => panic!("{}: not understood: {kind}", file.display()),
            Ok(Some(Line::Damaged(how))) => panic!("{}: damaged: {how}", file.display()),
            Ok(Some(Line::Event(_) | Line::End(_))) => {}
            Ok(None) => return assert!(!is_cut, "{} is whole", file.display()),
            Err(Damage::Torn) if is_cut => return,
            Err(damage) => panic!("{}: {damage}", file.display()),
        }
    }
}

/// Also those of incidents are: `tests/incidents` tries each.
#[test]
fn every_line_is_as_the_published_schema_describes_it() {
    let schema = Schema::published("recording");
    for file in (1..=SCHEMA).flat_map(|schema| files(&folder(schema))) {
        let lines = lines(&file);
        assert!(!lines.is_empty(), "{} has no whole line", file.display());
        for line in lines {
            let complaints = schema.complaints(&line).join("\n");
            assert!(complaints.is_empty(), "{}: {complaints}\n{line:#}", file.display());
        }
    }
}

#[test]
fn the_published_schema_refuses_what_no_recording_holds() {
    let schema = Schema::published("recording");
    let lines = lines(&folder(1).join("plain.jsonl"));
    let sent = lines.iter().find(|line| line["type"] == "rst_sent").unwrap();
    for (field, wrong) in [
        ("/type", json!("rst_guessed")),
        ("/time", json!(12)),
        ("/time", json!("12.5")),
        ("/netns", json!(4_294_967_296_u64)),
        ("/netns", json!(-1)),
        ("/flow/local/addr", json!("10.0.0.256")),
        ("/flow/local/port", json!(65_536)),
        ("/flow/remote", json!({ "addr": "10.0.0.1" })),
        ("/packet", json!("12")),
        ("/packet", json!("0x")),
        ("/segment/ttl", json!(256)),
        ("/socket", json!({})),
        ("/reason", json!(7)),
        ("/tracking", json!("lost")),
    ] {
        let mut line = sent.clone();
        *line.pointer_mut(field).unwrap() = wrong;
        assert!(!schema.complaints(&line).is_empty(), "{field}: {line}");
    }
}

/// Fewer kinds would be a promise about the others that nothing tests.
#[test]
fn every_kind_of_event_that_a_run_tells_is_among_them() {
    let kinds: BTreeSet<_> =
        files(&folder(1)).iter().flat_map(|file| told(file).0).map(|event| kind(&event)).collect();
    let wanted = [
        "accept_queue_overflowed",
        "connection_aborted",
        "conntrack_destroyed",
        "counters_read",
        "coverage_declared",
        "events_lost",
        "host_described",
        "listener_closed",
        "listener_found",
        "listener_opened",
        "namespace_described",
        "namespace_vanished",
        "owner_found",
        "rst_received",
        "rst_sent",
        "tick",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
}

#[test]
fn each_whole_one_is_judged_as_the_run_that_made_it() {
    for schema in 1..=SCHEMA {
        for name in ["plain.jsonl", "compressed.tcpw.jsonl.zst", "segments"] {
            let file = folder(schema).join(name);
            let (events, account) = told(&file);
            let recorded = account.unwrap_or_else(|| panic!("{} has no end", file.display()));
            let totals = judged(events);
            assert_eq!(totals.explained + totals.unexplained, recorded, "{}", file.display());
            assert_eq!(totals.lost, 0, "{}", file.display());
        }
    }
}

#[test]
fn one_that_was_cut_off_is_read_as_far_as_it_goes() {
    for schema in 1..=SCHEMA {
        let whole = told(&folder(schema).join("compressed.tcpw.jsonl.zst")).0;
        let (events, account) = told(&folder(schema).join("cut-off.tcpw.jsonl.zst"));
        let read = events.iter().take_while(|event| !matches!(event, Event::EventsLost(_))).count();
        let (read, lost) = events.split_at(read);
        assert!(!read.is_empty() && whole.starts_with(read), "schema {schema}");
        let all_are_losses = lost.iter().all(|event| matches!(event, Event::EventsLost(_)));
        assert!(!lost.is_empty() && all_are_losses, "schema {schema}: {lost:?}");
        assert_eq!(account, None, "schema {schema}");
    }
}

/// Events of one file or of a folder of segments; and how many resets the run judged, if its end is there.
fn told(input: &Path) -> (Vec<Event>, Option<u64>) {
    let mut stream = Stream::open(&[input.to_owned()]);
    let told: Vec<_> = std::iter::from_fn(|| stream.next_told()).collect();
    assert_eq!(stream.failed(), 0, "{}: {told:?}", input.display());
    let events = told.into_iter().filter_map(|told| match told {
        Told::Event(_, event) => Some(event),
        Told::Note(_) | Told::Ended(_) => None,
    });
    (events.collect(), stream.account().map(|account| account.explained + account.unexplained))
}

fn judged(events: Vec<Event>) -> Totals {
    let mut session = Session::new(Filter::default(), None, Vec::new());
    session.feed(events).unwrap();
    session.finish(None).unwrap().totals
}

fn kind(event: &Event) -> String {
    serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned()
}

/// The whole lines of a file, also of one that was cut off.
fn lines(file: &Path) -> Vec<Value> {
    let bytes = fs::read(file).unwrap();
    let mut text = Vec::new();
    if file.extension().is_some_and(|extension| extension == "zst") {
        _ = zstd::Decoder::new(&*bytes).unwrap().read_to_end(&mut text);
    } else {
        text = bytes;
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn folder(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings").join(format!("schema-{schema}"))
}

/// Also those in folders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    assert!(!files.is_empty(), "{} holds no recording", folder.display());
    files
}
