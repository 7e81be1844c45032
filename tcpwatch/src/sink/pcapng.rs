//! pcapng: every reset as a packet with its explanation as comment, for Wireshark and tshark.
//!
//! Nothing was captured: headers are made from events, and the section says so. A pcapng file cannot be amended
//! once written, so packets are held until many have come: an amendment then still finds its packet, and packets
//! go out in order of time. One that comes later than that is counted in the statistics.
//!
//! There is one interface per network namespace, all alike (libpcap wants one link type and one length per file).

mod block;
mod comment;
mod packet;

use std::collections::BTreeMap;
use std::io::{self, Write};

use block::Block;

use super::losses::{Losses, sentence};
use super::out::Out;
use super::totals::{account, write_totals};
use super::{Clean, Clock, Paint, Sink, Summary};
use crate::event::{CoverageDeclared, EventsLost, HostDescribed, NetNs, Time};
use crate::explain::verdict::{Amendment, Direction, NamespaceTotals, Verdict};

/// Packets for those who think in packets.
pub struct Pcapng<W> {
    clock: Clock,
    /// Whose section is being written.
    host: Option<HostDescribed>,
    /// Who speaks, where there are several hosts: these have one section, and interfaces with their names.
    speaker: Option<String>,
    /// Those of the section, in order of their numbers.
    interfaces: Vec<Interface>,
    /// By time (nanoseconds since 1970) and id of the verdict.
    held: BTreeMap<(u64, u64), Held>,
    losses: Losses,
    /// Amendments whose packet had been written already.
    too_late: u64,
    /// Nanoseconds since 1970 of what was told last.
    now: u64,
    out: Out<W>,
}

/// A network namespace. One that changes its name becomes a second one: pcapng has no way to say it.
struct Interface {
    /// Where there are several.
    host: Option<String>,
    netns: NetNs,
    name: Option<String>,
    /// Packets written.
    packets: u64,
}

/// A packet to be.
struct Held {
    host: Option<String>,
    verdict: Verdict,
    amendment: Option<Amendment>,
}

impl<W: Write> Pcapng<W> {
    pub fn new(to: W) -> Self {
        Self {
            clock: Clock::utc(),
            host: None,
            speaker: None,
            interfaces: Vec::new(),
            held: BTreeMap::new(),
            losses: Losses::default(),
            too_late: 0,
            now: 0,
            out: Out::new(to),
        }
    }

    fn write_section(&mut self, host: &HostDescribed) {
        let mut block = Block::begin(&mut self.out.bytes, SECTION_HEADER);
        block.u32(BYTE_ORDER);
        block.u16(MAJOR);
        block.u16(MINOR);
        block.u64(UNKNOWN_LENGTH);
        block.text(COMMENT, &about(host, self.speaker.is_some()));
        block.text(SHB_OS, &format!("Linux {}", Clean(&host.kernel)));
        block.text(SHB_USERAPPL, concat!("tcpwatch ", env!("CARGO_PKG_VERSION")));
        block.end();
    }

    /// The number of a namespace's interface, which is described when it is first needed.
    fn interface(&mut self, host: Option<&str>, netns: NetNs, name: Option<&str>) -> usize {
        let is = |known: &Interface| known.is(host, netns, name);
        if let Some(number) = self.interfaces.iter().position(is) {
            return number;
        }
        let shown = name.map_or_else(|| netns.to_string(), |name| Clean(name).to_string());
        let shown = host.map_or_else(|| shown.clone(), |host| format!("{} {shown}", Clean(host)));
        let of = host.map(str::to_owned);
        let host = self.host.as_ref().map_or("", |host| host.hostname.as_str());
        let host = of.as_deref().unwrap_or(host);
        let mut block = Block::begin(&mut self.out.bytes, INTERFACE_DESCRIPTION);
        block.u16(LINKTYPE_RAW);
        block.u16(0);
        block.u32(SNAPLEN);
        block.text(IF_NAME, &shown);
        block.text(IF_DESCRIPTION, &format!("network namespace {netns} of {}", Clean(host)));
        block.option(IF_TSRESOL, &[NANOSECONDS]);
        block.end();
        let name = name.map(str::to_owned);
        self.interfaces.push(Interface { host: of, netns, name, packets: 0 });
        self.interfaces.len() - 1
    }

