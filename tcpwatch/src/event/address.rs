//! Kernel addresses as text, for `#[serde(with = …)]`: many readers of JSON round integers above 2^53, and then two
//! addresses look like one.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
pub(super) fn serialize<S: Serializer>(address: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{address:#x}"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = Cow::<str>::deserialize(from)?;
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
    let address = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    address.ok_or_else(|| D::Error::custom("expected an address such as 0xffff888100000000"))
}

#[cfg(test)]
mod tests {
    use crate::event::{PacketId, SocketId};

    #[test]
    fn an_address_is_text_that_reads_back() {
        let text = serde_json::to_string(&SocketId(0xffff_8881_0000_0040)).unwrap();
        assert_eq!(text, r#""0xffff888100000040""#);
        assert_eq!(
            serde_json::from_str::<PacketId>(&text).unwrap(),
            PacketId(0xffff_8881_0000_0040)
        );
    }

    #[test]
    fn other_forms_are_refused() {
        for text in ["12", r#""12""#, r#""0x""#, r#""0x+1""#, r#""0x10000000000000000""#] {
            assert!(serde_json::from_str::<SocketId>(text).is_err(), "{text}");
        }
    }
}
