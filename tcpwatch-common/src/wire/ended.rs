/// A process as netlink numbers it: the first socket of a process has the number of the process for its port.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct OwnNumber {
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Thread group id as the process itself sees it, in its own pid namespace.
    pub pid: u32,
}

/// A process that has ended (`sched_process_exit`). Not a record of the rings: the value of a map, to be looked up.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Ended {
    /// Nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub time: u64,
    /// Thread group id as seen from the initial pid namespace.
    pub pid: u32,
    pub pad: u32,
    /// NUL-padded.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<OwnNumber>() == 8);
const _: () = assert!(size_of::<Ended>() == 32);
