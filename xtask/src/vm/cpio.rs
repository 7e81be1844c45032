//! An initramfs in cpio's "newc" form, written without root and without tools.
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

use std::collections::BTreeSet;

const DIR: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_777;
const CHAR_DEVICE: u32 = 0o020_600;

/// An archive that grows entry by entry; parent folders are made as needed.
#[derive(Clone, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    known: BTreeSet<String>,
}

#[derive(Clone, Copy)]
struct Header {
    mode: u32,
    device: (u32, u32),
}

impl Archive {
    /// A regular file at an absolute path. What is already there stays.
    pub(crate) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) {
        self.entry(path, Header::plain(FILE | permissions), content);
    }

    /// A symbolic link at `path`.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.entry(path, Header::plain(LINK), to.as_bytes());
    }

    /// A folder, for example to mount on.
    pub(crate) fn dir(&mut self, path: &str) {
        self.entry(path, Header::plain(DIR), &[]);
    }

    /// A character device.
    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.entry(path, Header { mode: CHAR_DEVICE, device: (major, minor) }, &[]);
    }

    /// Is there something at this path?
    pub(crate) fn has(&self, path: &str) -> bool {
        self.known.contains(relative(path))
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.write("TRAILER!!!", Header::plain(0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, header: Header, content: &[u8]) {
        let name = relative(path);
        if name.is_empty() || !self.known.insert(name.to_owned()) {
            return;
        }
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.dir(parent);
        }
        self.write(name, header, content);
    }

    fn write(&mut self, name: &str, header: Header, content: &[u8]) {
        let inode = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let (size, name_size) = (small(content.len()), small(name.len() + 1));
        let (major, minor) = header.device;
        let fields = [inode, header.mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

impl Header {
    fn plain(mode: u32) -> Self {
        Self { mode, device: (0, 0) }
    }
}

fn relative(path: &str) -> &str {
    path.trim_matches('/')
}

/// Sizes are 32 bits in this format; our files are far below that.
fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn one_file_is_written_byte_for_byte() {
        let mut archive = Archive::default();
        archive.file("/init", 0o755, b"hello");
        let text = String::from_utf8(archive.finish()).unwrap();
        let expected = concat!(
            "070701",
            "00000001",
            "000081ed",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000005",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000005",
            "00000000",
            "init\0",
            "\0hello\0\0\0",
        );
        // 110 bytes of header and "init\0" end at 115: one byte of padding, then the content padded to four.
        assert_eq!(&text[..124], expected);
        assert!(text[124..].contains("TRAILER!!!\0"));
    }

    #[test]
    fn parents_come_first_and_only_once() {
        let mut archive = Archive::default();
        archive.file("/usr/sbin/nft", 0o755, b"");
        archive.link("/usr/sbin/iptables", "nft");
        assert!(archive.has("/usr/sbin"));
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.find("usr\0").unwrap() < text.find("usr/sbin\0").unwrap());
        assert_eq!(text.matches("usr/sbin\0").count(), 1);
        assert_eq!(bytes.len() % 4, 0);
    }
}