    fn write_packet(&mut self, time: u64, held: &Held) -> io::Result<()> {
        let verdict = &held.verdict;
        let name = verdict.namespace.as_deref();
        let number = self.interface(held.host.as_deref(), verdict.netns, name);
        self.interfaces[number].packets += 1;
        let mut block = Block::begin(&mut self.out.bytes, ENHANCED_PACKET);
        block.u32(u32::try_from(number).unwrap_or(u32::MAX));
        block.time(time);
        block.packet(&packet::packet(verdict));
        block.text(COMMENT, &comment::of_verdict(verdict));
        if let Some(amendment) = &held.amendment {
            block.text(COMMENT, &comment::of_amendment(amendment, verdict));
        }
        block.option(EPB_FLAGS, &direction(verdict.direction).to_le_bytes());
        // Both ends of a reset are one packet.
        block.option(EPB_PACKETID, &verdict.joined.unwrap_or(verdict.id).to_le_bytes());
        block.end();
        self.out.relieve()
    }

    /// Writes the oldest until no more than `most` are held.
    fn release(&mut self, most: usize) -> io::Result<()> {
        while self.held.len() > most
            && let Some(((time, _), held)) = self.held.pop_first()
        {
            self.write_packet(time, &held)?;
        }
        Ok(())
    }

    /// The account of a namespace, of which nothing may have been written.
    fn write_statistics(&mut self, number: usize, comments: &[String]) {
        let packets = self.interfaces[number].packets;
        let mut block = Block::begin(&mut self.out.bytes, INTERFACE_STATISTICS);
        block.u32(u32::try_from(number).unwrap_or(u32::MAX));
        block.time(self.now);
        for comment in comments {
            block.text(COMMENT, comment);
        }
        block.option(ISB_USRDELIV, &packets.to_le_bytes());
        block.end();
    }

    /// What concerns no single namespace.
    fn account_of_run(&mut self, summary: &Summary<'_>) -> io::Result<String> {
        let mut text = Vec::new();
        write_totals(&mut text, summary, Paint::PLAIN)?;
        for lost in self.losses.rest() {
            writeln!(text, "{}", sentence(&lost))?;
        }
        if self.too_late > 0 {
            writeln!(text, "amendments that came after their packets: {}", self.too_late)?;
        }
        Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
    }

    fn nanos(&mut self, time: Time) -> u64 {
        self.now = u64::try_from(self.clock.unix_nanos(time)).unwrap_or_default();
        self.now
    }
}

impl<W: Write> Sink for Pcapng<W> {
    /// Another host, or another life of it, is another section.
    fn started(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.clock.set(host);
        self.nanos(host.time);
        let several = self.speaker.is_some();
        if self.host.as_ref().is_some_and(|known| several || is_same(known, host)) {
            return Ok(());
        }
        self.release(0)?;
        self.interfaces.clear();
        self.host = Some(host.clone());
        self.write_section(host);
        Ok(())
    }

    fn host(&mut self, host: &HostDescribed) -> io::Result<()> {
        self.clock.set(host);
        self.speaker = Some(host.hostname.clone());
        Ok(())
    }

    fn coverage(&mut self, _coverage: &CoverageDeclared) -> io::Result<()> {
        Ok(())
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        let key = (self.nanos(verdict.time), verdict.id);
        let (host, verdict) = (self.speaker.clone(), verdict.clone());
        self.held.insert(key, Held { host, verdict, amendment: None });
        self.release(MOST_HELD)
    }

    fn amendment(&mut self, amendment: &Amendment) -> io::Result<()> {
        match self.held.values_mut().rev().find(|held| held.verdict.id == amendment.of) {
            Some(held) => held.amendment = Some(amendment.clone()),
            None => self.too_late += 1,
        }
        Ok(())
    }

    fn lost(&mut self, lost: &EventsLost) -> io::Result<()> {
        self.losses.add(lost);
        Ok(())
    }

    /// The account of the run stands with the first interface, that of each namespace with its own.
    fn totals(&mut self, summary: &Summary<'_>) -> io::Result<()> {
        self.release(0)?;
        let namespaces = &summary.totals.namespaces;
        for told in namespaces {
            self.interface(told.host.as_deref(), told.netns, told.name.as_deref());
        }
        if self.interfaces.is_empty() {
            self.interface(None, NetNs(0), Some("tcpwatch"));
        }
        let mut comments = vec![self.account_of_run(summary)?];
        for number in 0..self.interfaces.len() {
            comments.extend(self.interfaces[number].account(namespaces));
            self.write_statistics(number, &comments);
            comments.clear();
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.drain()
    }
}

impl Interface {
    fn is(&self, host: Option<&str>, netns: NetNs, name: Option<&str>) -> bool {
        self.host.as_deref() == host && self.netns == netns && self.name.as_deref() == name
    }

