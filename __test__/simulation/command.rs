//! The command `npm run simulate`, and the short form of it that runs with the other tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::checks::{self, Violation};
use crate::generator;
use crate::planted;
use crate::regressions;
use crate::run;
use crate::scenario::Scenario;
use crate::shrink;

/// Seeds of the short form, and those of them that run twice.
const SHORT: u64 = 24;
const SHORT_TWICE: u64 = 3;
/// Number of seeds for each planted fault.
const BUDGET: u64 = 400;
/// Number of searches for each planted fault, each with seeds of its own.
const SEARCHES: u64 = 3;
/// Virtual milliseconds of an hour.
const HOUR: f64 = 3_600_000.0;

/// Options of the command.
#[derive(Debug, Default)]
struct Options {
    seeds: Option<u64>,
    seed: Option<u64>,
    from: Option<u64>,
    minutes: Option<u64>,
    twice: bool,
    planted: bool,
    fault: Option<String>,
    trace: bool,
    /// File for the reduced script of a seed.
    save: Option<String>,
    /// File with a script to run.
    script: Option<String>,
    /// True for scripts without situations and features.
    plain: bool,
    /// Check to which a script is reduced.
    check: Option<String>,
}

impl Options {
    fn generate(&self, seed: u64) -> Scenario {
        if self.plain { generator::generate_plain(seed) } else { generator::generate(seed) }
    }
}

/// Runs the command. Returns false if a promise was broken.
pub fn main(words: &[String]) -> bool {
    let options = read(words);
    match options.seed {
        _ if options.planted => search_planted(&options),
        Some(seed) => run_one(&options.generate(seed), &options),
        None if options.script.is_some() => run_file(&options),
        None if options.seeds.is_some() || options.minutes.is_some() => run_many(&options),
        None => run_short(),
    }
}

fn read(words: &[String]) -> Options {
    let mut options = Options::default();
    let number = |at: usize| words.get(at + 1).and_then(|word| word.parse().ok());
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "--seeds" => options.seeds = number(at),
            "--seed" => options.seed = number(at),
            "--from" => options.from = number(at),
            "--minutes" => options.minutes = number(at),
            "--fault" => options.fault = words.get(at + 1).cloned(),
            "--save" => options.save = words.get(at + 1).cloned(),
            "--script" => options.script = words.get(at + 1).cloned(),
            "--twice" => options.twice = true,
            "--planted" => options.planted = true,
            "--trace" => options.trace = true,
            "--plain" => options.plain = true,
            "--check" => options.check = words.get(at + 1).cloned(),
            _ => {}
        }
    }
    options
}

/// The fault of the options, as the engine names it.
fn fault_of(options: &Options) -> Option<&'static str> {
    let name = options.fault.as_deref()?;
    planted::FAULTS.into_iter().find(|fault| *fault == name)
}

/// Runs the script of a file as that of a seed.
fn run_file(options: &Options) -> bool {
    let text = options.script.as_ref().map(std::fs::read_to_string);
    match text {
        Some(Ok(text)) => run_one(&regressions::read(&text), options),
        _ => {
            println!("there is no such file");
            false
        }
    }
}

/// Runs a script twice, compares the traces, and reduces the script if it breaks a promise.
fn run_one(scenario: &Scenario, options: &Options) -> bool {
    let seed = scenario.seed;
    let outcome = run::run(scenario, fault_of(options), options.trace);
    outcome.lines.iter().for_each(|line| println!("{line}"));
    let found = checks::check(scenario, &outcome);
    println!("{scenario}");
    println!("{} events, {:.2} h", outcome.traced, outcome.time as f64 / HOUR);
    report(seed, &found);
    let is_wanted = |one: &&Violation| options.check.as_ref().is_none_or(|check| check == one.check);
    if let Some(violation) = found.iter().find(is_wanted) {
        let short = shrink::shrink(scenario, violation.check, fault_of(options));
        save(&short, options);
        let outcome = run::run(&short, fault_of(options), true);
        let of_history = |line: &&String| options.trace || !line.contains(" link ");
        outcome.lines.iter().filter(of_history).for_each(|line| println!("{line}"));
        println!("reduced:\n{short}");
        report(seed, &checks::check(&short, &outcome));
    } else {
        save(scenario, options);
    }
    let same = repeats(scenario);
    found.is_empty() && same
}

/// Writes a script to the file of the options, if there is one.
fn save(scenario: &Scenario, options: &Options) {
    if let Some(file) = &options.save
        && let Err(error) = std::fs::write(file, regressions::write(scenario))
    {
        println!("{file}: {error}");
    }
}

fn report(seed: u64, found: &[Violation]) {
    for Violation { check, text } in found.iter().take(8) {
        println!("seed {seed} breaks {check}: {text}");
    }
}

