//! `tcpwatch anonymize`: copies recordings without their addresses and names.

use std::path::Path;

use anyhow::bail;

use super::{new_file, place};
use crate::cli::{Anonymize, Secret};
use crate::recording::{Anonymizer, Level, Recorder, Stream, Told};
use crate::sink::Clean;

pub(super) fn run(args: &Anonymize) -> anyhow::Result<()> {
    let place = place::of(&args.to, &args.keeping)?;
    let anonymizer = anonymizer(args.level, args.mapping.as_deref())?;
    let mut recorder = Recorder::patient(place)?.anonymized_by(Some(anonymizer));
    let mut stream = Stream::open(&args.inputs).host_by_host();
    while let Some(told) = stream.next_told()
        && !recorder.has_stopped()
    {
        match told {
            Told::Event(_, event) => recorder.record(&event),
            Told::Ended(_) => {}
            Told::Note(note) => log::warn!("{}", Clean(&note)),
        }
    }
    recorder.finish(stream.account())?;
    if stream.failed() > 0 {
        bail!("not all of the input could be read; see above. What could be read was copied");
    }
    Ok(())
}

/// With a key that nobody gets to know.
pub(super) fn anonymizer(level: Secret, mapping: Option<&Path>) -> anyhow::Result<Anonymizer> {
    let level = match level {
        Secret::All => Level::All,
        Secret::Public => Level::Public,
    };
    Anonymizer::new(level, mapping.map(new_file::create).transpose()?)
}
