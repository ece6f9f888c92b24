//! Parses values from the text or TOML of a layer into fields, and formats them again.

use std::{net::SocketAddr, net::ToSocketAddrs, path::PathBuf, time::Duration};

use super::{DocsServices, Durability, LogFormat, Secret, draft::PermissionChoice, keys::Kind};
use gateway_store::{OnExcess, SessionKey};

mod list;

/// A value of a layer before it is parsed.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// A value of the environment or a flag. Lists are separated by commas, tables are JSON.
    Text(String),
    /// The content of a file that a `<key>_file` refers to. Lists are separated by lines.
    File(String),
    /// A value of a TOML file.
    Toml(toml::Value),
}

impl Raw {
    /// Returns the value as a single text.
    fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text.trim()),
            Self::File(text) => Ok(text),
            Self::Toml(toml::Value::String(text)) => Ok(text),
            Self::Toml(_) => Err("is not a text in quotes".into()),
        }
    }
}

/// A field that can be set from any layer and formatted again.
pub(super) trait Setting {
    /// Sets the field. The error text is the end of a sentence that starts with the key. It contains no secret.
    fn set(&mut self, raw: &Raw, kind: Kind) -> Result<(), String>;

    /// Returns the field as TOML, or `None` if it is not set.
    fn show(&self, kind: Kind) -> Option<toml::Value>;
}

/// A type of value that can be parsed and formatted.
pub(super) trait Written: Sized {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String>;
    fn write(&self, kind: Kind) -> toml::Value;
}

impl<T: Written> Setting for T {
    fn set(&mut self, raw: &Raw, kind: Kind) -> Result<(), String> {
        *self = T::read(raw, kind)?;
        Ok(())
    }

    fn show(&self, kind: Kind) -> Option<toml::Value> {
        Some(self.write(kind))
    }
}

impl<T: Written> Setting for Option<T> {
    fn set(&mut self, raw: &Raw, kind: Kind) -> Result<(), String> {
        *self = Some(T::read(raw, kind)?);
        Ok(())
    }

    fn show(&self, kind: Kind) -> Option<toml::Value> {
        self.as_ref().map(|value| value.write(kind))
    }
}

impl Written for String {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        let text = raw.text()?;
        match kind {
            Kind::Choice(choices) if !choices.contains(&text) => Err(no_choice(text, choices)),
            _ if text.is_empty() => Err("is empty".into()),
            _ => Ok(text.to_owned()),
        }
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.as_str().into()
    }
}

impl Written for Secret {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        String::read(raw, kind).map(Self)
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.0.as_str().into()
    }
}

impl Written for PathBuf {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        String::read(raw, kind).map(Self::from)
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.display().to_string().into()
    }
}

impl Written for SocketAddr {
    fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
        let text = raw.text()?;
        let text = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
        let mut found = text.to_socket_addrs().into_iter().flatten();
        found.next().ok_or_else(|| format!("is {text:?}, which is not an address and port such as 127.0.0.1:4000"))
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.to_string().into()
    }
}

impl Written for Duration {
    fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
        let help = "which is not a duration such as 500ms, 25s, 10m, 24h or 7d";
        let Ok(text) = raw.text() else { return Err(format!("has no unit or quotes, {help}")) };
        humantime::parse_duration(text).map_err(|_| format!("is {text:?}, {help}"))
    }

    fn write(&self, _: Kind) -> toml::Value {
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
        let millis = self.as_millis();
        // Use the units that people use: 60s and 24h, but 10m and 7d.
        let least = |name: &str| if matches!(name, "d" | "m") { 2 } else { 1 };
        let fits = |(name, unit): &&(&str, u128)| millis.is_multiple_of(*unit) && millis / unit >= least(name);
        match units.iter().find(fits) {
            Some((name, unit)) => format!("{}{name}", millis / unit).into(),
            None => "0s".into(),
        }
    }
}

