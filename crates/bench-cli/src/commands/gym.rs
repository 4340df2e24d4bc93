//! `bench-cli gym list|tools|call|serve`.

mod call;
mod serve;
mod session;

use std::io::Write;

use bench_core::GymChoice;
use bench_report::table::{Column, Table};
use bench_report::text;
use serde_json::{Value, json};

use super::write_json;
use crate::args::gym::{GymCommand, GymListArgs, GymToolsArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::paint;
use crate::worlds;
use session::with_session;

/// Characters of a tool's description in a table.
const LONGEST: usize = 160;

/// Looks at gyms.
pub(super) fn cmd(command: &GymCommand, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        GymCommand::List(args) => list(args, cx),
        GymCommand::Tools(args) => tools(args, cx),
        GymCommand::Call(args) => call::cmd(args, cx),
        GymCommand::Serve(args) => serve::cmd(args, cx),
    }
}

fn list(args: &GymListArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let (choice, _) = worlds::choose(None, args.file.gym_config.as_deref(), &[], cx)?;
    if args.json {
        let gyms = choice.available.iter().map(|gym| {
            json!({
                "name": gym.name,
                "description": gym.description,
                "target": worlds::target(gym),
                "default": choice.default.contains(&gym.name),
            })
        });
        write_json(
            &json!({"chosen": choice.chosen, "gyms": gyms.collect::<Vec<_>>()}),
            cx,
        )?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new([
        Column::word("gym"),
        Column::word("default"),
        Column::text("reached by"),
        Column::text("description"),
    ]);
    for gym in &choice.available {
        let default = if choice.default.contains(&gym.name) {
            "✓ yes"
        } else {
            "no"
        };
        table.row([
            gym.name.clone(),
            default.into(),
            worlds::target(gym),
            text::clean_line(&gym.description),
        ]);
    }
    write!(cx.out, "{}", paint::table(&table.render(cx.out_look.width)))?;
    writeln!(cx.err, "{}", default_in_words(&choice))?;
    Ok(Exit::Success)
}

/// Where the gyms come from, and which of them is taken by a scenario that names none.
fn default_in_words(choice: &GymChoice) -> String {
    let from = &choice.chosen;
    if choice.default.is_empty() {
        return format!("there is no default ({from}): scenarios that name no gym need `--gym`");
    }
    let names: Vec<String> = choice.default.iter().map(|name| text::clean_line(name)).collect();
    format!("scenarios that name no gym act on {} ({from})", names.join(", "))
}

fn tools(args: &GymToolsArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let found = with_session(&args.gym, &args.file, cx, async |session| {
        let tools = session.tools().iter().map(|tool| {
            json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema})
        });
        Ok(
            json!({"server": session.server(), "protocol": session.protocol(), "tools": tools.collect::<Vec<_>>()}),
        )
    })?;
    if args.json {
        write_json(&found, cx)?;
        return Ok(Exit::Success);
    }
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tools = found["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new([
        Column::word("tool"),
        Column::text("arguments"),
        Column::text("description"),
    ]);
    for tool in tools {
        let description = text::clean_line(&word(&tool["description"]));
        table.row([
            word(&tool["name"]),
            arguments(&tool["input_schema"]),
            text::shorten(&description, LONGEST).into_owned(),
        ]);
    }
    write!(cx.out, "{}", paint::table(&table.render(cx.out_look.width)))?;
    let server = format!(
        "{} of {}, MCP {}",
        text::count(tools.len(), "tool"),
        word(&found["server"]),
        word(&found["protocol"])
    );
    writeln!(cx.err, "{}", text::clean_line(&server))?;
    Ok(Exit::Success)
}

/// Names of a tool's arguments, by its JSON Schema: those that are required, then the others in brackets.
fn arguments(schema: &Value) -> String {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let known = schema["properties"].as_object();
    let optional = known.into_iter().flat_map(|known| known.keys());
    let optional = optional.filter(|name| !required.contains(&name.as_str()));
    let optional: Vec<&str> = optional.map(String::as_str).collect();
    let mut words = required.join(", ");
    if !optional.is_empty() {
        let gap = if words.is_empty() { "" } else { " " };
        words = format!("{words}{gap}[{}]", optional.join(", "));
    }
    text::clean_line(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_arguments_come_first_and_optional_ones_in_brackets() {
        for (schema, want) in [
            (
                json!({"properties": {"b": {}, "a": {}, "c": {}}, "required": ["a"]}),
                "a [b, c]",
            ),
            (json!({"properties": {"b": {}}}), "[b]"),
            (json!({"properties": {"a": {}}, "required": ["a"]}), "a"),
            (json!({"type": "object"}), ""),
            (json!(true), ""),
            (json!({"properties": {"a\u{1b}[2J": {}}}), "[a␛[2J]"),
        ] {
            assert_eq!(arguments(&schema), want, "{schema}");
        }
    }
}
