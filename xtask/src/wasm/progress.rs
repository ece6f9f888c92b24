//! The progress of the build of the npm package, for the terminal and for the demo page of a running gateway.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use crate::project::Project;

/// The number of steps of the build.
const STEPS: usize = 6;

/// A build in progress.
pub(super) struct Progress {
    begun: Instant,
    done: usize,
    /// The file with the time of the last change, in milliseconds since 1970, and a line of text. `server/build.rs`
    /// names it too.
    status: PathBuf,
}

impl Progress {
    /// Starts a build.
    pub(super) fn begin(project: &Project) -> Self {
        Self { begun: Instant::now(), done: 0, status: project.root().join("sdk-wasm/build-status") }
    }

    /// Starts the next step.
    ///
    /// # Errors
    /// If standard output or the status cannot be written.
    pub(super) fn step(&mut self, what: &str) -> io::Result<()> {
        self.done += 1;
        let line = format!("step {} of {STEPS}: {what}", self.done);
        writeln!(io::stdout(), "browser SDK, {line} ({:.0} s so far)", self.begun.elapsed().as_secs_f64())?;
        self.show(&line)
    }

    /// Ends the build. The page stops waiting after a success, and shows the error after a failure.
    ///
    /// # Errors
    /// If standard output or the status cannot be written.
    pub(super) fn end(self, result: &anyhow::Result<()>) -> io::Result<()> {
        match result {
            Ok(()) => {
                writeln!(io::stdout(), "browser SDK: built in {:.0} s", self.begun.elapsed().as_secs_f64())?;
                match fs::remove_file(&self.status) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
            Err(error) => self.show(&format!("The build of the browser SDK failed: {error:#}")),
        }
    }

    fn show(&self, line: &str) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        // The page may read the file at any time, so it is replaced atomically.
        let new = self.status.with_extension("new");
        fs::write(&new, format!("{now}\n{line}\n"))?;
        fs::rename(new, &self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_shows_each_step_and_build_error() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let status = folder.path().join("build-status");
        let begin = || Progress { begun: Instant::now(), done: 0, status: status.clone() };
        let shown = || fs::read_to_string(&status).expect("a status");

        let mut progress = begin();
        progress.step("one").expect("it is written");
        progress.step("two").expect("it is written");
        let text = shown();
        let (at, line) = text.split_once('\n').expect("a time and a line");
        assert!(at.parse::<u64>().is_ok_and(|at| at > 1_700_000_000_000), "{at}");
        assert_eq!(line, "step 2 of 6: two\n");
        progress.end(&Err(anyhow::anyhow!("no compiler"))).expect("it is written");
        assert!(shown().contains("failed: no compiler"), "{}", shown());

        begin().end(&Ok(())).expect("it is removed");
        assert!(!status.exists());
        begin().end(&Ok(())).expect("there is nothing to remove");
    }
}
