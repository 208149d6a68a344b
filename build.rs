//! Sets the linker flags a Node.js addon needs; nothing without the `node` feature.

use std::path::Path;
use std::{env, fs};

/// Functions that a binary for Windows exports. Without this list, linkers other than Microsoft's export every function.
const EXPORTS: &str = "EXPORTS\n    napi_register_module_v1\n";

fn main() {
    // Otherwise each change of a test or a document builds the library again.
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_NODE").is_none() {
        return;
    }
    napi_build::setup();
    if is("CARGO_CFG_TARGET_OS", "windows") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        let folder = env::var("OUT_DIR").expect("cargo names the folder of a build script");
        let file = Path::new(&folder).join("hfxbus.def");
        fs::write(&file, EXPORTS).expect("the folder of a build script is writable");
        println!("cargo::rustc-cdylib-link-arg={}", file.display());
    }
    if is("CARGO_CFG_TARGET_OS", "macos") {
        // Without libraries that only unused code of dependencies asks for.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-dead_strip_dylibs");
    }
}

fn is(name: &str, value: &str) -> bool {
    env::var(name).is_ok_and(|found| found == value)
}
