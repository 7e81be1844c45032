//! What `tcpwatch top` has said, as text or as JSON. The names of its fields and the order of its columns are known here only.

use serde_json::Value;

use crate::watch::Said;

/// The last page of a run.
pub struct Page {
    last: Value,
    totals: Value,
    story: String,
}

impl Page {
    /// It must have ended well, with page and account.
    pub fn of(said: &Said) -> Self {
        let story = format!("{}\n{}", said.stdout, said.stderr.join("\n"));
        assert!(said.status.success(), "tcpwatch top ended with {}\n{story}", said.status);
        let mut lines = said.stdout.lines().rev().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}\n{story}"))
        });
        let (totals, page): (Option<Value>, Option<Value>) = (lines.next(), lines.next());
        let (totals, page) = totals.zip(page).expect("a page and the totals");
        assert_eq!((&page["last"], &totals["type"]), (&true.into(), &"totals".into()), "{story}");
        Self { last: page, totals, story }
    }

    /// So many resets of this cause.
    pub fn has(&self, cause: &str, count: u64) {
        let causes = self.last["causes"].as_array();
        let row = causes.and_then(|causes| causes.iter().find(|row| row["cause"] == cause));
        let found = row.map_or(0, since_start);
        assert_eq!(found, count, "resets of {cause}\n{}", self.story);
    }

    /// Symptoms, causes and pairs add up to the resets, and with their other ends to all verdicts that were shown.
    pub fn adds_up(&self) {
        let resets = since_start(&self.last["resets"]);
        for name in ["symptoms", "causes"] {
            assert_eq!(self.sum(name), resets, "{name}\n{}", self.story);
        }
        let pairs = self.sum("pairs") + since_start(&self.last["other_pairs"]);
        assert_eq!(pairs, resets, "pairs\n{}", self.story);
        let total = |name: &str| self.totals[name].as_u64().expect("a number in the totals");
        let shown = total("explained") + total("unexplained") - total("hidden");
        let told = resets + since_start(&self.last["other_ends"]);
        assert_eq!(told, shown, "verdicts\n{}", self.story);
    }

    fn sum(&self, name: &str) -> u64 {
        self.last[name].as_array().into_iter().flatten().map(since_start).sum()
    }
}

fn since_start(row: &Value) -> u64 {
    row["since_start"]["count"].as_u64().unwrap_or_else(|| panic!("no count in {row}"))
}

/// A line of text tells of so many resets of this cause.
pub fn tells(line: &str, cause: &str, count: u64) -> bool {
    let columns: Vec<_> = line.split_whitespace().collect();
    matches!(columns[..], [_, _, _, counted, named] if counted == count.to_string() && named == cause)
}
