//! The environment variables, including those of a `.env` file. Only this file reads the variables of the process.

use std::{collections::BTreeMap, fs, io, path::Path};

use super::{ConfigError, Source, dotenv};

/// Variables by name. Those of the process override those of `.env`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
}

#[derive(Clone)]
struct Variable {
    value: String,
    from_file: bool,
}

impl Environment {
    /// Reads the variables of this process and of `.env` in the working directory.
    ///
    /// # Errors
    /// [`ConfigError::File`] when `.env` exists and cannot be read or parsed.
    pub fn read() -> Result<Self, ConfigError> {
        Self::read_in(Path::new("."))
    }

    pub(super) fn read_in(directory: &Path) -> Result<Self, ConfigError> {
        let mut environment = Self::default();
        let path = directory.join(".env");
        match fs::read_to_string(&path) {
            Ok(text) => environment.add_file(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(ConfigError::File { path: ".env".into(), problem: format!("cannot be read: {error}") });
            }
        }
        // A variable that is not Unicode cannot be a setting of the gateway.
        let process =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        environment.add_process(process);
        Ok(environment)
    }

    /// Returns the value of a variable. An empty value counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns the variables with a prefix that are not empty, with their sources.
    pub(super) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str, Source)> {
        let ours = self
            .variables
            .iter()
            .filter(move |(name, variable)| name.starts_with(prefix) && !variable.value.is_empty());
        ours.map(|(name, variable)| {
            let source =
                if variable.from_file { Source::DotEnv(name.clone()) } else { Source::Environment(name.clone()) };
            (name.as_str(), variable.value.as_str(), source)
        })
    }

    pub(super) fn add_process(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let variables = variables.map(|(name, value)| (name, Variable { value, from_file: false }));
        self.variables.extend(variables);
    }

    pub(super) fn add_file(&mut self, text: &str) -> Result<(), ConfigError> {
        for (name, value) in dotenv::variables(text)? {
            self.variables.insert(name, Variable { value, from_file: true });
        }
        Ok(())
    }
}

/// Returns the name and the arguments of this process.
pub(crate) fn command_line() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(file: &str) -> Environment {
        let mut environment = Environment::default();
        environment.add_file(file).unwrap();
        environment
    }

    #[test]
    fn process_variables_override_the_file() {
        let mut environment = environment("GATEWAY_A=file\nGATEWAY_B=file");
        environment.add_process([("GATEWAY_A".to_owned(), "process".to_owned())].into_iter());
        let all: Vec<_> = environment.with_prefix("GATEWAY_").collect();
        assert_eq!(all[0], ("GATEWAY_A", "process", Source::Environment("GATEWAY_A".into())));
        assert_eq!(all[1], ("GATEWAY_B", "file", Source::DotEnv("GATEWAY_B".into())));
    }
}
