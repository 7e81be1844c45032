//! `tcpwatch demo`: makes an incident, and explains it.

use std::io::{self, BufRead, BufReader, PipeReader};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, bail};
use tokio::sync::Notify;

use super::ready::Ready;
use super::stdout::Stdout;
use super::{record, signals, view, watch};
use crate::cli::{Demo, Incident, Output, View};
use crate::demo::{self, Act, Heard, Listener, Log, Named, Script, Stage};
use crate::filter::{Filter, Namespace};
use crate::session::Session;
use crate::source;

pub(super) fn run(args: &Demo, verbose: bool) -> anyhow::Result<()> {
    let script = script(args.incident);
    let recorder = args
        .recording
        .record
        .as_deref()
        .map(|to| record::recorder(to, &args.recording.how))
        .transpose()?;
    let stop = signals::stop_requested()?;
    let mut log = Log::new(Stdout::open()?);
    let (stage, act) = script.set(&mut log)?;
    let (curtain, ready) = curtain()?;
    let heard = Heard::default();
    let outcome = perform(script, act, log, heard.listener(), curtain, Arc::clone(&stop))?;
    let session = session(&stage, heard, verbose)?.recorded_by(recorder);
    let options = source::Options { btf: args.btf.clone(), ..source::Options::default() };
    let open = || Ok(Named::boxed(source::open(&options)?, stage.names()));
    watch::run_on(open, session, None, ready, &stop)?;
    outcome.try_recv().map_or_else(|_| interrupted(script), |ended| ended.result)
}

fn script(incident: Incident) -> Script {
    match incident {
        Incident::Conntrack => demo::CONNTRACK,
        Incident::Overflow => demo::OVERFLOW,
        Incident::Rollout => demo::ROLLOUT,
    }
}

/// What tells that every hook is live, and the end where it is heard.
fn curtain() -> anyhow::Result<(PipeReader, Ready)> {
    let (curtain, ready) = io::pipe()?;
    Ok((curtain, Ready::new(Some(ready.as_raw_fd()))?))
}

/// What `rst --explain` would say of the demo's namespaces.
fn session(stage: &Stage, heard: Heard, verbose: bool) -> io::Result<Session> {
    let netns = stage.names().into_keys().map(Namespace::Inode).collect();
    let filter = Filter { netns, ..Filter::default() };
    let mut sinks = view::sinks(View { explain: true, output: Output::Text }, verbose)?;
    sinks.push(Box::new(heard));
    Ok(Session::new(filter, None, sinks))
}

/// The act is kept until the watch has ended: to dismiss those who play in it would be an incident of its own.
struct Ended {
    result: anyhow::Result<()>,
    _act: Act,
}

/// Plays on a thread of its own as soon as the hooks are live, and ends the watch when it is over.
fn perform(
    script: Script,
    mut act: Act,
    mut log: Log,
    heard: Listener,
    curtain: PipeReader,
    stop: Arc<Notify>,
) -> anyhow::Result<Receiver<Ended>> {
    let (tell, outcome) = mpsc::channel();
    let play = move || {
        if is_raised(curtain) {
            let result = script.perform(&mut act, &mut log, &heard);
            // Nobody asks any more when the user has ended it.
            _ = tell.send(Ended { result, _act: act });
            stop.notify_one();
        }
    };
    let thread = thread::Builder::new().name("director".into()).spawn(play);
    thread.context("cannot start the thread that leads the demo")?;
    Ok(outcome)
}

/// False when the watch ended before it was ready.
fn is_raised(curtain: PipeReader) -> bool {
    BufReader::new(curtain).read_line(&mut String::new()).is_ok_and(|said| said > 0)
}

fn interrupted(script: Script) -> anyhow::Result<()> {
    let causes: Vec<_> = script.causes().collect();
    bail!(
        "interrupted before the demo could show {}. Nothing of it is left; run it again",
        causes.join(", ")
    )
}
