//! Who was it? The process, its pod and its container, also when it is gone; and nobody who only happened to run.

use std::fs;
use std::net::TcpStream;

use harness::cgroup::{CONTAINER, Driver, POD, PodCgroup};
use harness::socket::{End, end_of, local, say};
use harness::{Bystander, Expected, Folder, Helper, Host, Ip, Need, Watch};

use crate::scenario::scenarios;
use crate::{conntrack, listener, overflow, replies};

scenarios! {
    v4 a_server_in_a_pod_of_the_cgroupfs_driver_is_named needs [Need::PodCgroup];
    v4 a_server_in_a_pod_of_the_systemd_driver_is_named needs [Need::PodCgroup];
    v4 a_server_in_a_pod_that_was_killed_is_named_as_it_was needs [Need::PodCgroup];
    both a_refusal_beside_a_busy_process;
    both a_closed_listener_beside_a_busy_process;
    both an_overflow_beside_a_busy_process;
    both a_keep_alive_race_beside_a_busy_process;
    both a_flush_beside_a_busy_process needs [conntrack::NFT, conntrack::TOOL];
}

const REQUEST: &str = "GET / HTTP/1.1\r\n\r\n";

/// A server in a cgroup as the kubelet makes it hangs up on a request it has not read. Its pod and container are named
/// by what their cgroup is called and by the kubelet's folders of logs, under a root given by the user.
fn a_server_in_a_pod_of_the_cgroupfs_driver_is_named(ip: Ip) {
    a_server_in_a_pod_is_named(ip, Driver::Cgroupfs, "unknown");
}

/// The same where systemd makes the cgroups, for containerd.
fn a_server_in_a_pod_of_the_systemd_driver_is_named(ip: Ip) {
    a_server_in_a_pod_is_named(ip, Driver::Systemd, "containerd");
}

fn a_server_in_a_pod_is_named(ip: Ip, driver: Driver, runtime: &'static str) {
    let lab = PodLab::new(ip, driver);
    let (mut client, mut server) = lab.serves();
    let pid = server.pid();
    let watch = lab.watch();

    say(&mut client, REQUEST);
    server.leaves_unread();
    server.hangs_up();
    assert_eq!(end_of(&mut client), End::RESET);

    let sent = lab.reset(&client).because("closed-with-unread-data").held_by(pid);
    let named = in_pod(sent).owner("runtime", runtime).owner("gone", false);
    watch.expect(&named.says("owner_status", "known"));
    watch.finish().has_sent(&lab.host.namespace, 1);
}

/// A server in a pod is killed with a request unread; later a client is refused where it listened. Both verdicts name
/// it with its pod, and say that it is gone.
fn a_server_in_a_pod_that_was_killed_is_named_as_it_was(ip: Ip) {
    let lab = PodLab::new(ip, Driver::Systemd);
    let (mut client, mut server) = lab.serves();
    let pid = server.pid();
    let watch = lab.watch();

    say(&mut client, REQUEST);
    server.leaves_unread();
    server.is_killed();
    assert_eq!(end_of(&mut client), End::RESET);
    let refused = lab.host.namespace.dial(lab.host.address()).refused();

    let killed = lab.reset(&client).because("process-killed").held_by(pid);
    watch.expect(&in_pod(killed).owner("gone", true).says("owner_status", "gone"));
    let refused = Expected::sent(&lab.host.namespace, lab.host.address(), refused);
    let closed = refused.because("listener-closed").fact("pid", pid).fact("gone", true);
    watch.expect(&closed.fact("namespace", "shop").fact("name", "web-0").fact("container", "web"));
    watch.finish().has_sent(&lab.host.namespace, 2);
}

/// A namespace with a server in a pod, and what the kubelet has on disk of that pod.
struct PodLab {
    host: Host,
    pod: PodCgroup,
    files: Folder,
}

impl PodLab {
    fn new(ip: Ip, driver: Driver) -> Self {
        let pod = PodCgroup::made_by(driver).unwrap_or_else(|error| panic!("{error}"));
        let files = Folder::new();
        let logs = files.join("var/log");
        let folders = [logs.join(format!("pods/shop_web-0_{POD}/web")), logs.join("containers")];
        for folder in folders {
            fs::create_dir_all(folder).expect("our folder can have others in it");
        }
        let link = logs.join(format!("containers/web-0_shop_web-{CONTAINER}.log"));
        fs::write(link, "").expect("our folder can have files in it");
        Self { host: Host::alone(ip), pod, files }
    }

    /// Before anybody watches.
    fn serves(&self) -> (TcpStream, Helper) {
        let mut server = Helper::listens(&self.host.namespace, "web", self.host.address());
        self.pod.holds(server.pid());
        let client = self.host.namespace.connect(self.host.address());
        server.accepts();
        (client, server)
    }

    fn watch(&self) -> Watch {
        let root = self.files.path().to_str().expect("our folder has a plain name");
        Watch::with(&[&self.host.namespace], &["--host-root", root])
    }

    fn reset(&self, client: &TcpStream) -> Expected {
        Expected::sent(&self.host.namespace, self.host.address(), local(client)).reset()
    }
}

fn in_pod(expected: Expected) -> Expected {
    let named = expected.owner("namespace", "shop").owner("name", "web-0").owner("name", "web");
    let numbered = named.owner("uid", POD).owner("id", CONTAINER).owner("qos", "burstable");
    numbered.owner("runs_in", "pod").says_within("pod", "name", "web-0")
}

fn a_refusal_beside_a_busy_process(ip: Ip) {
    beside_a_busy_process(ip, listener::a_port_that_never_listened_refuses);
}

fn a_closed_listener_beside_a_busy_process(ip: Ip) {
    beside_a_busy_process(ip, listener::a_server_that_was_killed_refuses);
}

fn an_overflow_beside_a_busy_process(ip: Ip) {
    beside_a_busy_process(ip, overflow::with_abort_on_overflow_the_client_is_reset_at_once);
}

fn a_keep_alive_race_beside_a_busy_process(ip: Ip) {
    beside_a_busy_process(ip, replies::a_request_behind_a_close_after_a_pause_is_a_keep_alive_race);
}

fn a_flush_beside_a_busy_process(ip: Ip) {
    beside_a_busy_process(ip, conntrack::a_flush_sends_a_living_connection_to_the_other_back_end);
}

/// The run that watches the incident must not name who was merely busy: its end looks at every line.
fn beside_a_busy_process(ip: Ip, incident: fn(Ip)) {
    let _busy = Bystander::start();
    incident(ip);
}
