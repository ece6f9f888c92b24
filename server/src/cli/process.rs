//! Finds the gateways that run on this machine through `/proc` of Linux: the processes that run `serve` of this
//! program, and their configurations.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process};

/// The suffix that Linux appends to the path of a program that was replaced or removed while it runs.
const DELETED: &str = " (deleted)";

/// The running gateways that were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The gateways that this process may inspect.
    pub(super) gateways: Vec<GatewayProcess>,
    /// The number of processes that look like gateways and belong to another user.
    pub(super) hidden: usize,
}

/// A process that may be a gateway.
#[derive(Debug, Clone)]
pub(super) struct GatewayProcess {
    /// The process id.
    pub(super) id: i32,
    arguments: Vec<OsString>,
}

/// Finds the running gateways of this program.
///
/// # Errors
/// When the system has no `/proc`.
pub(super) fn find() -> io::Result<Found> {
    let own = Program::of("self")?;
    let mut found = Found::default();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let gateway = GatewayProcess { id, arguments: arguments(id) };
        if u32::try_from(id).is_ok_and(|id| id == std::process::id()) || !gateway.looks_serving() {
            continue;
        }
        match Program::of(&id.to_string()) {
            Ok(program) if program.is_same(&own) => found.gateways.push(gateway),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && gateway.is_named_like(&own) => {
                found.hidden += 1;
            }
            // It is another program, or it has ended meanwhile.
            _ => {}
        }
    }
    found.gateways.sort_by_key(|gateway| gateway.id);
    Ok(found)
}

impl GatewayProcess {
    /// Returns the process with this id, regardless of its program.
    pub(super) fn with_id(id: i32) -> Self {
        Self { id, arguments: arguments(id) }
    }

    /// Returns whether the arguments are those of `serve`. A program with custom services may serve without arguments.
    fn looks_serving(&self) -> bool {
        match &self.arguments[..] {
            [] => false,
            [_] => true,
            [_, command, ..] => command == "serve",
        }
    }

    fn is_named_like(&self, own: &Program) -> bool {
        let name = self.arguments.first().and_then(|program| Path::new(program).file_name());
        name.is_some() && name == own.path.file_name()
    }

    /// Returns the configuration file that the process reads: that of `--config`, or `gateway.toml` in its working
    /// directory.
    pub(super) fn config(&self) -> PathBuf {
        let mut arguments = self.arguments.iter();
        let named = arguments.find_map(|argument| {
            let bytes = argument.as_bytes();
            bytes.strip_prefix(b"--config=").map(|path| OsString::from_vec(path.to_vec()))
        });
        let follows = self.arguments.iter().skip_while(|argument| *argument != "--config").nth(1).cloned();
        named.or(follows).map_or_else(|| PathBuf::from("gateway.toml"), PathBuf::from)
    }

    /// Returns whether the process reads this configuration file.
    pub(super) fn reads(&self, file: &Path) -> bool {
        let config = self.config();
        // Resolve the path in the file system of the process, which may differ in a container.
        let seen = match config.strip_prefix("/") {
            Ok(below) => self.proc("root").join(below),
            Err(_) => self.proc("cwd").join(config),
        };
        match (fs::metadata(seen), fs::metadata(file)) {
            (Ok(seen), Ok(file)) => (seen.dev(), seen.ino()) == (file.dev(), file.ino()),
            _ => false,
        }
    }