impl Written for bool {
    fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
        match raw {
            Raw::Toml(toml::Value::Boolean(value)) => Ok(*value),
            other => match other.text() {
                Ok("true" | "1" | "yes" | "on") => Ok(true),
                Ok("false" | "0" | "no" | "off") => Ok(false),
                _ => Err("is neither true nor false".into()),
            },
        }
    }

    fn write(&self, _: Kind) -> toml::Value {
        (*self).into()
    }
}

impl Written for u64 {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        let sizes = matches!(kind, Kind::Size);
        let help = if sizes { "is not a size such as 64KiB or 1MiB" } else { "is not a whole number" };
        if let Raw::Toml(toml::Value::Integer(number)) = raw {
            return u64::try_from(*number).map_err(|_| help.to_owned());
        }
        let text = raw.text().map_err(|_| help.to_owned())?.replace('_', "");
        let units = [("KiB", 1024), ("MiB", 1024 * 1024), ("GiB", 1024 * 1024 * 1024), ("B", 1)];
        let unit = units.iter().filter(|_| sizes).find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (digits, bytes) = unit.unwrap_or((&text, 1));
        let number: Option<u64> = digits.trim_end().parse().ok();
        number.and_then(|number| number.checked_mul(bytes)).ok_or_else(|| help.to_owned())
    }

    fn write(&self, kind: Kind) -> toml::Value {
        const KIB: u64 = 1024;
        match (kind, *self) {
            (Kind::Size, size) if size > 0 && size.is_multiple_of(KIB * KIB * KIB) => {
                format!("{}GiB", size / KIB / KIB / KIB).into()
            }
            (Kind::Size, size) if size > 0 && size.is_multiple_of(KIB * KIB) => {
                format!("{}MiB", size / KIB / KIB).into()
            }
            (Kind::Size, size) if size > 0 && size.is_multiple_of(KIB) => format!("{}KiB", size / KIB).into(),
            (Kind::Size, size) => format!("{size}B").into(),
            (_, number) => toml::Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)),
        }
    }
}

/// Implements the format of `u64` for smaller number types.
macro_rules! smaller_number {
    ($($number:ty),*) => { $(
        impl Written for $number {
            fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
                Self::try_from(u64::read(raw, kind)?).map_err(|_| "is too large".into())
            }

            fn write(&self, kind: Kind) -> toml::Value {
                u64::try_from(*self).unwrap_or(u64::MAX).write(kind)
            }
        }
    )* };
}
smaller_number!(u16, u32, usize);

fn no_choice(text: &str, choices: &[&str]) -> String {
    format!("is {text:?}, which is none of {}", choices.join(", "))
}

/// An enumeration whose variants have one name each.
pub(super) trait Named {
    /// The names of the variants.
    const NAMES: &[&str];
}

/// Implements the format of an enumeration from a table of names.
macro_rules! choice {
    ($kind:ident { $($name:literal => $variant:ident),* $(,)? }) => {
        impl Named for $kind {
            const NAMES: &[&str] = &[$($name),*];
        }

        impl Written for $kind {
            fn read(raw: &Raw, _: Kind) -> Result<Self, String> {
                match raw.text()? {
                    $($name => Ok(Self::$variant),)*
                    other => Err(no_choice(other, Self::NAMES)),
                }
            }

            fn write(&self, _: Kind) -> toml::Value {
                match self { $(Self::$variant => $name.into(),)* }
            }
        }
    };
}
choice!(LogFormat { "pretty" => Pretty, "json" => Json });
choice!(Durability { "fsync" => Fsync, "os" => Os });
choice!(OnExcess { "replace" => Replace, "reject" => Reject });
choice!(SessionKey { "user" => User, "device" => Device });
choice!(DocsServices { "private" => Private, "public" => Public });
choice!(PermissionChoice { "claims" => Claims, "http" => Http, "allow_all" => AllowAll });

#[cfg(test)]
mod tests;
