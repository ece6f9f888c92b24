//! A scenario: a story between one client and the scripted gateway, and the mutant that it has to notice.

use std::pin::Pin;

use crate::{failure::Step, mutants::Mutant, scenarios, world::World};

/// A scenario.
pub(crate) struct Scenario {
    /// The group and the name, such as `close/replaced`.
    pub(crate) name: &'static str,
    /// What a client has to do.
    pub(crate) about: &'static str,
    /// The name of a mutant that makes the scenario red.
    pub(crate) mutant: &'static str,
    /// About how long it takes, in seconds. Long ones begin first.
    pub(crate) seconds: u32,
    /// Whether its log has a hash that is the same for all SDKs.
    pub(crate) is_seeded: bool,
    pub(crate) story: Story,
}

/// What happens in a scenario.
pub(crate) type Story = for<'a> fn(&'a World<'a>) -> Pin<Box<dyn Future<Output = Step> + Send + 'a>>;

impl Scenario {
    /// Returns the group of the scenario.
    pub(crate) fn group(&self) -> &'static str {
        self.name.split_once('/').map_or(self.name, |(group, _)| group)
    }

    /// Returns the mutant that makes the scenario red.
    pub(crate) fn mutant(&self) -> Option<&'static Mutant> {
        crate::mutants::named(self.mutant)
    }
}

/// Returns all scenarios, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    scenarios::GROUPS.iter().copied().flatten()
}

/// Makes scenarios of functions: `"name" => function, "mutant", "what a client has to do";`.
macro_rules! group {
    ($($name:literal => $story:expr, $mutant:literal, $about:literal $(, $seconds:literal s)?;)+) => {
        pub(super) const ALL: &[$crate::scenario::Scenario] = &[$($crate::scenario::Scenario {
            name: $name,
            about: $about,
            mutant: $mutant,
            seconds: 0 $(+ $seconds)?,
            is_seeded: false,
            story: |world| Box::pin($story(world)),
        }),+];
    };
}
pub(crate) use group;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_at_least_sixty_with_unique_names() {
        let names: BTreeSet<_> = all().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() >= 60, "{} scenarios", names.len());
    }

    #[test]
    fn each_has_a_mutant() {
        let without: Vec<_> =
            all().filter(|scenario| scenario.mutant().is_none()).map(|scenario| scenario.name).collect();
        assert_eq!(without, [""; 0]);
    }
}
