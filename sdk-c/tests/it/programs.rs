//! Programs in other languages that use the library: in Python by `ctypes`, in C with the header.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Returns a file of this crate.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the folder in which cargo has put the shared and the static library, next to this test.
fn libraries() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
fn python_replays_transcripts_through_the_shared_library() {
    let library = libraries().join(format!("{}gateway_core{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX));
    let mut python = Command::new("python3");
    python.arg(file("test/transcripts.py")).arg(library).arg(file("../sdk-core/transcripts"));
    let printed = run(&mut python);
    let transcripts = fs::read_dir(file("../sdk-core/transcripts")).unwrap().count();
    assert!(printed.starts_with(&format!("{transcripts} transcripts")), "{printed}");
}
