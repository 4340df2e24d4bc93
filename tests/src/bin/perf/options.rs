//! The command line of the benchmark.

use std::path::PathBuf;

use crate::Failure;

/// What is measured, how often, and where.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) runs: u32,
    pub(crate) folder: PathBuf,
    only: Vec<String>,
}

impl Options {
    pub(crate) fn read(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self {
            runs: 5,
            folder: std::env::temp_dir(),
            only: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("{name}: expected a value"))?;
            match name.as_str() {
                "--runs" => options.runs = value.parse()?,
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--folder" => options.folder = PathBuf::from(value),
                other => return Err(format!("unknown option `{other}`").into()),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == workload)
    }
}
