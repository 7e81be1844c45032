//! The summary of a run: `tcpwatch top`.

use std::net::SocketAddr;

use harness::network::PORT;
use harness::top::{Page, tells};
use harness::{Host, Ip, Watch};

use crate::overflow;
use crate::scenario::scenarios;

scenarios! {
    both refusals_and_an_overflow_are_counted_by_cause;
    v4 text_without_a_terminal_is_nothing_but_text;
}

const REFUSED: u16 = 20;

/// A client dials a closed port twenty times, another one meets a full accept queue. Each reset is counted once, though
/// both its ends are here, and every sum of the page agrees with the account of the run.
fn refusals_and_an_overflow_are_counted_by_cause(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::top(&[&host.namespace], &["-o", "json", "--interval", "1s"]);

    refuses_and_overflows(&host);

    watch.expect_line("a page with an overflow", |line| {
        let mut causes = line["causes"].as_array().into_iter().flatten();
        line["last"] == false && causes.any(|row| row["cause"] == "accept-queue-overflow")
    });
    let page = Page::of(&watch.interrupt());
    page.has("no-listener", REFUSED.into());
    page.has("accept-queue-overflow", 1);
    page.adds_up();
}

/// The same, for people: a block of text per interval, the last one of the whole run, and no control characters.
fn text_without_a_terminal_is_nothing_but_text(ip: Ip) {
    let host = Host::alone(ip);
    let watch = Watch::top(&[&host.namespace], &["--interval", "1s"]);

    refuses_and_overflows(&host);

    watch.expect_line("a block with an overflow", |line| {
        line.as_str().is_some_and(|line| line.ends_with("  accept-queue-overflow\n"))
    });
    let said = watch.interrupt();
    let (_, last) = said.stdout.rsplit_once("tcpwatch top on ").expect("a block");
    let told = |cause, count| last.lines().any(|line| tells(line, cause, count));
    assert!(told("no-listener", REFUSED.into()) && told("accept-queue-overflow", 1), "{last}");
    assert!(last.contains("\ntotals "), "{last}");
    assert!(said.stdout.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", said.stdout);
}

fn refuses_and_overflows(host: &Host) {
    let closed = SocketAddr::new(host.address().ip(), PORT + 1);
    host.namespace.is_refused_often(closed, REFUSED);
    overflow::resets_a_client(host);
}
