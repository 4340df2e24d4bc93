//! Whether seed files still hold what a plan was made with: asked before a run is continued, because trials in other
//! worlds would not be the same trials.

use std::collections::BTreeMap;
use std::fs;

use bench_core::gym::Seed;
use bench_core::hash::sha256_hex;
use bench_core::{GymSpec, Place, Problem, Problems};

/// Reads every seed file of these gyms, each once. Blocking.
///
/// # Errors
/// All files that cannot be read, or have another content now.
pub fn check_seeds(specs: &[GymSpec]) -> Result<(), Problems> {
    let mut files: BTreeMap<&str, &str> = BTreeMap::new();
    for spec in specs {
        if let Seed::File { path, sha256 } = &spec.seed {
            files.insert(path, sha256);
        }
    }
    let problems = files.into_iter().filter_map(|(path, sha256)| {
        let (message, hint) = match fs::read_to_string(path) {
            Ok(sql) if sha256_hex(&sql) == sha256 => return None,
            Ok(_) => (
                "the seed file has changed since the run was planned".to_owned(),
                "put the old one back, or start a new run",
            ),
            Err(error) => (
                format!("the seed file cannot be read any more: {error}"),
                "put it back, or start a new run",
            ),
        };
        Some(Problem::error(Place::file(path), message).hint(hint))
    });
    let problems: Vec<Problem> = problems.collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Problems(problems))
    }
}
