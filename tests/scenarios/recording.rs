//! Incidents recorded: what is explained from the recording is what was explained live, and whatever happens to
//! writer, disk or reader costs at most what it must, and is said.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use std::{env, fs, thread};

use harness::patience::idle;
use harness::replay::last_tick;
use harness::watch::{Said, program};
use harness::{
    Backends, Dnat, Expected, Folder, Helper, Host, Ip, Namespace, Need, Replay, Service, Watch,
    wait_for,
};
use serde_json::Value;
use tcpwatch::recording::EXTENSION;

use crate::scenario::scenarios;
use crate::{conntrack, guest, overflow};

scenarios! {
    v4 an_overflow_is_replayed_byte_for_byte;
    v4 an_expired_entry_is_replayed_byte_for_byte needs [NFT, Need::ConntrackTimeout];
    v4 a_rollout_is_replayed_byte_for_byte;
    v4 a_writer_killed_in_an_overflow_loses_at_most_the_open_frame;
    v4 a_writer_killed_after_an_entry_expired_loses_at_most_the_open_frame needs [NFT, Need::ConntrackTimeout];
    v4 a_writer_killed_in_a_rollout_loses_at_most_the_open_frame;
    v4 a_full_disk_stops_the_recording_and_not_the_view;
    v4 a_disk_that_is_nearly_full_stops_the_recording_and_not_the_view;
    v4 a_full_disk_ends_a_run_that_only_records;
    v4 the_oldest_segments_make_room_for_others_on_the_disk;
    v4 a_directory_stays_below_its_bound_and_says_what_is_missing;
    v4 two_writers_share_a_directory_and_repair_what_a_third_left;
    v4 a_flight_recorder_writes_what_led_to_its_reason;
    v4 a_flight_recorder_writes_when_it_is_asked_to;
    v4 a_reader_that_has_seen_enough_ends_a_recording_to_stdout;
    v4 a_view_nobody_reads_any_more_leaves_a_whole_recording;
}

const NFT: Need = Need::Dnat(Dnat::Nftables);

fn an_overflow_is_replayed_byte_for_byte(ip: Ip) {
    replayed_as_it_was_live(&Overflow::new(ip));
}

fn an_expired_entry_is_replayed_byte_for_byte(ip: Ip) {
    replayed_as_it_was_live(&Expiry::new(ip));
}

fn a_rollout_is_replayed_byte_for_byte(ip: Ip) {
    replayed_as_it_was_live(&Rollout::new(ip));
}

fn replayed_as_it_was_live(incident: &dyn Incident) {
    let (folder, namespaces) = (Folder::new(), incident.namespaces());
    let watch = recorded(&namespaces, folder.path(), &[]);
    let expected = incident.happens().because(incident.cause());
    watch.expect(&expected);
    let live = watch.interrupt();
    assert!(live.status.success(), "{:?}", live.stderr);
    assert_eq!(Replay::json(folder.path(), &namespaces).stdout, live.stdout);
    assert!(Replay::explained(folder.path(), &namespaces).stdout.contains(incident.cause()));
}

fn a_writer_killed_in_an_overflow_loses_at_most_the_open_frame(ip: Ip) {
    killed_at_random(ip, Overflow::new);
}

fn a_writer_killed_after_an_entry_expired_loses_at_most_the_open_frame(ip: Ip) {
    killed_at_random(ip, Expiry::new);
}

fn a_writer_killed_in_a_rollout_loses_at_most_the_open_frame(ip: Ip) {
    killed_at_random(ip, Rollout::new);
}

/// Three founding incidents, seven moments each; emulated kernels are too slow for more than one.
fn killed_at_random<I: Incident>(ip: Ip, make: impl Fn(Ip) -> I) {
    let mut random = Random::new();
    for _ in 0..if guest::is_runner() { 1 } else { 7 } {
        let incident = make(ip);
        let after = random.up_to(incident.takes() + Duration::from_millis(800));
        killed(ip, &incident, after);
    }
}

/// The incident happens among other resets in great number, and the writer dies.
fn killed(ip: Ip, incident: &dyn Incident, after: Duration) {
    let (folder, storm) = (Folder::new(), Storm::new(ip));
    let namespaces = [incident.namespaces(), vec![&storm.host.namespace]].concat();
    let watch = recorded(&namespaces, folder.path(), &[]);
    let live = storm.during(|| {
        thread::scope(|scope| {
            scope.spawn(|| _ = incident.happens());
            idle(after);
            watch.kill()
        })
    });
    let [part] = &names(&folder)[..] else { panic!("one segment was open: {:?}", names(&folder)) };
    Replay::explained(folder.path(), &namespaces);
    let replay = Replay::json(folder.path(), &namespaces);
    is_a_beginning_of(&replay, &live, &folder.join(part));
}

