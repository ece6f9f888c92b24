//! Runs scenarios: several adapters at a time, each of which takes one scenario after the other.

use std::{
    collections::VecDeque,
    ffi::OsString,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    adapter::Adapter,
    failure::Failure,
    log,
    mutants::{Mutant, Tampering},
    report::{Report, Row, Verdict},
    scenario::{self, Scenario},
    world::World,
};

/// How long a scenario waits for anything.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a scenario with a mutant waits. Most mutants show by something that never comes.
const MUTANT_LIMIT: Duration = Duration::from_secs(6);

/// Which mutant interferes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MutantChoice {
    /// None: the client is tested.
    #[default]
    None,
    /// The mutant with this name.
    Named(String),
    /// The one that each scenario names: the scenarios are tested, and have to be red.
    Each,
}

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The command of the adapter: a program and its arguments.
    pub command: Vec<OsString>,
    /// Runs only scenarios whose name contains one of these. Empty for all.
    pub only: Vec<String>,
    /// The seed of the scenarios with random faults.
    pub seed: u64,
    /// The mutant.
    pub mutant: MutantChoice,
    /// How many adapters run at a time, at least one.
    pub jobs: usize,
}

/// Why nothing could be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No scenario has such a name.
    #[error("no scenario has a name that contains {0}: see `gateway conformance --list`")]
    NoScenario(String),
    /// There is no such mutant.
    #[error(
        "there is no mutant {0}; `each` is the one that each scenario names, and `gateway conformance --list` has all"
    )]
    NoMutant(String),
    /// The adapter cannot be started, or its first line is no hello.
    #[error("{0}")]
    NoAdapter(String),
}

/// Runs the scenarios of a plan.
///
/// # Errors
/// If the plan names what does not exist, or the adapter does not start.
pub async fn run(plan: &Plan) -> Result<Report, PlanError> {
    let named = match &plan.mutant {
        MutantChoice::Named(name) => {
            Some(crate::mutants::named(name).ok_or_else(|| PlanError::NoMutant(name.clone()))?)
        }
        _ => None,
    };
    let mut scenarios: Vec<_> = scenario::all().filter(|scenario| is_chosen(scenario, &plan.only)).collect();
    if scenarios.is_empty() {
        return Err(PlanError::NoScenario(plan.only.join(", ")));
    }
    // Long ones first, so that none is left at the end.
    scenarios.sort_by_key(|scenario| std::cmp::Reverse(scenario.seconds));
    let first = Adapter::start(&plan.command).await.map_err(|failure| PlanError::NoAdapter(failure.to_string()))?;
    let hello = first.hello.clone();
    let jobs = plan.jobs.clamp(1, scenarios.len());
    let queue: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(scenarios.into()));
    let started = Instant::now();
    let mut workers = JoinSet::new();
    let mut spare = Some(first);
    for _ in 0..jobs {
        let worker = Worker { plan: plan.clone(), named, queue: Arc::clone(&queue) };
        workers.spawn(worker.run(spare.take()));
    }
    let mut rows = Vec::new();
    while let Some(done) = workers.join_next().await {
        match done {
            Ok(done) => rows.extend(done),
            Err(error) => return Err(PlanError::NoAdapter(format!("the kit has failed: {error}"))),
        }
    }
    let order: Vec<_> = scenario::all().map(|scenario| scenario.name).collect();
    rows.sort_by_key(|row: &Row| order.iter().position(|name| *name == row.scenario));
    Ok(Report::new(hello, plan.seed, &plan.mutant, rows, started.elapsed()))
}

fn is_chosen(scenario: &Scenario, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|part| scenario.name.contains(part.as_str()))
}

/// Takes scenarios until none is left.
struct Worker {
    plan: Plan,
    named: Option<&'static Mutant>,
    queue: Arc<Mutex<VecDeque<&'static Scenario>>>,
}

impl Worker {
    async fn run(self, mut adapter: Option<Adapter>) -> Vec<Row> {
        let mut rows = Vec::new();
        loop {
            let next = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(scenario) = next else { break };
            let current = match adapter.take() {
                Some(adapter) => adapter,
                None => match Adapter::start(&self.plan.command).await {
                    Ok(adapter) => adapter,
                    Err(failure) => {
                        rows.push(Row::new(scenario, None, Verdict::Red(failure.to_string()), Duration::ZERO, None));
                        continue;
                    }
                },
            };
            let (row, adapter_after) = self.play(scenario, current).await;
            rows.push(row);
            adapter = adapter_after;
        }
        if let Some(adapter) = adapter
            && let Err(failure) = adapter.finish().await
        {
            rows.push(Row::of_adapter(&failure.to_string()));
        }
        rows
    }

    /// Plays a scenario. Returns the adapter if it is still good for the next one.
    async fn play(&self, scenario: &'static Scenario, adapter: Adapter) -> (Row, Option<Adapter>) {
        let mutant = match self.plan.mutant {
            MutantChoice::Each => scenario.mutant(),
            _ => self.named,
        };
        let started = Instant::now();
        let tampering = mutant.map_or_else(Tampering::default, Tampering::by);
        let limit = if mutant.is_some() { MUTANT_LIMIT } else { LIMIT };
        let skips = adapter.hello.skip.iter().any(|skipped| skipped == scenario.group() || skipped == scenario.name);
        let (verdict, hash) = if skips {
            (Verdict::Skipped(scenario.name.to_owned()), None)
        } else {
            let outcome = tell(scenario, &adapter, tampering, self.plan.seed, limit).await;
            match outcome {
                Ok(hash) => (Verdict::Green, hash),
                Err(Failure::Skipped(word)) => (Verdict::Skipped(word), None),
                Err(Failure::Red(why)) => (Verdict::Red(why), None),
            }
        };
        // The next scenario does not inherit a mutant.
        adapter.lines.begin(adapter.next_names(), Tampering::default());
        let reset = adapter.reset().await;
        let verdict = match (verdict, &reset) {
            (Verdict::Green, Err(failure)) => Verdict::Red(failure.to_string()),
            (verdict, _) => verdict,
        };
        let verdict = match verdict {
            Verdict::Red(why) if !adapter.log().is_empty() && mutant.is_none() => Verdict::Red(format!(
                "{why}\n  the log of the adapter ends with: {}",
                adapter.log().replace('\n', "\n  ")
            )),
            verdict => verdict,
        };
        let row = Row::new(scenario, mutant.map(|mutant| mutant.name), verdict, started.elapsed(), hash);
        (row, reset.is_ok().then_some(adapter))
    }
}

/// Tells the story of a scenario. Returns the hash of a seeded one.
async fn tell(
    scenario: &Scenario,
    adapter: &Adapter,
    tampering: Tampering,
    seed: u64,
    limit: Duration,
) -> Result<Option<String>, Failure> {
    let world = World::new(adapter, tampering, seed, limit).await?;
    (scenario.story)(&world).await?;
    world.finish()?;
    Ok(scenario.is_seeded.then(|| log::hash(&log::normalised(&world.lines().all(), &world.commands()))))
}
