//! The steps of `cargo xtask test`, in the order in which they run: what is quick to tell comes first.

use std::{
    fs,
    io::{self, Write as _},
};

use realtime_gateway_brokers::rabbitmq::{self, RabbitServer};

use crate::{
    browser, clients, command, counts::Counts, deploy, fuzz, installed, policy, project::Project, python::Environment,
    tidy, wasm,
};

/// The name of the step that filters choose tests of.
pub(super) const TESTS: &str = "tests";

/// The name of the step that they choose cases of, where it is named beside them.
pub(super) const FAULTS: &str = "faults";

/// Steps that make what the tests run.
pub(super) const BEFORE_TESTS: [&str; 2] = ["tools", "build"];

/// What stands around gateways in the tests, and the Debian packages that bring it.
const SERVERS: [(&str, &str); 6] = [
    ("haproxy", "haproxy"),
    ("nginx", "nginx-light"),
    ("openssl", "openssl"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("redis-sentinel", "redis-sentinel"),
    ("redis-server", "redis-server"),
];

/// One thing that must hold.
pub(super) struct Step {
    /// How it is chosen on the command line.
    pub(super) name: &'static str,
    /// What it makes sure of, in a few words.
    pub(super) about: &'static str,
    /// Whether the project has what it looks at.
    pub(super) applies: fn(&Project) -> bool,
    action: Action,
}

enum Action {
    /// Holds or does not.
    Check(fn(&Project) -> anyhow::Result<()>),
    /// Runs the tests that these filters choose, and tells how many.
    Tests(fn(&Project, &[String]) -> anyhow::Result<Counts>),
}

/// Every step. They share the profile and the features, so that each crate is checked once and built once.
pub(super) const ALL: &[Step] = &[
    Step::new("format", "the code is formatted", Action::Check(format)),
    Step::new("tidy", "the rules of style that no compiler knows", Action::Check(tidy::check)),
    Step::new("lints", "no warning of rustc or clippy", Action::Check(lints)),
    Step::new("docs", "the documentation has no warnings", Action::Check(docs)),
    Step { applies: fuzz::are_there, ..Step::new("fuzz", "the fuzz targets compile", Action::Check(fuzz::check)) },
    Step::new("policy", "the dependencies are such as deny.toml allows", Action::Check(policy::check)),
    Step::new("tools", "what the tests use is installed", Action::Check(tools)),
    Step::new("deploy", "what deploy/ holds is valid", Action::Tests(deploy::test)),
    Step::new("build", "the gateway and the examples compile", Action::Check(build)),
    Step::new(TESTS, "unit tests and stories", Action::Tests(tests)),
    Step::new("npm", "the browser SDK as its npm package, in Node", Action::Tests(wasm::test)),
    Step::new("clients", "clients that public generators write compile and work", Action::Tests(clients::test)),
    Step::new("doctests", "the examples in the documentation", Action::Tests(doctests)),
    Step {
        applies: browser::is_there,
        ..Step::new("browser", "the demo page and the browser SDK in Chromium", Action::Tests(browser::test))
    },
    Step::new(FAULTS, "brokers, stores and nodes are hurt, and nothing is lost", Action::Tests(faults)),
];

impl Step {
    const fn new(name: &'static str, about: &'static str, action: Action) -> Self {
        Self { name, about, applies: |_| true, action }
    }

    /// Does it, and tells how many tests ran in it.
    ///
    /// # Errors
    /// If what it checks does not hold; failed tests are counted and are no error.
    pub(super) fn run(&self, project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
        match self.action {
            Action::Check(check) => check(project).map(|()| Counts::default()),
            Action::Tests(tests) => tests(project, filters),
        }
    }
}

fn format(project: &Project) -> anyhow::Result<()> {
    command::run(&mut project.cargo(&["fmt", "--all", "--check"]))
}

fn lints(project: &Project) -> anyhow::Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    command::run(&mut project.cargo(&arguments))
}

fn docs(project: &Project) -> anyhow::Result<()> {
    let mut doc = project.cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    command::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn tools(project: &Project) -> anyhow::Result<()> {
    if let Err(error) = installed::ensure(project, "nextest") {
        writeln!(io::stderr(), "cargo test takes the place of nextest: {error:#}")?;
    }
    for (program, package) in SERVERS {
        installed::ensure_program(program, package)?;
    }
    browser::npm_ci(project, "docs/examples")?;
    Environment::of(project).ensure()
}

fn build(project: &Project) -> anyhow::Result<()> {
    // Not xtask itself: it is running, and some systems let nobody replace a running program.
    let arguments = ["build", "--workspace", "--exclude", "xtask", "--bins", "--examples", "--locked"];
    command::run(&mut project.cargo(&arguments))
}

fn tests(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    let mut runner = if installed::is_there(project, "nextest") {
        project.cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "-E", "not binary(faults)"])
    } else {
        project.cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--locked", "--no-fail-fast", "--"])
    };
    let broker = wants_broker(filters).then(broker).flatten();
    let variables = broker.as_ref().map(|broker| (rabbitmq::SHARED, broker.url()));
    command::run_counted(runner.args(filters).envs(Environment::of(project).variables()).envs(variables))
}

/// Whether many of the chosen tests need a broker, so that one for all is worth its start.
fn wants_broker(filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.contains("rabbit"))
}

/// A broker for all tests, each with a prefix of its own. Without it each begins one, which takes longer.
fn broker() -> Option<RabbitServer> {
    // The harness panics, as it does in a test; here that is no reason to end.
    std::thread::spawn(RabbitServer::start).join().ok()
}

/// Each case has servers of its own, so they run one after the other. What they measured is printed at the end.
fn faults(project: &Project, filters: &[String]) -> anyhow::Result<Counts> {
    let figures = project.root().join("test-output/faults.txt");
    // Those of another run; there may be none.
    let _ = fs::remove_file(&figures);
    let cases = ["--package", "realtime-gateway-tests", "--test", "faults", "--locked", "--no-fail-fast"];
    let mut runner = if installed::is_there(project, "nextest") {
        let mut nextest = project.cargo(&["nextest", "run"]);
        nextest.args(cases).args(["--status-level", "pass"]);
        nextest
    } else {
        let mut test = project.cargo(&["test"]);
        test.args(cases).args(["--", "--test-threads", "1"]);
        test
    };
    let counts = command::run_counted(runner.args(filters));
    write!(io::stdout(), "\n{}", fs::read_to_string(&figures).unwrap_or_default())?;
    counts
}

fn doctests(project: &Project, _: &[String]) -> anyhow::Result<Counts> {
    command::run_counted(&mut project.cargo(&["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]))
}
