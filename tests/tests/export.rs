//! What `tcpwatch export` writes, read by the programs it is written for. A program that is missing fails the test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};
use tcpwatch::cli::Cli;
use tcpwatch::command;

#[test]
fn tshark_finds_a_reset_by_its_explanation() {
    let file = Exported::to("pcapng", &[]);
    let found =
        tshark(&file, "frame.comment contains \"conntrack-expired\"", &["frame.number", "ip.src"]);
    assert_eq!(found, ["1\t10.0.0.1", "2\t10.96.0.1"]);
    let amended = tshark(&file, "frame.comment contains \"not-yet-listening\"", &["tcp.srcport"]);
    assert_eq!(amended, ["81"]);
}

#[test]
fn tshark_sees_the_headers_of_each_reset() {
    let file = Exported::to("pcapng", &[]);
    let fields =
        ["ip.src", "ipv6.src", "ip.dst", "tcp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw"];
    let expected = [
        "10.0.0.1\t\t10.0.0.9\t40000\t0x0004\t1000\t0",
        "10.96.0.1\t\t10.0.0.9\t40000\t0x0004\t1000\t0",
        "10.0.0.1\t\t10.0.0.9\t40001\t0x0004\t1000\t0",
        "\tfd00::1\t\t40002\t0x0004\t1000\t0",
        "10.0.0.1\t\t10.0.0.9\t40003\t0x0014\t7\t9",
        "192.0.2.1\t\t10.0.0.9\t40004\t0x0004\t5\t0",
        "10.0.0.1\t\t10.0.0.9\t40005\t0x0014\t0\t2",
    ];
    assert_eq!(tshark(&file, "tcp.flags.reset == 1", &fields), expected);
}

#[test]
fn tshark_sees_namespaces_and_directions() {
    let file = Exported::to("pcapng", &["--port", "40000"]);
    let fields = ["frame.interface_name", "frame.packet_flags_direction", "frame.packet_id"];
    let expected = ["shop\t0x00000002\t1", "net:[4026532202]\t0x00000001\t1"];
    assert_eq!(tshark(&file, "frame", &fields), expected);
}

#[test]
fn tshark_sees_nanoseconds() {
    let file = Exported::to("pcapng", &[]);
    let at = |time| tshark(&file, &format!("frame.time == \"{time}\""), &["frame.number"]);
    assert_eq!(at("2023-11-14T22:14:20.123456789Z"), ["1"]);
    assert_eq!(at("2023-11-14T22:14:20.123456788Z"), [""; 0]);
}

#[test]
fn tshark_has_nothing_to_complain_about() {
    let file = Exported::to("pcapng", &[]);
    assert_eq!(tshark(&file, "_ws.malformed", &["frame.number"]), [""; 0]);
    let bad = "tcp.checksum.status != \"Good\" || (ip && ip.checksum.status != \"Good\")";
    assert_eq!(tshark(&file, bad, &["frame.number"]), [""; 0]);
    let good = "tcp.checksum.status == \"Good\"";
    assert_eq!(tshark(&file, good, &["frame.number"]).len(), RESETS);
}

#[test]
fn duckdb_reads_the_csv() {
    let file = Exported::to("csv", &[]);
    // Left alone it would take the times for microseconds.
    let table = format!("read_csv('{file}', types = {{'time': 'VARCHAR'}})");
    let of = |query: &str| duckdb(&query.replace("FILE", &table));
    let kinds = "SELECT type, count(*) FROM FILE GROUP BY type ORDER BY type";
    assert_eq!(of(kinds), json!([["amendment", 1], ["lost", 1], ["verdict", RESETS]]));
    let query = "SELECT id, host, namespace, local_addr, local_port, time FROM FILE \
                 WHERE cause = 'conntrack-expired' ORDER BY id";
    let expected = json!([
        [1, "node1", "shop", "10.0.0.1", 80, "2023-11-14T22:14:20.123456789Z"],
        [2, "node1", null, "10.0.0.9", 40000, "2023-11-14T22:14:20.124456789Z"],
    ]);
    assert_eq!(of(query), expected);
    let span = "SELECT max(time::TIMESTAMP) - min(time::TIMESTAMP) < INTERVAL 1 SECOND FROM FILE WHERE type = 'verdict'";
    assert_eq!(of(span), json!([[true]]));
    let computed = "SELECT owner_command FROM FILE WHERE mechanism = 'close-with-linger-zero'";
    assert_eq!(of(computed), json!([["'=1+1"]]), "a spreadsheet would compute it");
}

