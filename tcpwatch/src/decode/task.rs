use tcpwatch_common::wire;

use crate::event::{Exit, Task};

pub(super) fn task(task: &wire::Task) -> Task {
    Task {
        pid: task.pid,
        command: command(task),
        uid: task.uid,
        exit: exit(task),
        oom_victim: false,
        kernel: is_kernel_thread(task),
    }
}

/// Names are bytes; what is no UTF-8 is replaced.
pub(super) fn command(task: &wire::Task) -> String {
    let end = task.comm.iter().position(|byte| *byte == 0).unwrap_or(task.comm.len());
    String::from_utf8_lossy(&task.comm[..end]).into_owned()
}

/// `exit_code` is laid out as for `wait(2)`, and set before the files are closed (kernel/exit.c, `do_exit`).
pub(super) fn exit(task: &wire::Task) -> Option<Exit> {
    let [low, high, ..] = task.exit_code.to_le_bytes();
    let ended = match low & 0x7f {
        0 => Exit::Status(high),
        signal => Exit::Signal(signal),
    };
    (task.flags & PF_EXITING != 0).then_some(ended)
}

/// It is a thread of the kernel's own.
pub(super) fn is_kernel_thread(task: &wire::Task) -> bool {
    task.flags & PF_KTHREAD != 0
}

/// include/linux/sched.h.
const PF_EXITING: u32 = 0x0000_0004;
const PF_KTHREAD: u32 = 0x0020_0000;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_living_task_has_no_exit() {
        let task = task(&wire::Task { exit_code: 9, ..sample::task() });
        assert_eq!((task.pid, task.command.as_str(), task.exit), (42, "nginx", None));
    }

    #[test]
    fn an_exiting_task_tells_signal_or_status() {
        let exiting = wire::Task { flags: PF_EXITING, ..sample::task() };
        let ended = |exit_code| exit(&wire::Task { exit_code, ..exiting });
        assert_eq!(ended(9), Some(Exit::Signal(9)));
        assert_eq!(ended(0x8b), Some(Exit::Signal(11)), "with a core dump");
        assert_eq!(ended(3 << 8), Some(Exit::Status(3)));
    }

    #[test]
    fn a_name_may_fill_its_place_and_need_not_be_utf8() {
        let full = wire::Task { comm: *b"0123456789abcdef", ..sample::task() };
        assert_eq!(command(&full), "0123456789abcdef");
        let mut odd = sample::task();
        odd.comm[0] = 0xff;
        assert_eq!(command(&odd), "\u{fffd}ginx");
    }
}
