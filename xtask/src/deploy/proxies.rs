//! The sample configurations of nginx and HAProxy, read by nginx and HAProxy, with a certificate of the tests in place
//! of one's own.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};

use super::{check::quietly, debian, scratch};
use crate::project::Project;

/// The test certificate and its key.
const CERTIFICATE: [&str; 2] = ["TEST_ONLY_certificate.pem", "TEST_ONLY_key.pem"];

fn certificate(project: &Project) -> [PathBuf; 2] {
    CERTIFICATE.map(|name| project.root().join("server/tests/sockets/certificate").join(name))
}

/// Returns a sample configuration with its file paths replaced by existing files.
fn sample(project: &Project, path: &str, files: &[(&str, &PathBuf)]) -> anyhow::Result<String> {
    let mut text = fs::read_to_string(project.root().join(path)).with_context(|| format!("read {path}"))?;
    for (named, file) in files {
        ensure!(text.contains(named), "{path} no longer names {named}");
        text = text.replace(named, &file.display().to_string());
    }
    Ok(text)
}

pub(super) fn nginx(project: &Project) -> anyhow::Result<()> {
    let [chain, key] = certificate(project);
    let files = [("/etc/ssl/gateway/fullchain.pem", &chain), ("/etc/ssl/gateway/privkey.pem", &key)];
    let site = sample(project, "deploy/nginx/gateway.conf", &files)?;
    let folder = scratch(project)?;
    let config = folder.join("nginx.conf");
    let pid = folder.join("nginx.pid");
    fs::write(&config, format!("pid {};\nevents {{}}\nhttp {{\n{site}}}\n", pid.display()))?;
    quietly(debian(project, "nginx")?.args(["-t", "-q", "-e", "stderr", "-c"]).arg(config))
}

pub(super) fn haproxy(project: &Project) -> anyhow::Result<()> {
    let folder = scratch(project)?;
    let pem = folder.join("gateway.pem");
    let [chain, key] = certificate(project);
    fs::write(&pem, [fs::read(chain)?, fs::read(key)?].concat())?;
    let text = sample(project, "deploy/haproxy/haproxy.cfg", &[("/etc/haproxy/gateway.pem", &pem)])?;
    let config = folder.join("haproxy.cfg");
    fs::write(&config, text)?;
    // The second file always causes warnings, because its host names exist only inside Docker; so `-dW` is used here
    // only.
    quietly(debian(project, "haproxy")?.args(["-c", "-q", "-dW", "-f"]).arg(config))?;
    quietly(debian(project, "haproxy")?.args(["-c", "-q", "-f", "deploy/compose/haproxy.cfg"]))
}
