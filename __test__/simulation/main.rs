//! Simulated runs of the engine: every promise of docs/guarantees.md, over many seeds.
//!
//! A seed decides a script of clients, operations and faults. It runs in a world with a clock, a network and a chance of
//! its own, so that each run of a seed is the same. The history of the run is checked afterwards.
#![expect(clippy::unwrap_used, reason = "a test that finds nothing there has failed")]
#![expect(clippy::print_stdout, reason = "this is a command")]

mod breaks;
mod checks;
mod command;
mod connections;
mod disruptions;
mod effects;
mod faults;
mod features;
mod finish;
mod generator;
mod groups;
mod history;
mod legacy;
mod losses;
mod panics;
mod pipe;
mod planted;
mod program;
mod random;
mod regressions;
mod run;
mod scenario;
mod shrink;
mod situations;
mod topologies;
mod trace;
mod world;

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if command::main(&words) { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
