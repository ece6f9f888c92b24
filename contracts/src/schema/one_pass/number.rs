//! Numbers of the data, and the keywords for numbers.

/// A number of the data.
#[derive(Clone, Copy)]
pub(super) enum Number {
    /// A whole number of at most 18 digits, without a fraction or an exponent.
    Integer(i64),
    /// A number with a fraction or an exponent, or `-0`.
    Float(f64),
    /// A whole number of more digits.
    Large,
}

/// A bound of numbers, as the schema has it.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    Integer(i64),
    Float(f64),
}

/// How a number relates to a limit.
#[derive(Clone, Copy)]
pub(super) enum Relation {
    AtLeast,
    AtMost,
    Over,
    Under,
}

/// The keywords for numbers.
#[derive(Default)]
pub(super) struct NumberRules {
    pub(super) limits: Vec<(Relation, Limit)>,
    /// The values of an integer format.
    pub(super) range: Option<(i64, i64)>,
    pub(super) multiple_of: Option<i64>,
}

/// The largest magnitude up to which each whole number is a floating-point number.
pub(super) const MAX_EXACT: i64 = 1 << 53;

impl NumberRules {
    pub(super) fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.range.is_none() && self.multiple_of.is_none()
    }

    /// Returns `None` unless the number certainly follows the rules.
    pub(super) fn accept(&self, number: Number) -> Option<()> {
        let fits = match number {
            Number::Integer(integer) => {
                self.limits.iter().all(|(relation, limit)| relation.holds_for_integer(integer, *limit))
                    && self.range.is_none_or(|(least, most)| (least..=most).contains(&integer))
                    && self.multiple_of.is_none_or(|factor| integer % factor == 0)
            }
            Number::Float(float) => {
                self.range.is_none()
                    && self.multiple_of.is_none()
                    && self.limits.iter().all(|(relation, limit)| relation.holds_for_float(float, *limit))
            }
            Number::Large => self.is_empty(),
        };
        fits.then_some(())
    }
}

impl Relation {
    fn holds_for_integer(self, integer: i64, limit: Limit) -> bool {
        match limit {
            Limit::Integer(limit) => self.holds(&integer, &limit),
            Limit::Float(limit) => exact(integer).is_some_and(|integer| self.holds(&integer, &limit)),
        }
    }

    fn holds_for_float(self, float: f64, limit: Limit) -> bool {
        match limit {
            Limit::Integer(limit) => exact(limit).is_some_and(|limit| self.holds(&float, &limit)),
            Limit::Float(limit) => self.holds(&float, &limit),
        }
    }

    fn holds<N: PartialOrd>(self, number: &N, limit: &N) -> bool {
        match self {
            Self::AtLeast => number >= limit,
            Self::AtMost => number <= limit,
            Self::Over => number > limit,
            Self::Under => number < limit,
        }
    }
}

/// Returns the floating-point number that is equal to a whole number, if it is small enough.
fn exact(integer: i64) -> Option<f64> {
    (-MAX_EXACT..=MAX_EXACT).contains(&integer).then_some(integer as f64)
}
