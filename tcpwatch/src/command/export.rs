//! `tcpwatch export`: what recordings explain, for other programs.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, bail};

use super::new_file;
use super::replay::{filter, play};
use super::stdout::Stdout;
use crate::cli::{Export, Format};
use crate::recording::Stream;
use crate::session::Session;
use crate::sink::{Account, Csv, Json, Pcapng, Sink};

pub(super) fn run(args: &Export) -> anyhow::Result<()> {
    args.inputs.iter().try_for_each(|input| is_there(input))?;
    let stream = Stream::open(&args.inputs);
    let filter = filter(&args.wanted, &args.times, &stream)?;
    let sinks: Vec<Box<dyn Sink>> = vec![sink(args)?, Box::new(Account::new(io::stderr()))];
    play(stream, Session::new(filter, None, sinks))
}

/// Asked before anything is written, so that a slip of the pen leaves no file behind.
fn is_there(input: &Path) -> anyhow::Result<()> {
    if input != Path::new(STREAM) {
        fs::metadata(input).with_context(|| format!("cannot read {}", input.display()))?;
    }
    Ok(())
}

fn sink(args: &Export) -> anyhow::Result<Box<dyn Sink>> {
    match args.to {
        Format::Pcapng => Ok(Box::new(Pcapng::new(output(args)?))),
        Format::Json => Ok(Box::new(Json::new(output(args)?))),
        Format::Csv => Ok(Box::new(Csv::new(output(args)?))),
        Format::Parquet => parquet(args),
    }
}

#[cfg(feature = "parquet")]
fn parquet(args: &Export) -> anyhow::Result<Box<dyn Sink>> {
    Ok(Box::new(crate::sink::Parquet::new(output(args)?)?))
}

#[cfg(not(feature = "parquet"))]
fn parquet(_args: &Export) -> anyhow::Result<Box<dyn Sink>> {
    bail!(
        "this tcpwatch was built without Parquet. Build it with the feature `parquet`, or take --to csv"
    )
}

fn output(args: &Export) -> anyhow::Result<Box<dyn Write + Send>> {
    if let Some(path) = args.out.as_deref().filter(|path| *path != Path::new(STREAM)) {
        return Ok(Box::new(new_file::create(path)?));
    }
    let stdout = Stdout::open()?;
    if is_binary(args.to) && stdout.is_terminal() {
        bail!("this format is not for terminals. Give a file with --out, or send it to a pipe")
    }
    Ok(Box::new(stdout))
}

fn is_binary(format: Format) -> bool {
    match format {
        Format::Pcapng | Format::Parquet => true,
        Format::Json | Format::Csv => false,
    }
}

/// Stdin or stdout in place of a file.
const STREAM: &str = "-";
