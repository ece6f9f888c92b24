//! `setup-gateway.sh` installs a gateway below a root folder, starts it, and changes nothing on a second run.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use realtime_gateway_tests::gateway_program;
use tempfile::TempDir;
use tokio::process::Command;

/// A folder that replaces the root of a machine, and the address on which its gateway listens.
struct Machine {
    root: TempDir,
    listen: String,
}

impl Machine {
    fn new() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        Self { root: tempfile::tempdir().unwrap(), listen: free.to_string() }
    }

    /// Runs the script, which must succeed, and returns its output without the folder's name.
    async fn setup(&self, arguments: &[&str]) -> Vec<String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../setup-gateway.sh");
        let mut command = Command::new(script);
        command.arg("--root").arg(self.root.path()).arg("--binary").arg(gateway_program());
        let output = command.args(["--listen", &self.listen]).args(arguments).output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let log = std::fs::read_to_string(self.root.path().join("gateway.log")).unwrap_or_default();
        assert!(output.status.success(), "{printed}{}\n{log}", String::from_utf8_lossy(&output.stderr));
        printed.lines().map(|line| line.replace(&self.root.path().display().to_string(), "")).collect()
    }

    /// Returns every installed file with its permissions and content.
    fn files(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(self.root.path()).unwrap().to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if !below.starts_with("var") && below != Path::new("gateway.log") {
                    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
                    files.insert(below, (mode, std::fs::read(path).unwrap()));
                }
            }
        }
        files
    }
}

#[tokio::test]
async fn dry_run_prints_every_action_and_changes_nothing() {
    let machine = Machine::new();
    let printed = machine.setup(&["--dry-run"]).await;
    for action in ["install /usr/local/bin/gateway", "install /etc/systemd/system/gateway.service", "/health/websocket"]
    {
        let would = |line: &&String| line.contains("would") && line.contains(action);
        assert!(printed.iter().any(|line| would(&line)), "{action}: {printed:?}");
    }
    assert!(machine.files().is_empty());
    assert_eq!(machine.setup(&["--dry-run"]).await, printed);
}

#[tokio::test]
async fn second_run_changes_nothing() {
    let machine = Machine::new();
    let printed = machine.setup(&[]).await.join("\n");
    for endpoint in ["/health", "/health/websocket"] {
        assert!(printed.contains(&format!("http://{}{endpoint} answers 200", machine.listen)), "{printed}");
    }
    let files = machine.files();
    let names: Vec<_> = files.keys().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(names, ["etc/gateway/gateway.env", "etc/systemd/system/gateway.service", "usr/local/bin/gateway"]);
    assert_eq!(files.values().map(|(mode, _)| *mode).collect::<Vec<_>>(), [0o600, 0o644, 0o755]);

    let again = machine.setup(&[]).await.join("\n");
    assert!(!again.contains("install /") && again.contains("stays as it is"), "{again}");
    assert!(machine.files() == files, "the second run changed something");
    let dry = machine.setup(&["--dry-run"]).await.join("\n");
    assert!(!dry.contains("would install") && !dry.contains("would write"), "{dry}");
}

#[tokio::test]
async fn installs_newer_unit_and_keeps_secret() {
    let machine = Machine::new();
    machine.setup(&[]).await;
    let files = machine.files();
    std::fs::write(machine.root.path().join("etc/systemd/system/gateway.service"), "an older one").unwrap();
    let printed = machine.setup(&[]).await.join("\n");
    assert!(printed.contains("install /etc/systemd/system/gateway.service"), "{printed}");
    assert!(!printed.contains("install /usr/local/bin/gateway"), "{printed}");
    assert!(machine.files() == files);
}

#[tokio::test]
async fn uninstall_keeps_secret_and_data() {
    let machine = Machine::new();
    machine.setup(&[]).await;
    let secret = machine.files().remove(Path::new("etc/gateway/gateway.env")).unwrap();
    machine.setup(&["--uninstall", "--dry-run"]).await;
    assert_eq!(machine.files().len(), 3);
    let printed = machine.setup(&["--uninstall"]).await.join("\n");
    assert!(printed.contains("kept: /etc/gateway/gateway.env, /var/lib/gateway"), "{printed}");
    assert_eq!(machine.files(), BTreeMap::from([("etc/gateway/gateway.env".into(), secret.clone())]));
    assert!(machine.root.path().join("var/lib/gateway/data/gateway.redb").exists());
    machine.setup(&[]).await;
    assert_eq!(machine.files().remove(Path::new("etc/gateway/gateway.env")).unwrap(), secret);
    machine.setup(&["--uninstall"]).await;
    machine.setup(&["--uninstall"]).await;
}
