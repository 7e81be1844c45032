use tcpwatch_common::wire::{self, DeviceName, LINK_LAYER};

use super::{Malformed, flow::flow, segment::segment};
use crate::event::{FilterHook, NetNs, PacketId, PacketRejected, Time};

pub(super) fn decode(record: &wire::PacketRejected) -> Result<PacketRejected, Malformed> {
    let hook = hook(record.hook);
    let arrived = hook != FilterHook::Output;
    let leaves = matches!(hook, FilterHook::Forward | FilterHook::Output);
    Ok(PacketRejected {
        time: Time(record.header.time),
        netns: NetNs(record.header.netns),
        hook,
        flow: flow(&record.flow)?,
        segment: segment(&record.segment),
        packet: PacketId(record.segment.packet),
        input: device(record.input).filter(|_| arrived),
        output: device(record.output).filter(|_| leaves),
    })
}

fn hook(number: u8) -> FilterHook {
    if number == LINK_LAYER { FilterHook::LinkLayer } else { FilterHook::from_kernel(number) }
}

fn device(name: DeviceName) -> Option<String> {
    let bytes: Vec<u8> = name.into_iter().flat_map(u32::to_ne_bytes).collect();
    let name = bytes.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())?;
    Some(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_forwarded_packet_has_two_devices() {
        let rejected = decode(&sample::packet_rejected()).unwrap();
        assert_eq!(rejected.hook, FilterHook::Forward);
        assert_eq!(rejected.input.as_deref(), Some("eth0"));
        assert_eq!(rejected.output.as_deref(), Some("a-device-of-15-"));
        assert_eq!(rejected.flow.remote.to_string(), "10.0.0.2:50000");
        assert_eq!(rejected.rst_seq(), 200);
    }

    #[test]
    fn the_route_of_a_packet_to_this_namespace_is_no_way_out() {
        let mut record = sample::packet_rejected();
        record.hook = 1;
        let rejected = decode(&record).unwrap();
        assert_eq!((rejected.hook, rejected.output), (FilterHook::Input, None));
        assert!(rejected.input.is_some());
    }

    #[test]
    fn a_packet_of_this_namespace_came_in_by_no_device() {
        let mut record = sample::packet_rejected();
        record.hook = 3;
        let rejected = decode(&record).unwrap();
        assert_eq!((rejected.hook, rejected.input), (FilterHook::Output, None));
        assert!(rejected.output.is_some());
    }

    #[test]
    fn hooks_of_bridges_have_no_number_of_ours() {
        assert_eq!(hook(0xff), FilterHook::LinkLayer);
        assert_eq!(hook(77), FilterHook::Unknown);
        assert_eq!(device([0; 4]), None);
    }
}
