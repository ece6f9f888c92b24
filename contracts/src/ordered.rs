//! The order of the members of JSON objects in a text. [`serde_json::Map`] sorts members by name, and its feature that
//! keeps their order would apply to every crate of a build.

use std::{fmt, ops::Deref};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The order of the members of all objects within a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberOrder {
    /// The value is neither an object nor an array.
    Scalar,
    /// The orders of the elements.
    Array(Vec<MemberOrder>),
    /// The names in the order of the text, with the order of each member's value.
    Object(Vec<(String, MemberOrder)>),
}

impl MemberOrder {
    /// Reads the order of a text that is valid JSON. Returns `None` when it is not.
    pub(crate) fn of(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A JSON value whose members are listed in the order of the text that it was read from.
#[derive(Debug, Clone, Copy)]
pub struct OrderedValue<'a> {
    value: &'a Value,
    order: &'a MemberOrder,
}

impl<'a> OrderedValue<'a> {
    /// Creates the view. The order is that of the same text as the value.
    pub(crate) fn new(value: &'a Value, order: &'a MemberOrder) -> Self {
        Self { value, order }
    }

    /// Returns the value.
    pub fn value(self) -> &'a Value {
        self.value
    }

    /// Returns the members of an object in the order of the text, and nothing for other values.
    pub fn members(self) -> impl Iterator<Item = (&'a str, OrderedValue<'a>)> {
        let names = if let MemberOrder::Object(names) = self.order { names.as_slice() } else { &[] };
        names.iter().filter_map(move |(name, order)| {
            self.value.get(name.as_str()).map(|value| (name.as_str(), OrderedValue { value, order }))
        })
    }

    /// Returns the elements of an array, and nothing for other values.
    pub fn elements(self) -> impl Iterator<Item = OrderedValue<'a>> {
        let orders = if let MemberOrder::Array(orders) = self.order { orders.as_slice() } else { &[] };
        let values = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().zip(orders).map(|(value, order)| OrderedValue { value, order })
    }

    /// Returns a member of an object.
    pub fn member(self, name: &str) -> Option<OrderedValue<'a>> {
        let MemberOrder::Object(names) = self.order else { return None };
        let (_, order) = names.iter().find(|(found, _)| found == name)?;
        self.value.get(name).map(|value| OrderedValue { value, order })
    }
}

impl Deref for OrderedValue<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value
    }
}

impl<'de> Deserialize<'de> for MemberOrder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderVisitor)
    }
}

struct OrderVisitor;

impl<'de> Visitor<'de> for OrderVisitor {
    type Value = MemberOrder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<MemberOrder, E> {
        Ok(MemberOrder::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<MemberOrder, E> {
        Ok(MemberOrder::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<MemberOrder, E> {
        Ok(MemberOrder::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<MemberOrder, E> {
        Ok(MemberOrder::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<MemberOrder, E> {
        Ok(MemberOrder::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<MemberOrder, E> {
        Ok(MemberOrder::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<MemberOrder, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(MemberOrder::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<MemberOrder, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(MemberOrder::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_members_in_the_order_of_the_text() {
        let text = r#"{"z":{"b":1,"a":[{"y":null,"x":"\u0061"},2.5,-1,true]},"q\u0075":{}}"#;
        let (value, order) = (serde_json::from_str(text).unwrap(), MemberOrder::of(text).unwrap());
        let root = OrderedValue::new(&value, &order);
        let names = |value: OrderedValue<'_>| value.members().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(root), ["z", "qu"]);
        let z = root.member("z").unwrap();
        assert_eq!(names(z), ["b", "a"]);
        let elements: Vec<_> = z.member("a").unwrap().elements().collect();
        assert_eq!((elements.len(), names(elements[0])), (4, vec!["y".to_owned(), "x".to_owned()]));
        assert!(root.member("b").is_none() && elements[1].members().next().is_none());
    }

    #[test]
    fn refuses_text_that_is_not_json() {
        assert_eq!(MemberOrder::of("{"), None);
    }
}
