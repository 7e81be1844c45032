//! What does TCP take of this host?

use std::fs;

use crate::doctor::TcpMemory;

/// Counted for the whole host, whichever namespace asks (net/ipv4/proc.c, `sockstat_seq_show`).
pub fn read() -> Option<TcpMemory> {
    parse(&fs::read_to_string("/proc/thread-self/net/sockstat").ok()?)
}

/// `TCP: inuse 5 orphan 0 tw 3 alloc 8 mem 2`.
fn parse(text: &str) -> Option<TcpMemory> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let number = |name| {
        let mut words = line.split_whitespace().skip_while(|word| *word != name);
        words.nth(1)?.parse().ok()
    };
    Some(TcpMemory { orphans: number("orphan")?, pages: number("mem")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        let text =
            "sockets: used 30\nTCP: inuse 1 orphan 4 tw 0 alloc 1 mem 160\nUDP: inuse 0 mem 9\n";
        assert_eq!(parse(text), Some(TcpMemory { orphans: 4, pages: 160 }));
    }

    #[test]
    fn what_is_missing_is_no_number() {
        assert_eq!(parse("UDP: inuse 0 mem 9\n"), None);
        assert_eq!(parse("TCP: inuse 1 orphan\n"), None);
    }

    #[test]
    fn this_kernel_tells() {
        assert!(read().is_some());
    }
}
