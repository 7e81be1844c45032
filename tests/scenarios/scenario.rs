//! A scenario: its name is a sentence, its body the incident, its needs what kernel and tools must offer.

use harness::need::family_works;
use harness::{Ip, Need, recording};
use libtest_mimic::{Completion, Failed, Trial};

use crate::delivery;
use crate::runner::print_hooks;

/// One incident over one IP family.
#[derive(Clone)]
pub(crate) struct Scenario {
    name: String,
    ip: Ip,
    needs: &'static [Need],
    incident: fn(Ip),
}

impl Scenario {
    pub(crate) fn new(
        path: &str,
        sentence: &str,
        needs: &'static [Need],
        incident: fn(Ip),
        ip: Ip,
    ) -> Self {
        let family = path.rsplit("::").next().unwrap_or(path);
        Self { name: format!("{family}::{sentence}::{ip}"), ip, needs, incident }
    }

    pub(crate) fn into_trial(self) -> Trial {
        Trial::ignorable_test(self.name.clone(), move || Ok::<_, Failed>(self.run()))
    }

    fn run(&self) -> Completion {
        if let Err(reason) = self.can_run() {
            // On a line of its own: libtest-mimic may be in the middle of one.
            println!("\nTCPWATCH-VM-SKIP {}: {reason}", self.name);
            return Completion::ignored_with(reason);
        }
        let recording = delivery::file_for(&self.name);
        recording::next_to(recording.clone());
        let _hooks = TellHooks;
        (self.incident)(self.ip);
        if let Some(file) = recording {
            delivery::keep(&file);
        }
        Completion::Completed
    }

    fn can_run(&self) -> Result<(), String> {
        if self.ip == Ip::V6 {
            family_works(self.ip)?;
        }
        self.needs.iter().try_for_each(|need| need.is_met(self.ip))
    }
}

/// Even when the scenario fails.
struct TellHooks;

impl Drop for TellHooks {
    fn drop(&mut self) {
        print_hooks();
    }
}

/// Lists the scenarios of a file: `both` runs over IPv4 and IPv6, `v4` over IPv4 only.
macro_rules! scenarios {
    ($($families:ident $incident:ident $(needs [$($need:expr),+])?;)+) => {
        pub(crate) fn scenarios() -> Vec<$crate::scenario::Scenario> {
            let mut all = Vec::new();
            $(for ip in $crate::scenario::$families() {
                let needs: &'static [harness::Need] = &[$($($need),+)?];
                all.push($crate::scenario::Scenario::new(module_path!(), stringify!($incident), needs, $incident, ip));
            })+
            all
        }
    };
}
pub(crate) use scenarios;

pub(crate) fn both() -> [Ip; 2] {
    [Ip::V4, Ip::V6]
}

pub(crate) fn v4() -> [Ip; 1] {
    [Ip::V4]
}
