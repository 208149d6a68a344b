//! Properties of pure code, with random input. `PROPTEST_CASES` sets the number of cases of each property.

mod codecs;
mod fair_schedule;
mod found;
mod glob;
#[path = "../../fuzz/promises/mod.rs"]
mod promises;
mod resp;
mod slots;
mod stream_model;
mod streams;

use proptest::test_runner::Config;

/// Runs `cases` of a property, or as many as the environment says. A failure prints its smallest input.
fn cases(cases: u32) -> Config {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { cases };
    Config { cases, failure_persistence: None, ..Config::default() }
}
