//! A message in outline: checked field by field, and left as the text that it came in.
//!
//! It is what a client has to know of a message to act on it. Reading one makes no code for each type of message, so a
//! browser can have all of them; and whoever wants a message as a whole decodes its text.

mod check;
mod scan;
#[rustfmt::skip]
mod table;

use std::borrow::Cow;

use crate::{DecodeError, MAX_DEPTH, decode::strings};
use check::Field;
pub(crate) use scan::unescaped;
use scan::{Broken, Member, Scanner};

/// A message whose fields are as they should be, or the first that is not.
pub struct Outline<'a> {
    type_name: Cow<'a, str>,
    members: Vec<Member<'a>>,
    verdict: Verdict,
}

/// Whether a message can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This version knows it, and every field is as it should be.
    Known,
    /// This version does not know its `type`.
    Unknown,
    /// This version knows its `type`, and this is wrong with it.
    Broken(DecodeError),
}

impl<'a> Outline<'a> {
    /// Reads a server message.
    ///
    /// # Errors
    /// [`DecodeError`] for text that is not JSON, and for a message without a `type`. Whatever else is wrong is the
    /// [`Verdict`]: such a message may still have a place in a log.
    pub fn of_server(text: &'a str) -> Result<Self, DecodeError> {
        let members = members(text)?;
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

    /// Reads the fields of a command of this `type`.
    ///
    /// # Errors
    /// [`DecodeError`] for text that is no JSON object, for an unknown `type`, and for a field that is missing or
    /// outside its bounds.
    pub fn of_command(type_name: &'a str, fields: &'a str) -> Result<Self, DecodeError> {
        if let Some(broken) = strings::find_unreadable(fields) {
            members(&broken.repaired)?;
            return Err(invalid(&broken.field, broken.problem));
        }
        let members = members(fields)?;
        match verdict(table::CLIENT, type_name, &members) {
            Verdict::Known => Ok(Self { type_name: type_name.into(), members, verdict: Verdict::Known }),
            Verdict::Unknown => Err(DecodeError::UnknownType(type_name.to_owned())),
            Verdict::Broken(error) => Err(error),
        }
    }

    /// Reads any object, of whose fields nothing is known.
    ///
    /// # Errors
    /// [`DecodeError`] for text that is no JSON object.
    pub fn of_object(text: &'a str) -> Result<Self, DecodeError> {
        Ok(Self { type_name: Cow::Borrowed(""), members: members(text)?, verdict: Verdict::Unknown })
    }

    /// The `type` on the wire.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// Whether it can be used.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The names and values of a command's fields, without those that are absent or that nobody knows, as they stand.
    pub fn known_fields(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let fields = find(table::CLIENT, &self.type_name).into_iter().flatten();
        fields.filter_map(|field| {
            let member = self.members.iter().find(|member| member.name == field.name)?;
            (field.required || member.value != "null").then_some((field.name, member.value))
        })
    }

    /// The names and values of all members, as they stand.
    pub fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.members.iter().map(|member| (&*member.name, member.value))
    }

    /// The text of a field's value; none where the field is absent or `null`.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some(member.value).filter(|value| *value != "null")
    }

    /// A field that is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        unescaped(self.raw(name)?)
    }

    /// A field that is a whole number.
    pub fn whole(&self, name: &str) -> Option<u64> {
        check::whole(self.raw(name)?)
    }

    /// A field that is a boolean; an absent one is false.
    pub fn flag(&self, name: &str) -> bool {
        self.raw(name) == Some("true")
    }

    /// A field that is an object.
    pub fn object(&self, name: &str) -> Option<Self> {
        Self::of_object(self.raw(name)?).ok()
    }

    /// A field that is a list of strings; what is none is left out.
    pub fn texts(&self, name: &str) -> Vec<Cow<'a, str>> {
        self.items(name).into_iter().filter_map(unescaped).collect()
    }

    /// A field that is a list of whole numbers; what is none is left out.
    pub fn wholes(&self, name: &str) -> Vec<u64> {
        self.items(name).into_iter().filter_map(check::whole).collect()
    }

    fn items(&self, name: &str) -> Vec<&'a str> {
        self.raw(name).and_then(|written| Scanner::new(written).items()).unwrap_or_default()
    }
}

fn members(text: &str) -> Result<Vec<Member<'_>>, DecodeError> {
    match Scanner::new(text).whole() {
        Ok(Some(members)) => Ok(members),
        Ok(None) => Err(invalid("", DecodeError::NO_OBJECT)),
        Err(Broken::At(byte)) => Err(DecodeError::InvalidJson(format!("unexpected at byte {byte}"))),
        Err(Broken::TooDeep) => Err(DecodeError::InvalidJson(format!("nests deeper than {MAX_DEPTH} levels"))),
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
