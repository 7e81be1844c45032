//! Who holds a socket inode, and who was a process that is gone by now?

use std::time::Duration;

use super::bounded::History;
use crate::event::{NetNs, Owner, OwnerFound, Task, Time};

/// Look-ups that came back, by inode and by pid. What was learned of a process outlives it for some minutes.
pub struct Owners {
    /// Inodes are reused late, and the latest look-up counts.
    by_inode: History<u64, Holder>,
    by_pid: History<u32, Learned>,
}

enum Holder {
    Is(Owner),
    /// Nobody, where everybody could be asked.
    Nobody,
}

struct Learned {
    at: Time,
    /// Where it was met.
    netns: NetNs,
    owner: Owner,
}

impl Default for Owners {
    fn default() -> Self {
        Self {
            by_inode: History::new(CAPACITY, REMEMBERED),
            by_pid: History::new(CAPACITY, REMEMBERED),
        }
    }
}

impl Owners {
    /// A socket that nobody holds any more keeps the one who did, who has let go of it or is gone.
    pub fn found(&mut self, found: &OwnerFound) {
        self.learn(found.time, found.netns, found.owner.as_ref());
        let holder = found.owner.clone().map(Holder::Is);
        let nobody = (found.all_seen && self.of(found.inode).is_none()).then_some(Holder::Nobody);
        if let Some(holder) = holder.or(nobody) {
            self.by_inode.push(found.time, found.inode, holder);
        }
    }

    /// Only of processes of which more than the name is known.
    pub fn learn(&mut self, at: Time, netns: NetNs, owner: Option<&Owner>) {
        let Some(owner) = owner.filter(|owner| owner.started.is_some()) else { return };
        let known = self.by_pid.latest_mut(&owner.pid).is_some_and(|latest| {
            let same = latest.netns == netns && latest.owner.started == owner.started;
            same && latest.owner.command == owner.command && latest.at.distance(at) <= NEWS
        });
        if !known {
            self.by_pid.push(at, owner.pid, Learned { at, netns, owner: owner.clone() });
        }
    }

    pub fn of(&self, inode: u64) -> Option<&Owner> {
        match self.by_inode.of(inode).next_back()? {
            Holder::Is(owner) => Some(owner),
            Holder::Nobody => None,
        }
    }

    /// It was looked for, and no process held it.
    pub fn is_abandoned(&self, inode: u64) -> bool {
        matches!(self.by_inode.of(inode).next_back(), Some(Holder::Nobody))
    }

    /// What was learned of the process of a task that ran at `time`. A pid is given to another process only after all
    /// others had their turn; one of the same name and user in the same namespace within minutes is taken for the same.
    pub fn process(&self, task: &Task, netns: NetNs, time: Time) -> Option<&Owner> {
        let is_it = |learned: &&Learned| {
            let owner = &learned.owner;
            let lived = owner.started.is_some_and(|started| started <= time);
            let is_alike = owner.command == task.command && learned.netns == netns;
            let may_be = owner.uid.is_none_or(|uid| uid == task.uid);
            lived && is_alike && may_be && learned.at.distance(time) <= REMEMBERED
        };
        self.by_pid.of(task.pid).rev().find(is_it).map(|learned| &learned.owner)
    }
}

/// Look-ups of inodes answer a question asked milliseconds ago. Those of processes are wanted when one is gone.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Who is met again and again is written down once in this time.
const NEWS: Duration = Duration::from_mins(1);

/// Processes and sockets remembered.
const CAPACITY: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn nginx() -> Owner {
        let exe = Some("/usr/sbin/nginx".to_owned());
        Owner { exe, started: Some(seconds(5)), ..Owner::named(77, "nginx") }
    }

    fn seconds(seconds: u64) -> Time {
        Time(seconds * 1_000_000_000)
    }

    fn found(at: Time, owner: Option<Owner>) -> OwnerFound {
        OwnerFound { time: at, netns: NetNs(1), inode: 4711, owner, all_seen: true }
    }

    fn task(pid: u32, command: &str) -> Task {
        let (command, exit) = (command.to_owned(), None);
        Task { pid, command, uid: 0, exit, oom_victim: false, kernel: false }
    }

    fn knows(owners: &Owners, pid: u32, command: &str, time: Time) -> bool {
        owners.process(&task(pid, command), NetNs(1), time).is_some()
    }

    #[test]
    fn who_held_a_socket_is_known_after_it_let_go() {
        let mut owners = Owners::default();
        owners.found(&found(seconds(10), None));
        assert!(owners.is_abandoned(4711) && owners.of(4711).is_none(), "closed already");
        owners.found(&found(seconds(11), Some(nginx())));
        owners.found(&found(seconds(12), None));
        assert_eq!(owners.of(4711), Some(&nginx()));
        assert!(!owners.is_abandoned(4711) && !owners.is_abandoned(1));
    }

    #[test]
    fn who_was_not_found_where_not_all_could_be_seen_may_be_there() {
        let mut owners = Owners::default();
        owners.found(&OwnerFound { all_seen: false, ..found(seconds(10), None) });
        assert!(!owners.is_abandoned(4711));
    }

    #[test]
    fn a_process_is_known_for_minutes_by_pid_and_name() {
        let mut owners = Owners::default();
        owners.found(&found(seconds(10), Some(nginx())));
        assert!(knows(&owners, 77, "nginx", seconds(500)));
        assert!(!knows(&owners, 77, "nginx", seconds(700)), "too long ago");
        assert!(!knows(&owners, 77, "curl", seconds(11)), "another name");
        assert!(!knows(&owners, 78, "nginx", seconds(11)), "another pid");
        assert!(!knows(&owners, 77, "nginx", seconds(4)), "not started yet");
        assert!(
            owners.process(&task(77, "nginx"), NetNs(2), seconds(11)).is_none(),
            "of another pod"
        );
    }

    #[test]
    fn the_one_that_lived_then_is_meant() {
        let mut owners = Owners::default();
        owners.learn(seconds(10), NetNs(1), Some(&nginx()));
        let later = Owner { exe: Some("/opt/nginx".into()), started: Some(seconds(20)), ..nginx() };
        owners.learn(seconds(21), NetNs(1), Some(&later));
        let exe = |time| {
            owners.process(&task(77, "nginx"), NetNs(1), time).and_then(|owner| owner.exe.clone())
        };
        assert_eq!(exe(seconds(12)).as_deref(), Some("/usr/sbin/nginx"));
        assert_eq!(exe(seconds(22)).as_deref(), Some("/opt/nginx"));
    }

    #[test]
    fn a_name_alone_is_not_worth_remembering() {
        let mut owners = Owners::default();
        owners.learn(seconds(10), NetNs(1), Some(&Owner::named(77, "nginx")));
        assert!(!knows(&owners, 77, "nginx", seconds(10)));
    }
}