/// What live and replay do not share is younger than the last frame on disk, but for the time a verdict may take.
fn is_a_beginning_of(replay: &Replay, live: &Said, recording: &Path) {
    let whole_lines = live.stdout.rsplit_once('\n').map_or("", |(lines, _)| lines);
    let (live, replayed): (Vec<_>, Vec<_>) =
        (whole_lines.lines().collect(), replay.stdout.lines().collect());
    let shared = live.iter().zip(&replayed).take_while(|(live, replayed)| live == replayed).count();
    let cut = last_tick(recording) - Duration::from_millis(500);
    let young = |line: &&&str| {
        let line: Value = serde_json::from_str(line).expect("tcpwatch speaks JSON");
        let time = line["time"].as_str().or(line["until"].as_str());
        let time = time.map(|time| time.parse::<jiff::Timestamp>().expect("RFC 3339"));
        line["type"] == "totals" || time.is_some_and(|time| time > cut)
    };
    for (whose, rest) in [("live", &live[shared..]), ("replayed", &replayed[shared..])] {
        let old = rest.iter().find(|line| !young(line));
        assert!(old.is_none(), "only {whose}, though on disk (cut at {cut}): {old:?}");
    }
}

fn a_full_disk_stops_the_recording_and_not_the_view(ip: Ip) {
    full("0%", "No space left on device", ip);
}

fn a_disk_that_is_nearly_full_stops_the_recording_and_not_the_view(ip: Ip) {
    full("5%", "--min-free 5% keeps them free", ip);
}

fn full(min_free: &str, why: &str, ip: Ip) {
    let (storm, disk) = (Storm::new(ip), Folder::disk(96 * 1024));
    let (host, file) = (&storm.host, disk.join("x.tcpw.jsonl.zst"));
    let watch = recorded(&[&host.namespace], &file, &["--min-free", min_free]);
    storm.during(|| watch.complains(why));
    let client = host.namespace.dial(host.address()).refused();
    watch.expect(&Expected::sent(&host.namespace, host.address(), client).refused());
    let live = watch.interrupt();

    let said = live.stderr.join("\n");
    assert_eq!(live.status.code(), Some(1), "{said}");
    assert!(ends_with_totals(&live.stdout), "{said}");
    assert_eq!(said.matches("recording has stopped").count(), 1, "{said}");
    assert!(said.ends_with("the recording ends before the run did; see above"), "{said}");
    assert_eq!(names(&disk), ["x.tcpw.jsonl.zst"]);
    is_a_beginning_of(&Replay::json(&file, &[&host.namespace]), &live, &file);
}

fn a_full_disk_ends_a_run_that_only_records(ip: Ip) {
    let (storm, disk) = (Storm::new(ip), Folder::disk(96 * 1024));
    let directory = disk.join("d");
    let watch = Watch::recording(&["-o", text(&directory), "--min-free", "0%"]);
    let said = storm.during(|| watch.ended());
    assert_eq!(said.status.code(), Some(1), "{:?}", said.stderr);
    let replay = Replay::json(&directory, &[&storm.host.namespace]);
    assert!(replay.stdout.contains("no-listener") && ends_with_totals(&replay.stdout));
}

/// Half of the disk stays free although far more is recorded than fits: what goes is the oldest.
fn the_oldest_segments_make_room_for_others_on_the_disk(ip: Ip) {
    let disk = Folder::disk(256 * 1024);
    rotates_often(ip, &disk.join("d"), &["--rotate-size", "16K", "--min-free", "50%"]);
    let free = nix::sys::statvfs::statvfs(disk.path()).expect("a disk has room");
    assert!(free.blocks_available() * 2 >= free.blocks(), "{free:?}");
}

fn a_directory_stays_below_its_bound_and_says_what_is_missing(ip: Ip) {
    let folder = Folder::new();
    rotates_often(ip, folder.path(), &["--max-disk", "100K"]);
    let taken: u64 = folder.files().iter().map(|(_, size)| size).sum();
    assert!(taken <= 100_000, "{:?}", folder.files());
}

