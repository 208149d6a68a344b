//! Scripts that have found a fault, each with the fault. A change of the generator does not change them.
//!
//! `npm run simulate -- --seed N --save FILE` writes the reduced script of a seed.

use crate::scenario::Scenario;

/// Scripts of mended faults, with the faults.
pub const SCRIPTS: [(&str, &str); 0] = [];

/// Reads a script.
pub fn read(script: &str) -> Scenario {
    serde_json::from_str(script).unwrap()
}

/// Writes a script.
pub fn write(script: &Scenario) -> String {
    serde_json::to_string_pretty(script).unwrap()
}
