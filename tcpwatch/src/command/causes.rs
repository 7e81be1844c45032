//! `tcpwatch causes`: what tcpwatch can name, and what there is to know of it.

use std::io::{self, Write};

use anyhow::Context;

use super::CANNOT_WRITE;
use super::stdout::Stdout;
use super::view::WIDTH;
use crate::cli::{Causes, Output};
use crate::explain::cause::Cause;
use crate::explain::page::Entry;
use crate::sink::{Paint, json_line, page};

pub(super) fn run(args: &Causes) -> anyhow::Result<()> {
    let mut to = Stdout::open()?;
    let width = to.columns().unwrap_or(WIDTH);
    let text = match args.output {
        Output::Text => text(args, Paint::for_output(&io::stdout()), width),
        Output::Json => wanted(args).map(|entry| json_line(&page::object(entry))).collect(),
    };
    to.write_all(text.as_bytes()).context(CANNOT_WRITE)
}

fn text(args: &Causes, paint: Paint, width: usize) -> String {
    match args.code {
        None => page::list(paint, width),
        Some(_) => wanted(args).map(|entry| page::page(entry, paint, width)).collect(),
    }
}

fn wanted(args: &Causes) -> impl Iterator<Item = &'static Entry> {
    let code = args.code.clone();
    Cause::ENTRIES.iter().filter(move |entry| code.as_deref().is_none_or(|code| code == entry.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(code: Option<&str>) -> Causes {
        Causes { code: code.map(Into::into), output: Output::Text }
    }

    #[test]
    fn without_a_code_all_are_listed_and_with_one_it_has_its_page() {
        assert!(text(&asked(None), Paint::PLAIN, 100).contains("\n  no-listener "));
        let page = text(&asked(Some("no-listener")), Paint::PLAIN, 100);
        assert!(
            page.starts_with("no-listener: nothing listens on that address and port\n"),
            "{page}"
        );
        assert_eq!(wanted(&asked(None)).count(), Cause::ENTRIES.len());
    }
}
