//! What stands in recordings where JSON has no type for it, in the words of JSON Schema.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{PacketId, SocketId, Time};

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Seconds with nine decimals, as text: many readers of JSON round numbers. Since boot, suspend included (CLOCK_BOOTTIME), where nothing else is said.",
            "type": "string",
            "pattern": r"^[0-9]+\.[0-9]{9}$",
        })
    }
}

impl JsonSchema for SocketId {
    fn schema_name() -> Cow<'static, str> {
        "SocketId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        address("Kernel address of a socket: equal or different, and nothing else.")
    }
}

impl JsonSchema for PacketId {
    fn schema_name() -> Cow<'static, str> {
        "PacketId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        address("Kernel address of a packet: equal or different, and nothing else.")
    }
}

fn address(description: &str) -> Schema {
    json_schema!({
        "description": description,
        "type": "string",
        "pattern": "^0x[0-9a-f]{1,16}$",
    })
}
