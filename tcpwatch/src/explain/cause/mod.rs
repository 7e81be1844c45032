//! The catalogue: one cause per file, one line each in `catalogue!`.

use std::fmt;

use serde::Serialize;

use super::verdict::{Evidence, Remedy};

/// A cause: a struct whose fields are its evidence.
pub trait Explains: Serialize + fmt::Display {
    /// Stable, kebab-case.
    const CODE: &'static str;

    /// The explanation's lines, in the order one would tell it.
    fn evidence(&self) -> Vec<Evidence>;

    /// What to do, with live values.
    fn remedy(&self) -> Remedy;
}

/// The list of siblings, once: module, variant, code, dispatch.
macro_rules! catalogue {
    ($($module:ident::$name:ident,)*) => {
        $(mod $module;)*
        $(pub use $module::$name;)*

        /// Any cause of the catalogue.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Cause { $($name($name),)* }

        $(impl From<$name> for Cause {
            fn from(cause: $name) -> Self { Self::$name(cause) }
        })*

        impl Cause {
            /// Every code, in catalogue order.
            pub const CODES: &[&str] = &[$($name::CODE,)*];

            pub fn code(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::CODE,)* }
            }

            pub fn evidence(&self) -> Vec<Evidence> {
                match self { $(Self::$name(cause) => cause.evidence(),)* }
            }

            pub fn remedy(&self) -> Remedy {
                match self { $(Self::$name(cause) => cause.remedy(),)* }
            }
        }

        impl fmt::Display for Cause {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Self::$name(cause) => cause.fmt(f),)* }
            }
        }
    };
}

catalogue! {
    no_listener::NoListener,
}
