//! Topic patterns: a literal, then parameters with literals between them, such as `order-{orderId}`.

use std::fmt;

use realtime_gateway_protocol::{IdError, TopicName};

use crate::MemberName;

/// The parameter whose value is the id of the only user who may use the topic.
const USER_ID: &str = "userId";

/// The pattern of the topics that a contract declares together.
#[derive(Clone, PartialEq, Eq)]
pub struct TopicPattern {
    first: String,
    parameters: Vec<Parameter>,
}

/// A parameter of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name in braces.
    pub name: MemberName,
    /// The literal after the parameter. `None` for the last parameter, which takes the rest of the topic.
    pub separator: Option<String>,
}

/// The values of the parameters in the name of a topic, in the order of the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterValues<'a>(Vec<(&'a MemberName, &'a str)>);

impl<'a> ParameterValues<'a> {
    /// Returns the names and values, in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&'a MemberName, &'a str)> {
        self.0.iter().copied()
    }

    /// Returns the value of `{userId}`, if the pattern has it.
    pub fn user_id(&self) -> Option<&'a str> {
        self.0.last().filter(|(name, _)| name.as_str() == USER_ID).map(|(_, value)| *value)
    }
}

/// The reason why no topic has these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// There is not exactly one value for each parameter.
    #[error("the pattern has {expected} parameters, not {given}")]
    Count {
        /// The number of parameters.
        expected: usize,
        /// The number of values.
        given: usize,
    },
    /// A value is empty.
    #[error("the value of {{{0}}} is empty")]
    Empty(MemberName),
    /// A value contains the literal that follows it, or would make it begin too early.
    #[error(
        "the value of {{{name}}} must not contain {separator:?}, also not together with the {separator:?} after it"
    )]
    Separator {
        /// The parameter.
        name: MemberName,
        /// The literal after the parameter.
        separator: String,
    },
    /// The topic would be no identifier.
    #[error("{0}")]
    Topic(#[from] IdError),
}

impl TopicPattern {
    /// Parses a pattern. The error is the end of a sentence that starts with the key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (first, mut rest) = text.split_at(text.find('{').unwrap_or(text.len()));
        if first.is_empty() {
            return Err(format!("is {text:?}: it must begin with a literal, such as order-{{orderId}}"));
        }
        let mut parameters: Vec<Parameter> = Vec::new();
        while !rest.is_empty() {
            let Some((name, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
                return Err(format!("is {text:?}: a `{{` has no `}}`"));
            };
            let name = MemberName::new(name)
                .ok_or_else(|| format!("has the parameter {{{name}}}: its name must match [a-z][A-Za-z0-9]{{0,63}}"))?;
            if parameters.iter().any(|parameter| parameter.name == name) {
                return Err(format!("has the parameter {{{name}}} twice"));
            }
            let (literal, next) = after.split_at(after.find('{').unwrap_or(after.len()));
            let separator = match (literal.is_empty(), next.is_empty()) {
                (true, true) => None,
                (true, false) => return Err(format!("has no literal between {{{name}}} and the next parameter")),
                (false, true) => {
                    return Err(format!(
                        "has {literal:?} after {{{name}}}: the last parameter takes the rest of the topic"
                    ));
                }
                (false, false) => Some(literal.to_owned()),
            };
            if name.as_str() == USER_ID && separator.is_some() {
                return Err("has a parameter after {userId}, which must be the last one".into());
            }
            parameters.push(Parameter { name, separator });
            rest = next;
        }
        let pattern = Self { first: first.to_owned(), parameters };
        pattern.check_literals(text)?;
        Ok(pattern)
    }

    fn check_literals(&self, text: &str) -> Result<(), String> {
        if self.literals().any(|literal| literal.contains('}')) {
            return Err(format!("is {text:?}: a `}}` has no `{{`"));
        }
        // The shortest topic of the pattern.
        let shortest: String =
            self.literals().collect::<Vec<_>>().join("x") + if self.parameters.is_empty() { "" } else { "x" };
        TopicName::new(&shortest).map(drop).map_err(|problem| format!("is {text:?}, which no topic matches: {problem}"))
    }

    fn literals(&self) -> impl Iterator<Item = &str> {
        let separators = self.parameters.iter().filter_map(|parameter| parameter.separator.as_deref());
        std::iter::once(self.first.as_str()).chain(separators)
    }

    /// Returns the literal before the first parameter.
    pub fn first_literal(&self) -> &str {
        &self.first
    }

    /// Returns the parameters in their order. A pattern without parameters is one topic.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Returns whether the pattern ends with `{userId}`, so that each topic belongs to one user.
    pub fn is_of_user(&self) -> bool {
        self.parameters.last().is_some_and(|last| last.name.as_str() == USER_ID)
    }

    /// Returns the values of the parameters in the name of a topic, or `None` when it does not match.
    pub fn values<'a>(&'a self, topic: &'a str) -> Option<ParameterValues<'a>> {
        let mut values = Vec::with_capacity(self.parameters.len());
        self.read(topic, |name, value| values.push((name, value))).then_some(ParameterValues(values))
    }

    /// Returns whether a topic has this pattern.
    pub fn matches(&self, topic: &str) -> bool {
        self.read(topic, |_, _| ())
    }

    /// Reads the values of the parameters. Returns whether the topic matches.
    fn read<'a>(&'a self, topic: &'a str, mut found: impl FnMut(&'a MemberName, &'a str)) -> bool {
        let Some(mut rest) = topic.strip_prefix(self.first.as_str()) else { return false };
        for Parameter { name, separator } in &self.parameters {
            let (value, after) = match separator {
                Some(separator) => match rest.split_once(separator.as_str()) {
                    Some(split) => split,
                    None => return false,
                },
                None => (rest, ""),
            };
            if value.is_empty() {
                return false;
            }
            found(name, value);
            rest = after;
        }
        rest.is_empty()
    }

    /// Returns the topic that has these values, in the order of the parameters.
    ///
    /// # Errors
    /// A [`ValueError`] when no topic has exactly these values.
    pub fn topic(&self, values: &[&str]) -> Result<TopicName, ValueError> {
        if values.len() != self.parameters.len() {
            return Err(ValueError::Count { expected: self.parameters.len(), given: values.len() });
        }
        let mut topic = self.first.clone();
        for (Parameter { name, separator }, value) in self.parameters.iter().zip(values) {
            if value.is_empty() {
                return Err(ValueError::Empty(name.clone()));
            }
            topic.push_str(value);
            let Some(separator) = separator else { continue };
            // The value `a-` before `--` contains no `--`, but `a---` would be read as the value `a`.
            if format!("{value}{separator}").find(separator.as_str()) != Some(value.len()) {
                return Err(ValueError::Separator { name: name.clone(), separator: separator.clone() });
            }
            topic.push_str(separator);
        }
        Ok(TopicName::new(topic)?)
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first)?;
        self.parameters.iter().try_for_each(|Parameter { name, separator }| {
            write!(f, "{{{name}}}{}", separator.as_deref().unwrap_or_default())
        })
    }
}

impl fmt::Debug for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicPattern({self})")
    }
}

#[cfg(test)]
mod tests;
