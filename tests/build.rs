//! Leaves the compiler's name in the build: instructions are compared only between builds of one compiler (`src/hot/baseline.rs`).

#![allow(clippy::print_stdout)]

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = env::var_os("RUSTC").expect("cargo names the compiler");
    let said = Command::new(rustc).arg("--version").output().expect("cargo has just run the compiler");
    println!("cargo:rustc-env=HOT_PATHS_RUSTC={}", String::from_utf8_lossy(&said.stdout).trim());
}
