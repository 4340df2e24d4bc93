//! `bench-cli schema`: JSON Schemas, for editors.

use bench_core::schema::{gym_schema, harness_schema, model_schema};

use super::write_json;
use crate::args::extras::{SchemaArgs, SchemaOf};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;

/// Prints a schema.
pub(super) fn cmd(args: &SchemaArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let schema = match args.of {
        SchemaOf::Harness => harness_schema(),
        SchemaOf::Gyms => gym_schema(),
        SchemaOf::Models => model_schema(),
        SchemaOf::Report => bench_report::report::json::schema(),
    };
    write_json(&schema, cx)?;
    Ok(Exit::Success)
}
