//! How is one field loaded? Directly where the verifier knows the pointer's type, through a helper elsewhere.

use core::marker::PhantomData;

use aya_ebpf::helpers::bpf_probe_read_kernel;

/// A way of loading from kernel memory.
pub(crate) trait Read: Copy {
    /// # Safety
    ///
    /// `at` points into a kernel object; if it does not, the load fails or gives zero, and harms nothing.
    unsafe fn read<T: Copy>(at: *const T) -> Option<T>;
}

/// Plain loads: for pointers with a BTF type (fentry, BTF tracepoints), within that type. Half a nanosecond.
/// A bad address gives 0: the kernel's exception table catches the fault.
#[derive(Clone, Copy)]
pub(crate) struct Direct;

/// `bpf_probe_read_kernel`: for any address. Thirty nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Probe;

impl Read for Direct {
    #[inline(always)]
    unsafe fn read<T: Copy>(at: *const T) -> Option<T> {
        // SAFETY: the verifier accepts the load only inside the pointer's type.
        Some(unsafe { at.read_volatile() })
    }
}

impl Read for Probe {
    #[inline(always)]
    unsafe fn read<T: Copy>(at: *const T) -> Option<T> {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(at) }.ok()
    }
}

/// A kernel object: an address that is not null, and how to load from it.
#[derive(Clone, Copy)]
pub(crate) struct Memory<R> {
    at: *const u8,
    how: PhantomData<R>,
}

impl<R: Read> Memory<R> {
    #[inline(always)]
    pub(crate) fn new(at: *const u8) -> Option<Self> {
        (!at.is_null()).then_some(Self { at, how: PhantomData })
    }

    /// The kernel address as a number: an identity.
    #[inline(always)]
    pub(crate) fn id(self) -> u64 {
        self.at as u64
    }

    /// A field of the object's type, by its offset; `None` when the kernel has none or it cannot be read.
    #[inline(always)]
    pub(crate) fn get<T: Copy>(self, offset: Option<u32>) -> Option<T> {
        let offset = offset? as usize;
        // SAFETY: see `Read`; the offset comes from the kernel's own BTF, its width was checked.
        unsafe { R::read(self.at.add(offset).cast()) }
    }

    /// A pointer field.
    #[inline(always)]
    pub(crate) fn follow(self, offset: Option<u32>) -> Option<Self> {
        Self::new(self.get(offset)?)
    }

    /// The same address, read through the helper: for fields outside the type the verifier knows.
    #[inline(always)]
    pub(crate) fn probed(self) -> Memory<Probe> {
        Memory { at: self.at, how: PhantomData }
    }

    /// An address within the object.
    #[inline(always)]
    pub(crate) fn inside(self, offset: usize) -> Self {
        Self { at: self.at.wrapping_add(offset), how: PhantomData }
    }
}
