//! What the command line says.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::{peers::Load, server::Programs};

/// The arguments of this program.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// Loads of the comparison with other servers (fan-out, rooms, …), or groups of benchmarks.
    #[arg(value_parser = Name::parse)]
    names: Vec<Name>,
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// How many times each server is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,
    /// How long a load is measured each time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) seconds: u8,
    /// The file of the baseline.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Compares the ratios to the floor with the baseline, and fails if one has become worse.
    #[arg(long, requires = "baseline")]
    pub(crate) compare: bool,
    /// Writes the ratios to the floor as the new baseline.
    #[arg(long, requires = "baseline", conflicts_with = "compare")]
    pub(crate) write_baseline: bool,
}

/// A group of benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// All loads of the comparison with other servers.
    Peers,
    /// Growth.
    Growth,
    /// Confirmed appends with a data file.
    Append,
    /// Publications to a declared topic.
    Declared,
    /// Two nodes on Redis and RabbitMQ.
    Nodes,
    /// Two nodes on Redis next to Centrifugo.
    Cluster,
}

/// A name of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Load(Load),
    Group(Group),
}

impl Name {
    fn parse(text: &str) -> Result<Self, String> {
        use clap::ValueEnum;

        fn names<T: ValueEnum + 'static>() -> impl Iterator<Item = String> {
            T::value_variants().iter().filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
        }
        let load = Load::from_str(text, false).map(Self::Load);
        load.or_else(|_| Group::from_str(text, false).map(Self::Group)).map_err(|_| {
            let all: Vec<String> = names::<Load>().chain(names::<Group>()).collect();
            format!("the benchmarks are {}", all.join(", "))
        })
    }
}

impl Options {
    /// Returns the file of the baseline.
    ///
    /// # Errors
    /// If none is named.
    pub(crate) fn baseline(&self) -> Result<&Path, String> {
        self.baseline.as_deref().ok_or_else(|| "--baseline FILE is missing".to_owned())
    }

    /// Returns whether a group is to be run. Without names, these are all that take no more than a few minutes.
    pub(crate) fn wants(&self, group: Group) -> bool {
        if self.names.is_empty() {
            let is_baseline = self.compare || self.write_baseline;
            return group == Group::Peers || !is_baseline && !matches!(group, Group::Growth | Group::Cluster);
        }
        self.names.contains(&Name::Group(group))
    }

    /// Returns the loads of the comparison with other servers that are to be run.
    pub(crate) fn loads(&self) -> Vec<Load> {
        let is_wanted = |load: &Load| self.wants(Group::Peers) || self.names.contains(&Name::Load(*load));
        Load::ALL.into_iter().filter(is_wanted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(["bench", "--gateway", "gateway"].into_iter().chain(arguments.split_whitespace()))
    }

    #[test]
    fn selects_loads_and_groups_by_name() {
        let some = options("rooms append").expect("valid");
        assert_eq!(some.loads(), [Load::Rooms]);
        assert!(some.wants(Group::Append) && !some.wants(Group::Growth) && !some.wants(Group::Nodes));
        assert_eq!(options("peers").expect("valid").loads(), Load::ALL);
    }

    #[test]
    fn runs_what_takes_minutes_by_default_and_only_loads_for_the_baseline() {
        let all = options("").expect("valid");
        assert!(all.wants(Group::Nodes) && !all.wants(Group::Growth) && !all.wants(Group::Cluster));
        let compare = options("--compare --baseline file").expect("valid");
        assert!(!compare.loads().is_empty() && !compare.wants(Group::Nodes));
    }

    #[test]
    fn explains_wrong_arguments() {
        let error = options("room").expect_err("no such name").to_string();
        assert!(error.contains("the benchmarks are fan-out, rooms"), "{error}");
        assert!(options("--compare").is_err(), "it needs the file");
        assert!(options("--compare --write-baseline --baseline file").is_err(), "one of the two");
        assert!(options("--rounds 0").is_err());
    }
}
