//! Files that people take for recordings, by their first bytes.

/// What it is and what to do with it, if it begins like something else.
pub(super) fn name(first: &[u8]) -> Option<&'static str> {
    KNOWN.iter().find(|(magic, _)| first.starts_with(magic)).map(|(_, name)| *name)
}

/// Bytes that are enough to tell.
pub(super) const LONGEST: usize = 6;

#[rustfmt::skip]
const KNOWN: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "compressed with gzip. Unpack it first: gunzip -c FILE | tcpwatch replay -"),
    (b"\xfd7zXZ\0", "compressed with xz. Unpack it first: xz -dc FILE | tcpwatch replay -"),
    (b"BZh", "compressed with bzip2. Unpack it first: bzip2 -dc FILE | tcpwatch replay -"),
    (b"\x04\x22\x4d\x18", "compressed with lz4. Unpack it first: lz4 -dc FILE | tcpwatch replay -"),
    (b"PK\x03\x04", "a zip archive. Unpack it first"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng), which holds no events"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap), which holds no events"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap), which holds no events"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture (pcap), which holds no events"),
    (b"PAR1", "a Parquet file, which holds verdicts and no events"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        assert!(name(b"\x1f\x8b\x08\0\0").is_some_and(|name| name.contains("gunzip -c")));
        assert_eq!(name(b"{\"type\":\"segment\""), None);
        assert_eq!(name(b""), None);
    }

    #[test]
    fn enough_is_read_to_tell() {
        assert_eq!(KNOWN.iter().map(|(magic, _)| magic.len()).max(), Some(LONGEST));
    }
}