/// Resets until the first segments are gone, which the reader of the rest is told.
fn rotates_often(ip: Ip, directory: &Path, bounds: &[&str]) {
    let storm = Storm::new(ip);
    let namespaces = [&storm.host.namespace];
    let watch = recorded(&namespaces, directory, bounds);
    storm.during(|| {
        wait_for("the first segments to go", || is_beheaded(directory).then_some(()));
    });
    let live = watch.interrupt();
    assert!(live.status.success(), "{:?}", live.stderr);
    let replay = Replay::json(directory, &namespaces);
    assert!(replay.stderr.contains("begins in the middle of its run"), "{}", replay.stderr);
    assert!(ends_with_totals(&replay.stdout));
}

fn is_beheaded(directory: &Path) -> bool {
    let names: Vec<_> = listed(directory).collect();
    !names.is_empty()
        && names.iter().all(|name| !name.contains("-00000.") && !name.contains("-00001."))
}

fn two_writers_share_a_directory_and_repair_what_a_third_left(ip: Ip) {
    let (host, folder) = (Host::alone(ip), Folder::new());
    let namespaces = [&host.namespace];
    let dial = || host.namespace.dial(host.address()).refused();
    let refusal = |client| Expected::sent(&host.namespace, host.address(), client).refused();

    let third = recorded(&namespaces, folder.path(), &[]);
    third.expect(&refusal(dial()));
    third.kill();
    let [left] = &names(&folder)[..] else { panic!("{:?}", folder.files()) };
    let left = left.strip_suffix(".part").expect("it was open");
    let first = recorded(&namespaces, folder.path(), &[]);
    first.complains("its writer died");
    assert!(names(&folder).iter().any(|name| name == left), "{:?}", folder.files());
    let second = recorded(&namespaces, folder.path(), &[]);
    let client = dial();
    for watch in [first, second] {
        watch.expect(&refusal(client));
        let said = watch.interrupt();
        assert!(said.status.success(), "{:?}", said.stderr);
    }
    let names = names(&folder);
    assert!(names.len() == 3 && names.iter().all(|name| name.ends_with(EXTENSION)), "{names:?}");
}

fn a_flight_recorder_writes_what_led_to_its_reason(ip: Ip) {
    in_flight(ip, &["--on", "cause=no-listener"], "triggered by cause no-listener at ", |_| {});
}

fn a_flight_recorder_writes_when_it_is_asked_to(ip: Ip) {
    in_flight(ip, &[], "triggered by SIGUSR1 at ", |watch| {
        watch.complains("armed ");
        watch.ask_to_write();
    });
}

/// A refusal, and the reason to write it, which may be the refusal itself.
fn in_flight(ip: Ip, on: &[&str], why: &str, ask: impl FnOnce(&Watch)) {
    let (host, folder) = (Host::alone(ip), Folder::new());
    let (namespaces, ring) = ([&host.namespace], ["--ring", "60s", "--after", "1s"]);
    let watch = recorded(&namespaces, folder.path(), &[&ring, on].concat());
    let client = host.namespace.dial(host.address()).refused();
    let refusal = Expected::sent(&host.namespace, host.address(), client).refused();
    watch.expect(&refusal.because("no-listener"));
    ask(&watch);
    watch.complains(why);
    let live = watch.interrupt();
    assert!(live.status.success(), "{:?}", live.stderr);
    let said = live.stderr.iter().find(|line| line.contains(why)).expect("it was said");
    let (_, file) = said.rsplit_once(" go to ").expect("it says where");
    let replay = Replay::json(Path::new(file), &namespaces).stdout;
    assert!(replay.contains("\"no-listener\""), "{replay}");
}

fn a_reader_that_has_seen_enough_ends_a_recording_to_stdout(ip: Ip) {
    let host = Host::alone(ip);
    let mut child = with_first_bytes_read::<4>(&["record", "-o", "-"], [0x28, 0xb5, 0x2f, 0xfd]);
    ends_well(&mut child, &host);
}

fn a_view_nobody_reads_any_more_leaves_a_whole_recording(ip: Ip) {
    let (host, folder) = (Host::alone(ip), Folder::new());
    let view = ["rst", "-o", "json", "--record", text(folder.path())];
    let words = [&view[..], &NO_FLOOR].concat();
    let mut child = with_first_bytes_read(&words, *b"{");
    ends_well(&mut child, &host);
    let replay = Replay::json(folder.path(), &[&host.namespace]);
    assert!(!replay.stderr.contains("ends in the middle"), "{}", replay.stderr);
    assert!(names(&folder)[0].ends_with(EXTENSION), "{:?}", names(&folder));
}

/// A tcpwatch whose reader goes away after these bytes.
fn with_first_bytes_read<const N: usize>(words: &[&str], first: [u8; N]) -> Child {
    let mut command = Command::new(program());
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("tcpwatch can be started");
    let (mut read, mut stdout) = ([0; N], child.stdout.take().expect("stdout is a pipe"));
    stdout.read_exact(&mut read).expect("the first bytes come at once");
    assert_eq!(read, first);
    child
}