/// Runs a script twice and compares the traces line by line.
fn repeats(scenario: &Scenario) -> bool {
    let (first, second) = (run::run(scenario, None, true), run::run(scenario, None, true));
    let count = first.lines.len().max(second.lines.len());
    let differs = (0..count).find(|&at| first.lines.get(at) != second.lines.get(at));
    if let Some(at) = differs {
        println!(
            "seed {} does not repeat: line {at} is {:?} and {:?}",
            scenario.seed,
            first.lines.get(at),
            second.lines.get(at)
        );
    }
    differs.is_none()
}

/// Sums of all runs.
#[derive(Default)]
struct Totals {
    seeds: AtomicU64,
    time: AtomicU64,
    events: AtomicU64,
    broken: Mutex<Vec<(u64, &'static str)>>,
}

impl Totals {
    fn print(&self, since: Instant) {
        let seeds = self.seeds.load(Ordering::Relaxed);
        let hours = self.time.load(Ordering::Relaxed) as f64 / HOUR;
        println!(
            "{seeds} seeds, {hours:.1} simulated hours, {} events, {:.1} seeds/s, {} broken",
            self.events.load(Ordering::Relaxed),
            seeds as f64 / since.elapsed().as_secs_f64(),
            self.broken.lock().unwrap().len(),
        );
    }
}

/// Runs seeds in as many threads as there are processors.
fn run_many(options: &Options) -> bool {
    let from = options.from.unwrap_or(1);
    let until = options.seeds.map_or(u64::MAX, |seeds| from + seeds);
    let since = Instant::now();
    let deadline = options.minutes.map(|minutes| since + Duration::from_secs(60 * minutes));
    let (next, totals, is_over) = (AtomicU64::new(from), Totals::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads())
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= until || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                            return;
                        }
                        run_script(&options.generate(seed), &totals, options.twice);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            let mut printed = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
                if printed.elapsed() > Duration::from_secs(10) {
                    printed = Instant::now();
                    totals.print(since);
                }
            }
        });
        for worker in workers {
            let _ = worker.join();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    totals.print(since);
    let broken = totals.broken.lock().unwrap();
    broken.is_empty()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn run_script(scenario: &Scenario, totals: &Totals, twice: bool) {
    let seed = scenario.seed;
    let outcome = run::run(scenario, None, false);
    let found = checks::check(scenario, &outcome);
    totals.seeds.fetch_add(1, Ordering::Relaxed);
    totals.time.fetch_add(outcome.time, Ordering::Relaxed);
    totals.events.fetch_add(outcome.traced, Ordering::Relaxed);
    report(seed, &found);
    let mut broken: Vec<(u64, &'static str)> = found.iter().map(|one| (seed, one.check)).collect();
    broken.dedup();
    if twice && !repeats(scenario) {
        broken.push((seed, "repetition of the trace"));
    }
    totals.broken.lock().unwrap().extend(broken);
}

/// The short form: some seeds twice, some more once, and the scripts of mended faults.
fn run_short() -> bool {
    let since = Instant::now();
    let same = (1..=SHORT_TWICE).all(|seed| repeats(&generator::generate(seed)));
    let totals = Totals::default();
    let next = AtomicU64::new(0);
    let scripts: Vec<Scenario> = (1..=SHORT)
        .map(generator::generate)
        .chain(regressions::SCRIPTS.iter().map(|(script, _)| regressions::read(script)))
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    run_script(script, &totals, false);
                }
            });
        }
    });
    println!("simulation: {SHORT_TWICE} seeds had the same trace twice: {same}");
    totals.print(since);
    same && totals.broken.lock().unwrap().is_empty()
}

/// Searches for each planted fault, and prints the median number of seeds.
fn search_planted(options: &Options) -> bool {
    let faults: Vec<&'static str> = match fault_of(options) {
        Some(fault) => vec![fault],
        None => planted::FAULTS.to_vec(),
    };
    let (next, missed) = (AtomicU64::new(0), AtomicU64::new(0));
    let budget = options.seeds.unwrap_or(BUDGET);
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    if !search_one(fault, budget) {
                        missed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!("{} of {} planted faults were not found", missed.load(Ordering::Relaxed), faults.len());
    missed.load(Ordering::Relaxed) == 0
}

fn search_one(fault: &'static str, budget: u64) -> bool {
    let mut seeds = Vec::new();
    let mut check = "";
    for search in 0..SEARCHES {
        let found = planted::find(fault, 1 + search * 1_000_000, budget);
        check = found.as_ref().map_or(check, |found| found.check);
        seeds.push(found.map_or(u64::MAX, |found| found.seeds));
    }
    seeds.sort_unstable();
    let median = seeds[seeds.len() / 2];
    let count = seeds.iter().filter(|&&seeds| seeds != u64::MAX).count();
    match median {
        u64::MAX => println!("{fault}: found in {count} of {SEARCHES} searches of {budget} seeds"),
        _ => println!("{fault}: found by {check} in {count} of {SEARCHES} searches, median {median} seeds"),
    }
    median != u64::MAX
}
