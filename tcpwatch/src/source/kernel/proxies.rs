//! Who translates service addresses in this network namespace, as far as it shows?
//!
//! Asking loads nothing. Where something may be hidden, that is said; nothing is guessed.

use std::fs;

use aya::programs::loaded_programs;

use super::ruleset::{self, Chain};
use crate::doctor::{Mode, Proxies, Proxy};

/// Of the calling thread's network namespace. `has_nftables`: the kernel has nf_tables loaded or built in, as
/// far as is known. eBPF programs are of the whole host and are told with its first namespace.
pub fn read(has_nftables: Option<bool>, is_first: bool) -> Proxies {
    let mut proxies = Proxies::default();
    let mut unknown = Vec::new();
    match chains(has_nftables) {
        Ok(chains) => proxies.found.extend(of_chains(&chains)),
        Err(why) => unknown.push(format!("nftables cannot be listed: {why}")),
    }
    proxies.found.extend(of_services(&file("ip_vs")));
    if is_first {
        match programs() {
            Ok(names) => proxies.found.extend(of_programs(&names)),
            Err(error) => unknown.push(format!("eBPF programs cannot be listed: {error}")),
        }
    }
    if legacy_translates(&[file("ip_tables_names"), file("ip6_tables_names")]) {
        unknown.push("iptables-legacy translates something, and its chains are not read".into());
    }
    proxies.unknown = Some(unknown.join("; ")).filter(|text| !text.is_empty());
    proxies
}

fn chains(has_nftables: Option<bool>) -> Result<Vec<Chain>, String> {
    match has_nftables {
        Some(true) => ruleset::chains().map_err(|error| error.to_string()),
        Some(false) => Ok(Vec::new()),
        None => Err("without BTF it does not show whether the kernel has it".into()),
    }
}

/// Chains that kube-proxy makes. KUBE-SERVICES is there in its IPVS mode too, and says nothing.
fn of_chains(chains: &[Chain]) -> Vec<Proxy> {
    let service = chains.iter().find(|chain| chain.name.starts_with("KUBE-SVC-"));
    let services =
        chains.iter().find(|chain| chain.table == "kube-proxy" && chain.name == "services");
    let proxy = |mode, chain: &Chain| Proxy { mode, sign: format!("chain {chain}") };
    let iptables = service.map(|chain| proxy(Mode::Iptables, chain));
    iptables.into_iter().chain(services.map(|chain| proxy(Mode::Nftables, chain))).collect()
}

/// `/proc/net/ip_vs`: a line for each service, and below it one for each server
/// (net/netfilter/ipvs/ip_vs_ctl.c, `ip_vs_info_seq_show`).
fn of_services(table: &str) -> Option<Proxy> {
    let services = table.lines().filter(|line| line.starts_with("TCP ")).count();
    let sign = format!("TCP services in /proc/net/ip_vs: {services}");
    (services > 0).then_some(Proxy { mode: Mode::Ipvs, sign })
}

/// Programs that translate when an application connects: of Cilium (bpf/bpf_sock.c) and Calico (bpf-gpl). The kernel
/// keeps 15 characters of their names.
fn of_programs(names: &[String]) -> Option<Proxy> {
    let translates = |name: &&String| {
        name.starts_with("cil_sock4_conn")
            || name.starts_with("cil_sock6_conn")
            || name.starts_with("calico_connect")
    };
    let name = names.iter().find(translates)?;
    Some(Proxy { mode: Mode::Ebpf, sign: format!("program {name}") })
}

/// Programs may come and go meanwhile: one that is gone is passed over, the first refusal ends it.
fn programs() -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for (index, program) in loaded_programs().enumerate() {
        match program {
            Ok(program) => names.extend(program.name_as_str().map(str::to_owned)),
            Err(error) if index == 0 => return Err(format!("{error} (needs CAP_SYS_ADMIN)")),
            Err(_) => {}
        }
    }
    Ok(names)
}

/// It lists the tables it uses there.
fn legacy_translates(lists: &[String]) -> bool {
    lists.iter().any(|list| list.lines().any(|table| table == "nat"))
}

/// Empty when there is none.
fn file(name: &str) -> String {
    fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(table: &str, name: &str) -> Chain {
        Chain { family: "ip", table: table.into(), name: name.into() }
    }

    fn modes(chains: &[Chain]) -> Vec<Mode> {
        of_chains(chains).into_iter().map(|proxy| proxy.mode).collect()
    }

    #[test]
    fn kube_proxy_is_known_by_its_chains() {
        let iptables = chain("nat", "KUBE-SVC-NPX46M4PTMTKRN6Y");
        assert_eq!(modes(std::slice::from_ref(&iptables)), [Mode::Iptables]);
        assert_eq!(of_chains(&[iptables])[0].sign, "chain ip nat KUBE-SVC-NPX46M4PTMTKRN6Y");
        assert_eq!(modes(&[chain("kube-proxy", "services")]), [Mode::Nftables]);
    }

    #[test]
    fn chains_that_other_modes_have_too_say_nothing() {
        assert_eq!(modes(&[chain("nat", "KUBE-SERVICES"), chain("filter", "services")]), []);
        assert_eq!(modes(&[]), []);
    }

    #[test]
    fn ipvs_is_known_by_its_services() {
        let head = "IP Virtual Server version 1.2.1 (size=4096)\n\
            Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n";
        assert_eq!(of_services(head), None);
        let table = format!(
            "{head}TCP  0A600001:01BB rr \n  -> 0A000002:01BB      Masq    1      0          0         \n"
        );
        assert_eq!(of_services(&table).unwrap().sign, "TCP services in /proc/net/ip_vs: 1");
        assert_eq!(of_services(""), None);
    }

    #[test]
    fn a_replacement_of_kube_proxy_is_known_by_its_programs() {
        let names = |name: &str| [name.to_owned()];
        assert_eq!(of_programs(&names("cil_sock4_conne")).unwrap().mode, Mode::Ebpf);
        assert_eq!(of_programs(&names("calico_connect_")).unwrap().mode, Mode::Ebpf);
        assert_eq!(of_programs(&names("sd_devices")), None);
    }

    #[test]
    fn legacy_tables_hide_their_chains() {
        assert!(legacy_translates(&["filter\nnat\n".into()]));
        assert!(!legacy_translates(&["filter\n".into(), String::new()]));
    }
}
