//! Writes the seeds of every fuzz target into a corpus directory: `fuzz_seeds tests/fuzz/corpus`. A seed's name is its hash, so
//! that one which is there already is not written twice.

use std::{env, error::Error, fs, path::PathBuf};

use althing_crypto::sha256;
use althing_tests::fuzzing::{TARGETS, seeds};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = PathBuf::from(env::args_os().nth(1).ok_or("which directory?")?);
    for (target, _) in TARGETS {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory)?;
        for seed in seeds(target).ok_or("a target without seeds")? {
            let name: String = sha256(&seed).to_string().chars().take(16).collect();
            fs::write(directory.join(name), seed)?;
        }
    }
    Ok(())
}