    fn account(&self, namespaces: &[NamespaceTotals]) -> Option<String> {
        let is = |told: &&NamespaceTotals| {
            self.is(told.host.as_deref(), told.netns, told.name.as_deref())
        };
        namespaces.iter().find(is).map(account)
    }
}

fn is_same(known: &HostDescribed, host: &HostDescribed) -> bool {
    known.hostname == host.hostname
        && known.boot_id == host.boot_id
        && known.version == host.version
}

/// What one must know before one trusts these packets.
fn about(host: &HostDescribed, several: bool) -> String {
    let others = if several { ", and other hosts: the interfaces bear their names" } else { "" };
    format!(
        "\
Made by tcpwatch from kernel events, not captured: each packet stands for one TCP reset that this host sent or received.
Addresses, ports, flags, sequence and acknowledgement numbers are those of the reset, as far as they were seen. The IP \
and TCP headers around them are reconstructed: no payload, no options, window 0, identification 0, and a hop limit of \
{HOPS} where none was seen. The checksums are right for what is written here; they are not the original ones.
Each packet's comment says why. The two ends of a reset that were both seen have the same packet id.
Host {}, boot {}, recorded by tcpwatch {}{others}.",
        Clean(&host.hostname),
        Clean(&host.boot_id),
        Clean(&host.version),
        HOPS = packet::HOPS,
    )
}

/// The lowest two bits of `epb_flags`.
fn direction(direction: Direction) -> u32 {
    match direction {
        Direction::Received => 1,
        Direction::Sent => 2,
    }
}

/// Verdicts that may still be amended: some ten megabytes, and half a minute of 500 resets a second.
const MOST_HELD: usize = 16_384;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const INTERFACE_STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// Packets begin with their IP header.
const LINKTYPE_RAW: u16 = 101;
/// What Wireshark takes as no limit.
const SNAPLEN: u32 = 262_144;
/// As a power of ten.
const NANOSECONDS: u8 = 9;

const COMMENT: u16 = 1;
const SHB_OS: u16 = 3;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
const EPB_PACKETID: u16 = 5;
const ISB_USRDELIV: u16 = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pcap_parser::pcapng::{
        EnhancedPacketBlock, InterfaceDescriptionBlock, InterfaceStatisticsBlock, PcapNGOption,
        SectionHeaderBlock,
    };
    use pcap_parser::{Block as Read, Linktype, OptionCode, parse_block_le};

    use super::*;
    use crate::sink::samples;

