//! Where the claims of a token are: paths to them, templates that select words of them, and the mapping `auth.claims.*`.

mod template;

use std::{fmt, sync::Arc};

use super::setting::{Raw, Written};
use crate::config::keys::Kind;

pub use self::template::{TopicTemplate, WordTemplate};

/// The way to a claim: the names of members, from the outermost to the innermost object.
///
/// Written with dots between the names. A name that contains a dot stands in double quotes; a text that begins with
/// `https://` or `http://` is one name, because some providers name their claims so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimPath {
    members: Box<[String]>,
    /// The name under which the claim is passed on. Sessions share the text.
    name: Arc<str>,
}

impl ClaimPath {
    /// Creates a path of one name, whatever characters it has.
    pub fn of(name: &str) -> Self {
        Self { members: Box::new([name.to_owned()]), name: name.into() }
    }

    /// Parses a path.
    ///
    /// # Errors
    /// The end of a sentence that begins with the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let help = r#"write names with dots between them, such as realm_access.roles, and in double quotes a name that contains a dot"#;
        let invalid = || format!("is {text:?}, which is not the path of a claim: {help}");
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::of(text));
        }
        let mut members = Vec::new();
        let mut rest = text;
        loop {
            let (member, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or_else(invalid)?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if member.is_empty() || member.contains('"') {
                return Err(invalid());
            }
            members.push(member.to_owned());
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => break,
                None => return Err(invalid()),
            }
        }
        let name = members.join(".").into();
        Ok(Self { members: members.into(), name })
    }

    /// Returns the names of the members, from the outermost to the innermost object.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    /// Returns the name under which the claim is passed on: the names of the members with dots between them.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns whether this is the claim with a name, at the top of the token.
    pub fn is(&self, name: &str) -> bool {
        self.members.len() == 1 && *self.name == *name
    }
}

/// Writes the path as [`ClaimPath::parse`] reads it.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = &*self.members
            && (only.starts_with("https://") || only.starts_with("http://"))
        {
            return f.write_str(only);
        }
        for (index, member) in self.members.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            let quote = if member.contains('.') { "\"" } else { "" };
            write!(f, "{dot}{quote}{member}{quote}")?;
        }
        Ok(())
    }
}

impl Written for ClaimPath {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        Self::parse(&String::read(raw, kind)?)
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.to_string().into()
    }
}

impl Written for Vec<ClaimPath> {
    fn read(raw: &Raw, kind: Kind) -> Result<Self, String> {
        Vec::<String>::read(raw, kind)?.iter().map(|text| ClaimPath::parse(text)).collect()
    }

    fn write(&self, _: Kind) -> toml::Value {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().into()
    }
}

/// `auth.claims.*`: where the identity and the grants of a client are in the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimMapping {
    /// The user.
    pub user: ClaimPath,
    /// The device.
    pub device: ClaimPath,
    /// The clans.
    pub clans: ClaimPath,
    /// Which words of that claim are clans. Without it, all are.
    pub clans_template: Option<WordTemplate>,
    /// The topics of services.
    pub topics: ClaimPath,
    /// Which words of that claim are topics. Without it, the claim is an object with a list for each service.
    pub topics_template: Option<TopicTemplate>,
    /// The calls of services.
    pub calls: ClaimPath,
    /// Which words of that claim are calls. Without it, the claim is an object with a list for each service.
    pub calls_template: Option<TopicTemplate>,
}

impl Default for ClaimMapping {
    fn default() -> Self {
        Self {
            user: ClaimPath::of("sub"),
            device: ClaimPath::of("deviceId"),
            clans: ClaimPath::of("clans"),
            clans_template: None,
            topics: ClaimPath::of("topics"),
            topics_template: None,
            calls: ClaimPath::of("calls"),
            calls_template: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paths_and_writes_them_the_same() {
        for (text, members) in [
            ("sub", vec!["sub"]),
            ("realm_access.roles", vec!["realm_access", "roles"]),
            ("resource_access.\"my.app\".roles", vec!["resource_access", "my.app", "roles"]),
            ("https://example.com/clans", vec!["https://example.com/clans"]),
            ("http://example.com/a.b", vec!["http://example.com/a.b"]),
            ("urn:example:clans", vec!["urn:example:clans"]),
        ] {
            let path = ClaimPath::parse(text).unwrap();
            assert_eq!(path.members().collect::<Vec<_>>(), members);
            assert_eq!(path.to_string(), text);
        }
        let quoted = ClaimPath::parse("\"https://example.com/app\".clans").unwrap();
        assert_eq!(quoted.members().collect::<Vec<_>>(), ["https://example.com/app", "clans"]);
        assert_eq!(ClaimPath::parse(&quoted.to_string()), Ok(quoted.clone()));
        assert_eq!(&**quoted.name(), "https://example.com/app.clans");
        assert!(ClaimPath::parse("\"sub\"").unwrap().is("sub"));
    }

    #[test]
    fn refuses_what_is_no_path() {
        for text in ["", ".", "a.", ".a", "a..b", "\"a", "\"\"", "\"a\"b", "a\"b\"", "a.\"b\"c"] {
            let problem = ClaimPath::parse(text).unwrap_err();
            assert!(problem.contains("is not the path of a claim"), "{problem}");
        }
    }
}
