//! The verbs, one per file.

mod anonymize;
mod causes;
#[cfg(feature = "live")]
mod doctor;
mod export;
#[cfg(feature = "live")]
mod demo;
#[cfg(feature = "live")]
mod netns;
mod new_file;
mod place;
#[cfg(feature = "live")]
mod ready;
#[cfg(feature = "live")]
mod record;
mod replay;
#[cfg(feature = "live")]
mod rst;
#[cfg(feature = "live")]
mod signals;
mod stdout;
#[cfg(feature = "live")]
mod top;
#[cfg(feature = "live")]
mod urgent;
mod view;
#[cfg(feature = "live")]
mod watch;
mod why;

use crate::cli::{Cli, Command};

/// Does what was asked for.
pub fn run(cli: &Cli) -> anyhow::Result<()> {
    let verbose = cli.verbose > 0;
    match &cli.command {
        #[cfg(feature = "live")]
        Command::Rst(args) => rst::run(args, verbose),
        #[cfg(feature = "live")]
        Command::Top(args) => top::run(args, verbose),
        #[cfg(feature = "live")]
        Command::Record(args) => record::run(args, verbose),
        #[cfg(feature = "live")]
        Command::Doctor(args) => doctor::run(args),
        #[cfg(feature = "live")]
        Command::Demo(args) => demo::run(args, verbose),
        #[cfg(feature = "live")]
        Command::DemoActor(args) => crate::demo::play(&args.name, args.within),
        #[cfg(not(feature = "live"))]
        Command::Rst(_)
        | Command::Top(_)
        | Command::Record(_)
        | Command::Doctor(_)
        | Command::Demo(_)
        | Command::DemoActor(_) => {
            anyhow::bail!(
                "this tcpwatch was built without support for watching a kernel. Build it on Linux, with the feature `live`"
            )
        }
        Command::Anonymize(args) => anonymize::run(args),
        Command::Replay(args) => replay::run(args, verbose),
        Command::Export(args) => export::run(args),
        Command::Causes(args) => causes::run(args),
        Command::Why(args) => why::run(args, verbose),
    }
}

/// All that was asked for was done and said; the answer is no.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a gate was not met")]
pub struct GateNotMet;

const CANNOT_WRITE: &str = "cannot write the output. Make room, or send it elsewhere";