    fn written(tell: impl FnOnce(&mut Pcapng<&mut Vec<u8>>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut pcapng = Pcapng::new(&mut bytes);
        pcapng.started(&samples::host()).unwrap();
        tell(&mut pcapng);
        pcapng.flush().unwrap();
        bytes
    }

    /// A whole run with these verdicts.
    fn run(verdicts: &[Verdict]) -> Vec<u8> {
        written(|pcapng| {
            for verdict in verdicts {
                pcapng.verdict(verdict).unwrap();
            }
            finish(pcapng);
        })
    }

    fn finish(pcapng: &mut Pcapng<&mut Vec<u8>>) {
        let totals = samples::totals();
        pcapng.totals(&samples::summary(&totals)).unwrap();
    }

    fn blocks(mut bytes: &[u8]) -> Vec<Read<'_>> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let (rest, block) = parse_block_le(bytes).unwrap();
            blocks.push(block);
            bytes = rest;
        }
        blocks
    }

    fn sections(bytes: &[u8]) -> Vec<SectionHeaderBlock<'_>> {
        let section =
            |block| if let Read::SectionHeader(block) = block { Some(block) } else { None };
        blocks(bytes).into_iter().filter_map(section).collect()
    }

    fn interfaces(bytes: &[u8]) -> Vec<InterfaceDescriptionBlock<'_>> {
        let interface =
            |block| if let Read::InterfaceDescription(block) = block { Some(block) } else { None };
        blocks(bytes).into_iter().filter_map(interface).collect()
    }

    fn packets(bytes: &[u8]) -> Vec<EnhancedPacketBlock<'_>> {
        let packet =
            |block| if let Read::EnhancedPacket(block) = block { Some(block) } else { None };
        blocks(bytes).into_iter().filter_map(packet).collect()
    }

    fn statistics(bytes: &[u8]) -> Vec<InterfaceStatisticsBlock<'_>> {
        let statistics =
            |block| if let Read::InterfaceStatistics(block) = block { Some(block) } else { None };
        blocks(bytes).into_iter().filter_map(statistics).collect()
    }

    fn texts<'a>(options: &'a [PcapNGOption<'_>], code: u16) -> Vec<&'a str> {
        let of_code = options.iter().filter(|option| option.code == OptionCode(code));
        of_code.map(|option| option.as_str().unwrap()).collect()
    }

    fn number(options: &[PcapNGOption<'_>], code: u16) -> u64 {
        let option = options.iter().find(|option| option.code == OptionCode(code)).unwrap();
        let mut bytes = [0; 8];
        bytes[..option.value().len()].copy_from_slice(option.value());
        u64::from_le_bytes(bytes)
    }

    #[test]
    fn the_section_says_that_nothing_was_captured() {
        let bytes = run(&[]);
        let [section] = &sections(&bytes)[..] else { panic!("one section") };
        assert_eq!((section.major_version, section.minor_version), (1, 0));
        let [comment] = texts(&section.options, COMMENT)[..] else { panic!("one comment") };
        assert!(comment.contains("headers around them are reconstructed"), "{comment}");
        assert!(comment.contains("a hop limit of 64 where none was seen"), "{comment}");
        assert!(comment.ends_with("Host node1, boot b0, recorded by tcpwatch 0.1.0."), "{comment}");
        assert_eq!(texts(&section.options, SHB_OS), ["Linux 6.18.0"]);
        assert!(texts(&section.options, SHB_USERAPPL)[0].starts_with("tcpwatch "));
    }

    #[test]
    fn each_namespace_is_an_interface_and_all_are_alike() {
        let again = Verdict { id: 20, ..samples::explained() };
        let bytes = run(&[samples::explained(), samples::received(), again]);
        let interfaces = interfaces(&bytes);
        let names: Vec<_> =
            interfaces.iter().map(|interface| interface.if_name().unwrap().unwrap()).collect();
        assert_eq!(names, ["shop", "net:[4026532202]"]);
        for interface in &interfaces {
            assert_eq!(interface.linktype, Linktype::RAW);
            assert_eq!((interface.snaplen, interface.if_tsresol), (SNAPLEN, NANOSECONDS));
            let described = interface.if_description().unwrap().unwrap();
            assert!(described.starts_with("network namespace net:[40265322"), "{described}");
            assert!(described.ends_with("] of node1"), "{described}");
        }
        let of: Vec<_> = packets(&bytes).iter().map(|packet| packet.if_id).collect();
        assert_eq!(of, [0, 1, 0]);
    }

    #[test]
    fn a_packet_has_time_direction_and_comment() {
        let bytes = run(&[samples::explained(), samples::received()]);
        let [sent, received] = &packets(&bytes)[..] else { panic!("two packets") };
        let time = u64::from(sent.ts_high) << 32 | u64::from(sent.ts_low);
        assert_eq!(time, 1_795_262_671_882_104_007);
        assert_eq!((sent.caplen, sent.origlen), (40, 40));
        assert_eq!(number(&sent.options, EPB_FLAGS), 2);
        assert_eq!(number(&received.options, EPB_FLAGS), 1);
        assert_eq!(number(&sent.options, EPB_PACKETID), 17);
        assert_eq!(number(&received.options, EPB_PACKETID), 17, "the same packet");
        let [comment] = texts(&sent.options, COMMENT)[..] else { panic!("one comment") };
        assert!(comment.starts_with("#17: no-listener (observed)"), "{comment}");
    }

    #[test]
    fn packets_stand_in_order_of_time() {
        let early = Verdict { id: 21, time: samples::START, ..samples::explained() };
        let bytes = run(&[samples::explained(), early]);
        let first = &packets(&bytes)[0];
        assert!(texts(&first.options, COMMENT)[0].starts_with("#21: "));
    }

    #[test]
    fn an_amendment_is_a_second_comment_of_its_packet() {
        let bytes = written(|pcapng| {
            pcapng.verdict(&samples::explained()).unwrap();
            pcapng.verdict(&samples::received()).unwrap();
            pcapng.amendment(&samples::amendment()).unwrap();
            finish(pcapng);
        });
        let packets = packets(&bytes);
        let [_, later] = texts(&packets[0].options, COMMENT)[..] else { panic!("two comments") };
        assert!(later.starts_with("#17 amended 3.0 s later: not-yet-listening"), "{later}");
        assert_eq!(texts(&packets[1].options, COMMENT).len(), 1);
    }

    #[test]
    fn what_is_held_is_bounded_and_an_amendment_too_late_is_counted() {
        let bytes = written(|pcapng| {
            pcapng.verdict(&samples::explained()).unwrap();
            for id in 0..MOST_HELD as u64 {
                let time = samples::START.plus(Duration::from_secs(100 + id));
                pcapng.verdict(&Verdict { id: 100 + id, time, ..samples::unexplained() }).unwrap();
            }
            assert_eq!(pcapng.held.len(), MOST_HELD);
            pcapng.amendment(&samples::amendment()).unwrap();
            finish(pcapng);
        });
        assert_eq!(packets(&bytes).len(), MOST_HELD + 1);
        let account = &statistics(&bytes)[0];
        let text = texts(&account.options, COMMENT)[0];
        assert!(text.ends_with("\namendments that came after their packets: 1"), "{text}");
    }

    #[test]
    fn the_statistics_give_account() {
        let bytes = written(|pcapng| {
            pcapng.verdict(&samples::explained()).unwrap();
            pcapng.lost(&samples::lost()).unwrap();
            pcapng.lost(&samples::lost()).unwrap();
            finish(pcapng);
        });
        let [shop, other] = &statistics(&bytes)[..] else { panic!("one of each namespace") };
        let [run, namespace] = texts(&shop.options, COMMENT)[..] else { panic!("two comments") };
        assert!(run.starts_with("totals    412 explained, 3 unexplained, 24 lost; 5 not"), "{run}");
        assert!(run.ends_with("\nlost 24 (resets sent): the ring buffer was full"), "{run}");
        let account = "shop (net:[4026532201]): 400 sent, kernel OutRsts 402, difference 2";
        assert_eq!(namespace, account);
        assert_eq!(number(&shop.options, ISB_USRDELIV), 1);
        assert_eq!((other.if_id, number(&other.options, ISB_USRDELIV)), (1, 0));
        assert_eq!(texts(&other.options, COMMENT).len(), 1);
    }

    #[test]
    fn a_run_without_resets_gives_account_as_well() {
        let totals = crate::explain::verdict::Totals::default();
        let bytes = written(|pcapng| {
            pcapng.lost(&samples::lost()).unwrap();
            pcapng.totals(&samples::summary(&totals)).unwrap();
        });
        assert_eq!(interfaces(&bytes)[0].if_name().unwrap().unwrap(), "tcpwatch");
        let account = &statistics(&bytes)[0];
        assert!(texts(&account.options, COMMENT)[0].contains("\nlost 12 (resets sent)"));
    }

    #[test]
    fn another_host_is_another_section_with_its_own_interfaces_and_clock() {
        let other = HostDescribed {
            hostname: "node2".into(),
            wall: samples::host().wall + 1_000_000_000,
            ..samples::host()
        };
        let bytes = written(|pcapng| {
            pcapng.verdict(&samples::explained()).unwrap();
            pcapng.started(&samples::host()).unwrap();
            pcapng.started(&other).unwrap();
            pcapng.verdict(&samples::explained()).unwrap();
            finish(pcapng);
        });
        assert_eq!(sections(&bytes).len(), 2);
        let kinds: Vec<_> = blocks(&bytes).iter().map(Read::magic).collect();
        assert_eq!(kinds[..3], [SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET]);
        assert_eq!(kinds[3..6], [SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET]);
        let [first, second] = &packets(&bytes)[..] else { panic!("two packets") };
        assert_eq!((first.if_id, second.if_id), (0, 0));
        assert_eq!(second.ts_low.wrapping_sub(first.ts_low), 1_000_000_000);
    }

    #[test]
    fn names_cannot_command_a_terminal() {
        let mut verdict = samples::explained();
        verdict.namespace = Some("a\u{1b}[2Jb".into());
        let bytes = run(&[verdict]);
        assert_eq!(interfaces(&bytes)[0].if_name().unwrap().unwrap(), r"a\u{1b}[2Jb");
    }
}
