/// The task that was running. It is the doer only where the hook runs in process context; a reply made in
/// softirq is stamped with whoever was interrupted, so readers decide by call site.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(
    feature = "decode",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Task {
    /// Thread group id, what users call the pid (as seen from the initial pid namespace).
    pub pid: u32,
    /// `task_struct.flags`; `PF_EXITING` = 0x4 (include/linux/sched.h).
    pub flags: u32,
    /// `task_struct.exit_code`: low 7 bits = signal, next byte = exit status; meaningful while exiting.
    pub exit_code: i32,
    pub uid: u32,
    /// NUL-padded.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<Task>() == 32);
