//! What a writer that died has left: cut to its last whole frame, and given its name.

use std::fs::File;
use std::io;

use super::directory::Directory;
use super::frames::{whole_frames, whole_lines};
use super::name::{self, part};
use super::part::try_lock;

/// What was found under a temporary name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing to repair: its writer is at work, or has just finished.
    Nothing,
    /// It has its name now. So many bytes of an incomplete frame were cut off.
    Repaired { cut: u64 },
    /// Nothing in it was whole; it is gone.
    Empty,
}

/// All that dead writers left in a directory of segments; a word for each. What cannot be repaired stays as it is.
pub(super) fn repair_all(directory: &Directory) -> io::Result<()> {
    for file in directory.files()? {
        let Some(name) = name::unfinished(&file.name).filter(|name| name::age(name).is_some())
        else {
            continue;
        };
        tell(directory, name, repair(directory, name, true));
    }
    Ok(())
}

fn tell(directory: &Directory, name: &str, found: io::Result<Found>) {
    let path = directory.path_of(&part(name));
    let path = path.display();
    match found {
        Ok(Found::Nothing) => {}
        Ok(Found::Repaired { cut }) => log::warn!(
            "{path}: its writer died. It is called {name} now, without {cut} bytes of an incomplete frame"
        ),
        Ok(Found::Empty) => {
            log::warn!("{path}: its writer died before it had written anything; removed");
        }
        Err(error) => {
            log::warn!("{path}: its writer may have died, but it stays as it is: {error}");
        }
    }
}

/// What is left of the file that is to be called `name`.
pub(super) fn repair(directory: &Directory, name: &str, compressed: bool) -> io::Result<Found> {
    let part = part(name);
    let mut file = match directory.open_ours(&part) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        file => file?,
    };
    // It may have been finished before we had the lock.
    if !try_lock(&file)? || !directory.names(&part, &file)? {
        return Ok(Found::Nothing);
    }
    let whole = if compressed { whole_frames(&mut file) } else { whole_lines(&mut file) }?;
    if whole == 0 {
        directory.remove(&part)?;
        return Ok(Found::Empty);
    }
    let cut = cut_to(&file, whole)?;
    directory.rename(&part, name)?;
    Ok(Found::Repaired { cut })
}

fn cut_to(file: &File, whole: u64) -> io::Result<u64> {
    let cut = file.metadata()?.len() - whole;
    if cut > 0 {
        file.set_len(whole)?;
        file.sync_all()?;
    }
    Ok(cut)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;

    use super::*;
    use crate::recording::part::Part;
    use crate::recording::samples::Folder;

    const NAME: &str = "web-20261121T120431Z-5f3a9c01-00000.tcpw.jsonl.zst";

    fn frame() -> Vec<u8> {
        zstd::bulk::compress(b"a line\n", 1).unwrap()
    }

    fn directory(folder: &Folder) -> Arc<Directory> {
        Arc::new(Directory::of_segments(folder.path()).unwrap())
    }

    #[test]
    fn a_dead_writer_s_file_keeps_its_whole_frames() {
        let (folder, frame) = (Folder::new(), frame());
        let torn = [&*frame, &frame[..frame.len() - 1]].concat();
        fs::write(folder.path().join(part(NAME)), torn).unwrap();
        let found = repair(&directory(&folder), NAME, true).unwrap();
        assert_eq!(found, Found::Repaired { cut: frame.len() as u64 - 1 });
        assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), frame);
        assert_eq!(folder.names(), [NAME]);
    }

    #[test]
    fn one_without_a_whole_frame_goes() {
        let folder = Folder::new();
        fs::write(folder.path().join(part(NAME)), &frame()[..5]).unwrap();
        assert_eq!(repair(&directory(&folder), NAME, true).unwrap(), Found::Empty);
        assert_eq!(folder.names(), [""; 0]);
    }

    #[test]
    fn a_living_writer_is_left_alone() {
        let (folder, frame) = (Folder::new(), frame());
        let directory = directory(&folder);
        let mut part = Part::create(&directory, NAME).unwrap();
        part.write(&frame).unwrap();
        assert_eq!(repair(&directory, NAME, true).unwrap(), Found::Nothing);
        part.write(&frame).unwrap();
        part.finish().unwrap();
        assert_eq!(fs::read(folder.path().join(NAME)).unwrap(), frame.repeat(2));
    }

    #[test]
    fn only_segments_of_ours_are_repaired_and_nothing_behind_a_link() {
        let (folder, victim) = (Folder::new(), Folder::new());
        let others = ["notes.part", "incident.tcpw.jsonl.zst.part"];
        for name in others {
            fs::write(folder.path().join(name), "not ours").unwrap();
        }
        fs::write(victim.path().join("file"), "precious").unwrap();
        symlink(victim.path().join("file"), folder.path().join(part(NAME))).unwrap();
        repair_all(&directory(&folder)).unwrap();
        assert_eq!(folder.names(), [others[1], others[0], &part(NAME)]);
        assert_eq!(fs::read(victim.path().join("file")).unwrap(), b"precious");
        assert!(repair(&directory(&folder), NAME, true).is_err());
    }

    #[test]
    fn a_plain_file_is_cut_to_its_last_line() {
        let folder = Folder::new();
        fs::write(folder.path().join("x.jsonl.part"), "one\ntw").unwrap();
        let found = repair(&directory(&folder), "x.jsonl", false).unwrap();
        assert_eq!(found, Found::Repaired { cut: 2 });
        assert_eq!(fs::read(folder.path().join("x.jsonl")).unwrap(), b"one\n");
    }
}
