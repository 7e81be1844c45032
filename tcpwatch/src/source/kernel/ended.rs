//! Which processes have ended lately, by the numbers they had for themselves?

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use tcpwatch_common::wire;
use zerocopy::FromBytes;

use super::error::OpenError;
use super::rings::unsuitable;
use crate::event::{NetNs, Time};

/// A process that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As seen from the initial pid namespace.
    pub pid: u32,
    pub command: String,
    pub time: Time,
}

/// What the hook on `sched_process_exit` remembers; nothing while it is not attached.
pub(super) struct EndedProcesses(HashMap<MapData, Key, Value>);

/// `wire::OwnNumber`, as words.
type Key = [u32; 2];
/// `wire::Ended`, as bytes.
type Value = [u8; 32];

const _: () = assert!(size_of::<Key>() == size_of::<wire::OwnNumber>());
const _: () = assert!(size_of::<Value>() == size_of::<wire::Ended>());

impl EndedProcesses {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, OpenError> {
        let map = ebpf.take_map("ENDED");
        let map = map.ok_or_else(|| OpenError::Unsuitable("no map ENDED".to_owned()))?;
        HashMap::try_from(map).map(Self).map_err(unsuitable)
    }

    /// The last one that lived in this network namespace and had this number in its own pid namespace.
    pub(super) fn find(&self, netns: NetNs, number: u32) -> Option<Ended> {
        read(&self.0.get(&[netns.0, number], 0).ok()?)
    }
}

fn read(value: &Value) -> Option<Ended> {
    let ended = wire::Ended::read_from_bytes(value).ok()?;
    let name = ended.comm.split(|byte| *byte == 0).next().unwrap_or_default();
    let command = String::from_utf8_lossy(name).into_owned();
    Some(Ended { pid: ended.pid, command, time: Time(ended.time) })
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    #[test]
    fn a_value_is_read_as_the_hook_wrote_it() {
        let comm = *b"conntrack\0\0\0\0\0\0\0";
        let value = wire::Ended { time: 7, pid: 42, pad: 0, comm };
        let ended = read(value.as_bytes().try_into().unwrap()).unwrap();
        assert_eq!(ended, Ended { pid: 42, command: "conntrack".into(), time: Time(7) });
    }
}
