//! `cargo xtask dev`: builds the gateway, runs it with `--dev`, and prints its links once it is ready.

#[cfg(unix)]
mod cluster;
#[cfg(unix)]
mod forward;
#[cfg(unix)]
mod guarded;
pub(crate) mod links;
mod listen;
#[cfg(unix)]
mod orders;
#[cfg(unix)]
mod redis;

use std::{
    env,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context as _;

use self::listen::{free_address, listen_address};
use crate::{browser, command, project::Project};

/// The arguments of `cargo xtask dev`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Builds in release mode.
    #[arg(long)]
    release: bool,
    /// The address on which the gateway listens; port 0 selects a free port.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: String,
    /// The number of gateways; from 2 on, they share a private Redis and are behind the one address.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    /// The program of the gateway, for the tests: nothing is built.
    #[arg(long, hide = true)]
    program: Option<PathBuf>,
    /// Further arguments for `gateway serve --dev`.
    #[arg(last = true)]
    gateway: Vec<String>,
}

/// Builds the gateway and replaces this process with it, or runs several. The browser SDK is built while they run.
///
/// # Errors
/// If the gateway cannot be built or started, or if its address is in use.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (listen, rest) = listen_address(arguments);
    let address = free_address(&listen)?;
    if arguments.nodes > 1 {
        // A missing Redis is reported before the long build.
        check_cluster(project)?;
    }
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build(project, arguments.release)?,
    };
    if arguments.nodes > 1 {
        return run_cluster(project, arguments, address, program);
    }
    let mut announcement = announce(address, &[])?;
    if arguments.program.is_some() {
        announcement.arg("--without-sdk");
    }
    let mut gateway = Command::new(program);
    gateway.args(["serve", "--dev", "--listen", &address.to_string()]).args(&rest).current_dir(project.root());
    add_example(project, address, &rest, &mut gateway, &mut announcement)?;
    announcement.spawn().context("start the process that prints the links")?;
    become_program(gateway)
}

/// Adds the example service to the gateway, and its backend to the other process.
#[cfg(unix)]
fn add_example(
    project: &Project,
    address: SocketAddr,
    arguments: &[&str],
    gateway: &mut Command,
    announcement: &mut Command,
) -> anyhow::Result<()> {
    if let Some(orders) = orders::Orders::prepare(project, address, arguments)? {
        gateway.envs(orders.gateway_variables());
        announcement.args(orders.backend_arguments());
        announcement
            .args(["--line", "orders        the example service in docs/examples/orders; the demo page shows it"]);
    }
    Ok(())
}

/// Does nothing: other systems do not report the end of the gateway, so the backend would run on.
#[cfg(not(unix))]
fn add_example(_: &Project, _: SocketAddr, _: &[&str], _: &mut Command, _: &mut Command) -> anyhow::Result<()> {
    Ok(())
}

/// Builds the gateway and returns the path of its program.
fn build(project: &Project, release: bool) -> anyhow::Result<PathBuf> {
    let mut out = io::stdout();
    let mut build = project.cargo(&["build", "--package", "realtime-gateway-server", "--bin", "gateway"]);
    if release {
        build.arg("--release");
        // A release build embeds the SDK, so the SDK is built first.
        if browser::is_there(project)
            && let Err(error) = browser::ensure_sdk(project)
        {
            // Without the SDK only the demo page does not work, and it names what is missing.
            writeln!(io::stderr(), "the gateway is built without the browser SDK: {error:#}")?;
        }
    }
    writeln!(
        out,
        "step 1 of 3: compiling the gateway; the first build takes some minutes, and cargo shows its progress"
    )?;
    let started = Instant::now();
    command::run(&mut build)?;
    writeln!(out, "step 2 of 3: starting the gateway, compiled in {:.0} s", started.elapsed().as_secs_f64())?;
    let profile = if release { "release" } else { "debug" };
    Ok(project.target().join(profile).join("gateway").with_extension(env::consts::EXE_EXTENSION))
}

#[cfg(unix)]
fn check_cluster(project: &Project) -> anyhow::Result<()> {
    redis::check(project)
}

#[cfg(not(unix))]
fn check_cluster(_: &Project) -> anyhow::Result<()> {
    anyhow::bail!("--nodes needs Linux or macOS, because Redis does")
}

#[cfg(unix)]
fn run_cluster(
    project: &Project,
    arguments: &Arguments,
    address: SocketAddr,
    program: PathBuf,
) -> anyhow::Result<ExitCode> {
    let (_, rest) = listen_address(arguments);
    cluster::run(
        project,
        &cluster::Setup {
            address,
            nodes: arguments.nodes,
            program,
            arguments: rest,
            with_sdk: arguments.program.is_none(),
        },
    )
}

#[cfg(not(unix))]
fn run_cluster(project: &Project, _: &Arguments, _: SocketAddr, _: PathBuf) -> anyhow::Result<ExitCode> {
    check_cluster(project).map(|()| ExitCode::FAILURE)
}

/// Returns the command of the background process that prints the links once the gateway is ready, and then builds the
/// SDK.
///
/// The process exits by itself, at the latest when this process or the gateway that replaces it exits, unless it is
/// building the SDK.
fn announce(address: SocketAddr, more: &[String]) -> anyhow::Result<Command> {
    let xtask = env::current_exe().context("find xtask's own program")?;
    let mut command = Command::new(xtask);
    command.args(["announce", &address.to_string()]).args(more);
    Ok(command)
}

/// Replaces this process with the gateway, so that signals and the exit code need no forwarding.
#[cfg(unix)]
fn become_program(mut gateway: Command) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    Err(gateway.exec()).with_context(|| format!("start {}", gateway.get_program().display()))
}

/// Waits for the gateway, which receives Ctrl-C from the console too, and returns its exit code.
#[cfg(not(unix))]
fn become_program(mut gateway: Command) -> anyhow::Result<ExitCode> {
    let status = gateway.status().with_context(|| format!("start {}", gateway.get_program().display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
impl Arguments {
    /// Returns the defaults, with further arguments for the gateway.
    fn for_gateway(gateway: &[&str]) -> Self {
        let gateway = gateway.iter().map(ToString::to_string).collect();
        Self { release: false, listen: "127.0.0.1:4000".to_owned(), nodes: 1, program: None, gateway }
    }
}
