//! `cargo xtask dev`: the gateway with its demo page, built and running with `--dev`, and its links once it is ready.

pub(crate) mod links;

use std::{
    env,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::Context as _;

use crate::{browser, command, project::Project};

/// What `cargo xtask dev` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Builds for release.
    #[arg(long)]
    release: bool,
    /// Where the gateway listens; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: String,
    /// What else `gateway serve --dev` shall be given.
    #[arg(last = true)]
    gateway: Vec<String>,
}

/// Builds the gateway and becomes it. The browser SDK is built while the gateway runs, which then serves it.
///
/// # Errors
/// If it cannot be built or started, or if its address is taken.
pub(crate) fn run(project: &Project, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (listen, rest) = listen_address(arguments);
    let address = free_address(&listen)?;
    let mut out = io::stdout();
    let mut build = project.cargo(&["build", "--package", "realtime-gateway-server", "--bin", "gateway"]);
    if arguments.release {
        build.arg("--release");
        // A release build embeds the SDK, so it comes first.
        if browser::is_there(project)
            && let Err(error) = browser::ensure_sdk(project)
        {
            // The demo page then says what is missing; everything else is served.
            writeln!(io::stderr(), "the gateway is built without the browser SDK: {error:#}")?;
        }
    }
    writeln!(
        out,
        "step 1 of 3: compiling the gateway; the first time takes some minutes, and cargo says how far it is"
    )?;
    let begun = Instant::now();
    command::run(&mut build)?;
    writeln!(out, "step 2 of 3: starting the gateway, compiled in {:.0} s", begun.elapsed().as_secs_f64())?;
    announce(address)?;
    let mut gateway = Command::new(program(project, arguments.release));
    gateway.args(["serve", "--dev", "--listen", &address.to_string()]).args(rest).current_dir(project.root());
    become_program(gateway)
}

/// The address to listen on, which may also stand among the gateway's own arguments, and those arguments without it.
fn listen_address(arguments: &Arguments) -> (String, Vec<&str>) {
    let mut listen = arguments.listen.clone();
    let mut rest = Vec::new();
    let mut given = arguments.gateway.iter().map(String::as_str);
    while let Some(argument) = given.next() {
        if let Some(value) = argument.strip_prefix("--listen=") {
            value.clone_into(&mut listen);
        } else if argument == "--listen" {
            // Without a value it stays wrong, and the gateway says so.
            given.next().unwrap_or_default().clone_into(&mut listen);
        } else {
            rest.push(argument);
        }
    }
    (listen, rest)
}

/// The address that `listen` stands for, if nobody has it: asked before the build, so that nobody waits for a refusal.
fn free_address(listen: &str) -> anyhow::Result<SocketAddr> {
    let taken = |error: &io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{listen} is taken by another program (another gateway?); \
             choose another address: cargo xtask dev --listen 127.0.0.1:4001"
        ),
        _ => format!("cannot listen on `{listen}`; an address looks like 127.0.0.1:4000"),
    };
    let listener = TcpListener::bind(listen).map_err(|error| {
        let context = taken(&error);
        anyhow::Error::new(error).context(context)
    })?;
    listener.local_addr().context("read the address")
}

/// Starts the program that prints the links once the gateway answers, and then builds the SDK.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let xtask = env::current_exe().context("find xtask's own program")?;
    // It ends by itself, at the latest with the gateway, so nobody has to wait for it.
    Command::new(xtask).args(["announce", &address.to_string()]).spawn().context("start the one who prints links")?;
    Ok(())
}

fn program(project: &Project, release: bool) -> PathBuf {
    let profile = if release { "release" } else { "debug" };
    project.target().join(profile).join("gateway").with_extension(env::consts::EXE_EXTENSION)
}

/// Replaces this process, so that signals and the exit code are the gateway's own and need no forwarding.
#[cfg(unix)]
fn become_program(mut gateway: Command) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;

    Err(gateway.exec()).with_context(|| format!("start {}", gateway.get_program().display()))
}

/// Waits for the gateway, to which the console gives Ctrl-C as well, and hands on its exit code.
#[cfg(not(unix))]
fn become_program(mut gateway: Command) -> anyhow::Result<ExitCode> {
    let status = gateway.status().with_context(|| format!("start {}", gateway.get_program().display()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(gateway: &[&str]) -> Arguments {
        let gateway = gateway.iter().map(ToString::to_string).collect();
        Arguments { release: false, listen: "127.0.0.1:4000".to_owned(), gateway }
    }

    #[test]
    fn the_address_may_stand_among_the_gateways_arguments() {
        for given in
            [&["--config", "a.toml", "--listen", "[::1]:5000"][..], &["--listen=[::1]:5000", "--config", "a.toml"]]
        {
            let arguments = arguments(given);
            assert_eq!(listen_address(&arguments), ("[::1]:5000".to_owned(), vec!["--config", "a.toml"]));
        }
        assert_eq!(listen_address(&arguments(&[])).0, "127.0.0.1:4000");
    }

    #[test]
    fn a_taken_port_is_told_with_the_way_out() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = holder.local_addr().expect("an address").to_string();
        let error = free_address(&address).expect_err("the port is held");
        assert!(error.to_string().contains("is taken"), "{error}");
        assert!(error.to_string().contains("--listen"), "{error}");
    }

    #[test]
    fn what_is_no_address_is_told_apart_from_a_taken_one() {
        let error = free_address("four thousand").expect_err("that is no address");
        assert!(error.to_string().contains("looks like 127.0.0.1:4000"), "{error}");
    }
}