#[cfg(feature = "parquet")]
#[test]
fn duckdb_reads_the_parquet() {
    let file = Exported::to("parquet", &[]);
    let of = |query: &str| duckdb(&query.replace("FILE", &format!("'{file}'")));
    let kinds = "SELECT type, count(*) FROM FILE GROUP BY type ORDER BY type";
    assert_eq!(of(kinds), json!([["amendment", 1], ["lost", 1], ["verdict", RESETS]]));
    let types = "SELECT typeof(ts), typeof(ts_ns), typeof(id), typeof(local_port), typeof(cause) FROM FILE LIMIT 1";
    let expected = json!([["TIMESTAMP WITH TIME ZONE", "BIGINT", "BIGINT", "BIGINT", "VARCHAR"]]);
    assert_eq!(of(types), expected);
    let query = "SELECT epoch_us(ts), ts_ns, netns, service_addr, cause, evidence->>'$[1].time', \
                 json_array_length(evidence) > 3 FROM FILE WHERE id = 1";
    let expected = json!([[
        1_700_000_060_123_456_u64,
        1_700_000_060_123_456_789_u64,
        4_026_532_201_u64,
        "10.96.0.1",
        "conntrack-expired",
        "2023-11-14T22:13:20.123456789Z",
        true,
    ]]);
    assert_eq!(of(query), expected);
    let unknown = "SELECT count(*) FROM FILE WHERE type = 'verdict' AND cause IS NULL AND missing IS NOT NULL";
    assert_eq!(of(unknown), json!([[2]]));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_the_feature_there_is_no_parquet_and_no_file() {
    let path = unused("parquet");
    let error = export("parquet", &path, &[]).unwrap_err().to_string();
    assert!(error.contains("Build it with the feature `parquet`"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_span_is_exported_to_the_nanosecond() {
    const FIRST: &str = "2023-11-14T22:14:20.123456789Z";
    const NEXT: &str = "2023-11-14T22:14:20.123456790Z";
    let since = |time| verdicts(&["--since", time]);
    let until = |time| verdicts(&["--until", time]);
    assert_eq!((since(FIRST).len(), until(FIRST)), (RESETS, vec![1]));
    assert_eq!((since(NEXT).len(), since(NEXT)[0]), (RESETS - 1, 2));
    assert_eq!(verdicts(&["--since", FIRST, "--until", FIRST]), [1]);
}

#[test]
fn a_span_that_ends_before_it_begins_leaves_no_file_behind() {
    let path = unused("csv");
    let span = ["--since", "2023-11-14T23:00:00Z", "--until", "2023-11-14T22:00:00Z"];
    let error = export("csv", &path, &span).unwrap_err().to_string();
    assert!(error.contains("--since lies after --until") && !path.exists(), "{error}");
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let file = Exported::to("csv", &[]);
    let before = fs::read(&file.path).unwrap();
    let error = export("csv", &file.path, &[]).unwrap_err().to_string();
    assert!(error.contains("Give the name of a file that is not there"), "{error}");
    assert_eq!(fs::read(&file.path).unwrap(), before);
}

#[test]
fn nobody_else_may_read_it() {
    let file = Exported::to("json", &[]);
    let mode = fs::metadata(&file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_slip_of_the_pen_leaves_no_file_behind() {
    let path = unused("csv");
    let out = path.to_str().expect("a path of ours");
    let words = ["tcpwatch", "export", "no-such-recording", "--to", "csv", "--out", out];
    let error = command::run(&Cli::try_from_words(words).unwrap()).unwrap_err().to_string();
    assert!(error.contains("cannot read no-such-recording"), "{error}");
    assert!(!path.exists());
}

/// Numbers of the resets that the filters let through.
fn verdicts(filters: &[&str]) -> Vec<u64> {
    let text = fs::read_to_string(&Exported::to("json", filters).path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let verdicts = lines.filter(|line: &Value| line["type"] == "verdict");
    verdicts.map(|verdict| verdict["id"].as_u64().expect("a number")).collect()
}

/// Resets in the recording.
const RESETS: usize = 7;

/// A file that goes when the test ends.
struct Exported {
    path: PathBuf,
}

impl Exported {
    /// The recording in this format, as far as the filters let it through.
    fn to(format: &str, filters: &[&str]) -> Self {
        let path = unused(format);
        export(format, &path, filters).unwrap_or_else(|error| panic!("{error:#}"));
        Self { path }
    }
}

/// A name that only this test uses.
fn unused(ending: &str) -> PathBuf {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    env::temp_dir().join(format!("tcpwatch-{test}-{}.{ending}", std::process::id()))
}

impl Drop for Exported {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.path);
    }
}

impl std::fmt::Display for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.display().fmt(f)
    }
}

/// The recording is made of stories: a translation that was lost, seen at both ends of the reset; stray segments, one
/// to a mapped address; a socket closed with linger zero by a process of an evil name; a reset from elsewhere; and a
/// port that opened three seconds after it was dialled.
fn export(format: &str, to: &Path, filters: &[&str]) -> anyhow::Result<()> {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("export/incident.jsonl");
    let mut words: Vec<_> = ["tcpwatch", "export", "--to", format].map(Into::into).into();
    words.extend([recording.into_os_string(), "--out".into(), to.into()]);
    words.extend(filters.iter().map(Into::into));
    command::run(&Cli::try_from_words(words)?)
}

/// Fields of the packets a filter finds, a line each.
fn tshark(file: &Exported, filter: &str, fields: &[&str]) -> Vec<String> {
    let mut tshark = Command::new("tshark");
    tshark.args(["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]);
    tshark.arg("-r").arg(&file.path).args(["-Y", filter, "-T", "fields"]);
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    said(&mut tshark).lines().map(str::to_owned).collect()
}

/// The rows a query gives.
fn duckdb(query: &str) -> Value {
    const SCRIPT: &str =
        "import duckdb, json, sys; print(json.dumps(duckdb.sql(sys.argv[1]).fetchall()))";
    // This test lies in TARGET/PROFILE/deps; setup puts Python beside the profiles.
    let test = env::current_exe().expect("a test knows where it is");
    let target = test.ancestors().nth(3).expect("cargo puts tests three folders deep");
    let said = said(Command::new(target.join("python/bin/python")).args(["-c", SCRIPT, query]));
    serde_json::from_str(&said).expect("JSON, as told to write")
}

fn said(command: &mut Command) -> String {
    let program = command.get_program().display().to_string();
    let output = command.output().unwrap_or_else(|error| {
        panic!("{program} cannot be started: {error}. `cargo xtask setup` installs it")
    });
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} failed: {complaint}\n`cargo xtask setup` installs what it needs"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
