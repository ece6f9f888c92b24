//! Runs other programs: with shared output, with captured output, or with shown output and counted test results.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail};

use crate::counts::{Counts, Format, Tally};

/// Runs a program with the terminal of this process.
///
/// # Errors
/// If it cannot be started or fails; the error names the command line.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program and returns what it wrote to standard output; its standard error is shown.
///
/// # Errors
/// If it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("start `{}`", line(command)))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", line(command), output.status);
    }
    Ok(output.stdout)
}

/// Returns whether a program can be started and succeeds; its output is discarded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Runs a test runner, shows its output and counts the tests in its summary.
///
/// # Errors
/// If it cannot be started, or fails without having counted a failed test.
pub(crate) fn run_counted(command: &mut Command, format: Format) -> anyhow::Result<Counts> {
    run_counted_to(command, format, &mut io::stdout(), &mut io::stderr())
}

fn run_counted_to(
    command: &mut Command,
    format: Format,
    out: &mut (impl Write + Send),
    err: &mut (impl Write + Send),
) -> anyhow::Result<Counts> {
    let name = line(command);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(|| format!("start `{name}`"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both pipes must be read concurrently: a runner blocks indefinitely when it fills a pipe that is not read.
    let counts = thread::scope(|scope| {
        let errors = scope.spawn(|| stderr.map_or(Ok(Counts::default()), |pipe| show(pipe, format, err)));
        let lines = stdout.map_or(Ok(Counts::default()), |pipe| show(pipe, format, out))?;
        let errors = errors.join().map_err(|_| io::Error::other("the reader of standard error panicked"))??;
        io::Result::Ok(lines + errors)
    });
    let status = child.wait().with_context(|| format!("wait for `{name}`"))?;
    let counts = counts.with_context(|| format!("read the output of `{name}`"))?;
    if !status.success() && counts.failed == 0 {
        bail!("`{name}` failed ({status})");
    }
    Ok(counts)
}

/// Copies every line immediately, and adds up the summaries of test runners in them.
fn show(pipe: impl Read, format: Format, to: &mut impl Write) -> io::Result<Counts> {
    let mut tally = Tally::new(format);
    let mut lines = BufReader::new(pipe);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        tally.read(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally.counts())
}

/// Returns the command as a person would type it, for messages.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| line + " " + &argument.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the results in a script's output without showing it: the runner of these tests would count them too.
    fn counted(script: &str) -> anyhow::Result<Counts> {
        run_counted_to(Command::new("sh").args(["-c", script]), Format::Rustdoc, &mut io::sink(), &mut io::sink())
    }

    #[test]
    fn adds_up_counts_of_both_streams() {
        let script = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored'; \
                      echo 'test result: FAILED. 3 passed; 1 failed; 0 ignored' >&2; exit 100";
        let counts = counted(script).expect("a failed test is a count, not an error");
        assert_eq!(counts, Counts { passed: 5, failed: 1 });
    }

    #[test]
    fn reports_runner_that_fails_without_failed_test() {
        let error = counted("echo could not compile >&2; exit 101").expect_err("it failed");
        assert!(error.to_string().contains("exit status: 101"), "{error}");
    }

    #[test]
    fn shows_counted_output() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut script = Command::new("sh");
        run_counted_to(script.args(["-c", "echo one; echo two >&2; printf three"]), Format::Node, &mut out, &mut err)
            .expect("it ran");
        assert_eq!((out.as_slice(), err.as_slice()), (&b"one\nthree"[..], &b"two\n"[..]));
    }

    #[test]
    fn names_missing_program() {
        let error = run(&mut Command::new("no-such-program")).expect_err("there is no such program");
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
