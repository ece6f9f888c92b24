//! Partial decoding of a message: its fields are checked, and their values remain text until they are used.
//!
//! The client core uses it to act on a message. It needs no generated code for each type of message, which keeps the
//! WebAssembly build small. Callers that need the complete message decode its text.

mod check;
mod scan;
#[rustfmt::skip]
mod table;

use std::borrow::Cow;

use crate::{DecodeError, MAX_DEPTH, MAX_SERVER_DEPTH, decode::strings};
use check::Field;
pub(crate) use scan::unescaped;
use scan::{Broken, Member, Scanner};

/// A partially decoded message: its members as text, and the result of checking them.
pub struct Outline<'a> {
    type_name: Cow<'a, str>,
    members: Vec<Member<'a>>,
    verdict: Verdict,
}

/// The result of checking a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This version knows the `type`, and every field is valid.
    Known,
    /// This version does not know the `type`.
    Unknown,
    /// This version knows the `type`, and a field is invalid.
    Broken(DecodeError),
}

impl<'a> Outline<'a> {
    /// Decodes a server message partially.
    ///
    /// # Errors
    /// A [`DecodeError`] for text that is not JSON, and for a message without a `type`. Other problems are reported by
    /// the
    /// [`Verdict`], because such a message may still have an offset in a log.
    pub fn of_server(text: &'a str) -> Result<Self, DecodeError> {
        let members = members(text, MAX_SERVER_DEPTH)?;
        let mut types = members.iter().filter(|member| member.name == "type");
        let written = types.next().map(|member| member.value).filter(|written| *written != "null");
        let problem = if types.next().is_some() { "given twice" } else { "missing" };
        let Some(written) = written.filter(|_| problem == "missing") else { return Err(invalid("type", problem)) };
        let type_name = unescaped(written).ok_or_else(|| invalid("type", "not a string"))?;
        match verdict(table::SERVER, &type_name, &members) {
            Verdict::Broken(error @ DecodeError::InvalidJson(_)) => Err(error),
            verdict => Ok(Self { type_name, members, verdict }),
        }
    }

    /// Decodes the fields of a command partially.
    ///
    /// # Errors
    /// A [`DecodeError`] for text that is not a JSON object, for an unknown `type`, and for a field that is missing or
    /// outside its bounds.
    pub fn of_command(type_name: &'a str, fields: &'a str) -> Result<Self, DecodeError> {
        if let Some(broken) = strings::find_unreadable(fields) {
            members(&broken.repaired, MAX_DEPTH)?;
            return Err(invalid(&broken.field, broken.problem));
        }
        let members = members(fields, MAX_DEPTH)?;
        match verdict(table::CLIENT, type_name, &members) {
            Verdict::Known => Ok(Self { type_name: type_name.into(), members, verdict: Verdict::Known }),
            Verdict::Unknown => Err(DecodeError::UnknownType(type_name.to_owned())),
            Verdict::Broken(error) => Err(error),
        }
    }

    /// Decodes any object partially, without checking its fields.
    ///
    /// # Errors
    /// A [`DecodeError`] for text that is not a JSON object.
    pub fn of_object(text: &'a str) -> Result<Self, DecodeError> {
        Ok(Self { type_name: Cow::Borrowed(""), members: members(text, MAX_SERVER_DEPTH)?, verdict: Verdict::Unknown })
    }

    /// Returns the `type` on the wire.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Returns the result of checking the message.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Returns the names and the unchanged values of a command's known fields. An absent field has its default or is
    /// left out.
    pub fn known_fields(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let fields = find(table::CLIENT, &self.type_name).into_iter().flatten();
        fields.filter_map(|field| {
            let member = self.members.iter().find(|member| member.name == field.name);
            let given = member.map(|member| member.value).filter(|value| field.required || *value != "null");
            Some((field.name, given.or_else(|| self.default_of(field.name))?))
        })
    }

    fn default_of(&self, name: &str) -> Option<&'static str> {
        let default = table::DEFAULTS.iter().find(|(word, field, _)| *word == self.type_name && *field == name);
        default.map(|(_, _, value)| *value)
    }

    /// Returns the names and the unchanged values of all members.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|member| (&*member.name, member.value))
    }

    /// Returns the text of a field's value, or `None` if the field is absent or `null`.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some(member.value).filter(|value| *value != "null")
    }

    /// Returns a field that is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        unescaped(self.raw(name)?)
    }

    /// Returns a field that is a whole number.
    pub fn whole(&self, name: &str) -> Option<u64> {
        check::whole(self.raw(name)?)
    }

    /// Returns a field that is a boolean. An absent field is false.
    pub fn flag(&self, name: &str) -> bool {
        self.raw(name) == Some("true")
    }

    /// Returns a field that is an object.
    pub fn object(&self, name: &str) -> Option<Self> {
        Self::of_object(self.raw(name)?).ok()
    }

    /// Returns a field that is a list of objects. Other items are skipped.
    pub fn objects(&self, name: &str) -> Vec<Self> {
        self.items(name).into_iter().filter_map(|item| Self::of_object(item).ok()).collect()
    }

    /// Returns a field that is a list of strings. Other items are skipped.
    pub fn texts(&self, name: &str) -> Vec<Cow<'a, str>> {
        self.items(name).into_iter().filter_map(unescaped).collect()
    }

    /// Returns a field that is a list of whole numbers. Other items are skipped.
    pub fn wholes(&self, name: &str) -> Vec<u64> {
        self.items(name).into_iter().filter_map(check::whole).collect()
    }

    fn items(&self, name: &str) -> Vec<&'a str> {
        self.raw(name).and_then(|written| Scanner::new(written).items()).unwrap_or_default()
    }
}

fn members(text: &str, max_depth: usize) -> Result<Vec<Member<'_>>, DecodeError> {
    match Scanner::new(text).at_most(max_depth).whole() {
        Ok(Some(members)) => Ok(members),
        Ok(None) => Err(invalid("", DecodeError::NO_OBJECT)),
        Err(Broken::At(byte)) => Err(DecodeError::InvalidJson(["unexpected at byte ", &byte.to_string()].concat())),
        Err(Broken::TooDeep) => {
            Err(DecodeError::InvalidJson(["nests deeper than ", &max_depth.to_string(), " levels"].concat()))
        }
    }
}

fn verdict(table: &'static [(&str, &[Field])], type_name: &str, members: &[Member<'_>]) -> Verdict {
    let request_id = Field { name: "requestId", required: false, kind: check::Kind::Id };
    let checked = check::fields(&[request_id], members);
    match (checked, find(table, type_name)) {
        (Err(error), _) => Verdict::Broken(error),
        (Ok(()), None) => Verdict::Unknown,
        (Ok(()), Some(fields)) => check::fields(fields, members).map_or_else(Verdict::Broken, |()| Verdict::Known),
    }
}

fn find(table: &'static [(&str, &[Field])], type_name: &str) -> Option<&'static [Field]> {
    table.iter().find(|(word, _)| *word == type_name).map(|(_, fields)| *fields)
}

fn invalid(field: &str, problem: &str) -> DecodeError {
    DecodeError::InvalidMessage { field: field.to_owned(), problem: problem.to_owned() }
}