/// What it has to say brings it to notice.
fn ends_well(child: &mut Child, host: &Host) {
    let status = wait_for("tcpwatch to end", || {
        host.namespace.dial(host.address()).refused();
        child.try_wait().expect("a child of ours")
    });
    assert_eq!(status.code(), Some(0));
}

/// Something that resets connections, for a known cause.
trait Incident: Sync {
    fn namespaces(&self) -> Vec<&Namespace>;
    fn cause(&self) -> &'static str;
    /// The reset that was sent.
    fn happens(&self) -> Expected;

    /// About how long that takes.
    fn takes(&self) -> Duration {
        Duration::from_millis(200)
    }
}

struct Overflow(Host);

impl Overflow {
    fn new(ip: Ip) -> Self {
        Self(Host::alone(ip))
    }
}

impl Incident for Overflow {
    fn namespaces(&self) -> Vec<&Namespace> {
        vec![&self.0.namespace]
    }

    fn cause(&self) -> &'static str {
        "accept-queue-overflow"
    }

    fn happens(&self) -> Expected {
        let client = overflow::resets_a_client(&self.0);
        Expected::sent(&self.0.namespace, self.0.address(), client)
    }
}

struct Expiry(Service);

impl Expiry {
    fn new(ip: Ip) -> Self {
        Self(Service::new(ip, Backends::Two, Dnat::Nftables))
    }
}

impl Incident for Expiry {
    fn namespaces(&self) -> Vec<&Namespace> {
        self.0.namespaces()
    }

    fn cause(&self) -> &'static str {
        "conntrack-expired"
    }

    fn happens(&self) -> Expected {
        let client = conntrack::outlives_its_entry(&self.0, 1);
        Expected::sent(&self.0.backends[1], self.0.backend_address(1), client)
    }

    fn takes(&self) -> Duration {
        Duration::from_secs(2)
    }
}

struct Rollout(Host);

impl Rollout {
    fn new(ip: Ip) -> Self {
        Self(Host::alone(ip))
    }
}

impl Incident for Rollout {
    fn namespaces(&self) -> Vec<&Namespace> {
        vec![&self.0.namespace]
    }

    fn cause(&self) -> &'static str {
        "listener-closed"
    }

    fn happens(&self) -> Expected {
        Helper::listens(&self.0.namespace, "orders-api", self.0.address()).exits(0);
        let client = self.0.namespace.dial(self.0.address()).refused();
        Expected::sent(&self.0.namespace, self.0.address(), client)
    }
}

/// A client that is refused again and again: events for many frames.
struct Storm {
    host: Host,
    ends: AtomicBool,
}

impl Storm {
    fn new(ip: Ip) -> Self {
        Self { host: Host::alone(ip), ends: AtomicBool::new(false) }
    }

    fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            scope.spawn(|| self.rages());
            let _ends = Ends(&self.ends);
            act()
        })
    }

    fn rages(&self) {
        while !self.ends.load(Ordering::Relaxed) {
            self.host.namespace.is_refused_often(self.host.address(), 20);
            idle(Duration::from_millis(10));
        }
    }
}

/// Also when a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Moments that can be had again: `TCPWATCH_SEED` repeats a run.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = env::var("TCPWATCH_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || UNIX_EPOCH.elapsed().map_or(1, |since| u64::from(since.subsec_nanos()));
        let seed = given.unwrap_or_else(now).max(1);
        println!("\nTCPWATCH_SEED={seed}");
        Self(seed)
    }

    /// xorshift64
    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most.mul_f64(f64::from(u16::try_from(self.0 % 1_000).unwrap_or(0)) / 1_000.0)
    }
}

fn recorded(namespaces: &[&Namespace], to: &Path, options: &[&str]) -> Watch {
    let floor: &[&str] = if options.contains(&"--min-free") { &[] } else { &NO_FLOOR };
    Watch::with(namespaces, &[&["--record", text(to)], options, floor].concat())
}

/// The machine's own disk may be as full as it likes.
const NO_FLOOR: [&str; 2] = ["--min-free", "0%"];

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

fn names(folder: &Folder) -> Vec<String> {
    folder.files().into_iter().map(|(name, _)| name).collect()
}

fn listed(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).expect("our directory can be listed");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
}

fn ends_with_totals(stdout: &str) -> bool {
    stdout.lines().last().is_some_and(|line| line.contains("\"totals\""))
}