    /// Returns whether the process handles a signal instead of being ended by it. `None` if the system does not report
    /// it.
    pub(super) fn handles(&self, signal: Signal) -> Option<bool> {
        let status = fs::read_to_string(self.proc("status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        // Signal 1 is bit 0.
        let bit = u32::try_from(signal.as_raw()).ok()?.checked_sub(1)?;
        Some(caught.checked_shr(bit).unwrap_or_default() & 1 == 1)
    }

    /// Reads the configuration like the process, with its program, environment and working directory. Returns the
    /// problem of the configuration, if one can be determined.
    pub(super) fn configuration_problem(&self) -> Option<String> {
        // Without arguments it is unknown whether the process runs with --dev.
        if self.arguments.len() < 2 {
            return None;
        }
        let environment = fs::read(self.proc("environ")).ok()?;
        let variables = environment.split(|byte| *byte == 0).filter_map(|variable| {
            let at = variable.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (variable.get(..at)?, variable.get(at + 1..)?);
            Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
        });
        let mut command = Command::new(self.proc("exe"));
        command.arg("config").env_clear().envs(variables).current_dir(self.proc("cwd"));
        if self.arguments.iter().any(|argument| argument.as_bytes().starts_with(b"--config")) {
            command.arg("--config").arg(self.config());
        }
        if self.arguments.iter().any(|argument| argument == "--dev") {
            command.arg("--dev");
        }
        let output = command.output().ok()?;
        if output.status.success() {
            return None;
        }
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Some(text.strip_prefix("gateway: ").unwrap_or(&text).to_owned())
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// When the process has ended, or belongs to another user.
    pub(super) fn send(&self, signal: Signal) -> io::Result<()> {
        let id = Pid::from_raw(self.id).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(kill_process(id, signal)?)
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.id.to_string()).join(name)
    }
}

/// The program of a process and its PID namespace.
struct Program {
    path: PathBuf,
    /// The device and inode number of the file.
    file: Option<(u64, u64)>,
    /// The PID namespace. Process ids of a container are only valid inside of it.
    namespace: PathBuf,
}

impl Program {
    fn of(process: &str) -> io::Result<Self> {
        let folder = Path::new("/proc").join(process);
        let path = fs::read_link(folder.join("exe"))?;
        let path = match path.to_str().and_then(|path| path.strip_suffix(DELETED)) {
            Some(path) => PathBuf::from(path),
            None => path,
        };
        let file = fs::metadata(folder.join("exe")).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        Ok(Self { path, file, namespace: fs::read_link(folder.join("ns/pid"))? })
    }

    /// Returns whether both run the same program. After an upgrade, the path is the same although the file differs.
    fn is_same(&self, other: &Self) -> bool {
        self.namespace == other.namespace && (self.path == other.path || self.file.is_some() && self.file == other.file)
    }
}

/// Returns the command line of a process. It is empty if the process has none or has ended.
fn arguments(id: i32) -> Vec<OsString> {
    let line = fs::read(Path::new("/proc").join(id.to_string()).join("cmdline")).unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    if line.is_empty() {
        return Vec::new();
    }
    line.split(|byte| *byte == 0).map(|argument| OsString::from_vec(argument.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(arguments: &[&str]) -> GatewayProcess {
        let id = i32::try_from(std::process::id()).unwrap();
        GatewayProcess { id, arguments: arguments.iter().map(OsString::from).collect() }
    }

    #[test]
    fn recognizes_serving_process_by_its_arguments() {
        for (arguments, serves) in [
            (&["/usr/local/bin/gateway", "serve"][..], true),
            (&["gateway", "serve", "--config", "x"], true),
            (&["custom_service"], true),
            (&["gateway", "healthcheck"], false),
            (&["gateway", "token", "--user", "serve"], false),
            (&[], false),
        ] {
            assert_eq!(process(arguments).looks_serving(), serves, "{arguments:?}");
        }
    }

    #[test]
    fn uses_configuration_file_of_the_arguments_or_the_default() {
        for (arguments, config) in [
            (&["gateway", "serve", "--config", "/etc/a.toml"][..], "/etc/a.toml"),
            (&["gateway", "serve", "--config=a.toml", "--dev"], "a.toml"),
            (&["gateway", "serve", "--dev"], "gateway.toml"),
        ] {
            assert_eq!(process(arguments).config(), Path::new(config));
        }
    }

    #[test]
    fn detects_whether_a_process_handles_a_signal() {
        let mut sleeps = Command::new("sleep").arg("60").spawn().unwrap();
        let id = i32::try_from(sleeps.id()).unwrap();
        assert_eq!(GatewayProcess::with_id(id).handles(Signal::HUP), Some(false));
        sleeps.kill().unwrap();
        sleeps.wait().unwrap();
        assert_eq!(GatewayProcess::with_id(id).handles(Signal::HUP), None, "it has ended");
    }
}
