/// What one processor could not deliver since the start, by record kind (index = [`super::kind`]).
///
/// One map entry, so that one system call reads them all.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Losses {
    /// The ring buffer was full.
    pub ring: [u64; LOSS_SLOTS],
    /// The hook could not read what it needs.
    pub unreadable: [u64; LOSS_SLOTS],
}

/// One slot per record kind, rounded up to a power of two so that an index is made safe by a mask.
pub const LOSS_SLOTS: usize = 16;

const _: () = assert!(size_of::<Losses>() == 256);
