//! `bench-cli models`: who can be asked here, what the others lack, and the names that `--model` takes. Nothing is sent.

use std::io::Write;
use std::path::Path;

use bench_core::model::config::NamedModel;
use bench_core::model::{KNOWN_NAMES, PREFIX_RULES};
use bench_core::{ModelSpec, Price, Provider, Setting};
use bench_report::table::{Column, Table};
use bench_report::text;
use bench_runner::env::Environment;
use bench_runner::model::{ProviderStatus, connect, providers};
use serde_json::{Value, json};

use super::start::tell;
use super::write_json;
use crate::args::extras::ModelsArgs;
use crate::context::Context;
use crate::environment::{self, EnvFile};
use crate::error::CliError;
use crate::exit::Exit;
use crate::named_models;
use crate::prices::Prices;
use crate::render::paint;

/// Title of the column of prices.
const PRICE: &str = "$/M in / out";

/// A model of the model file, what it costs, and why it could not be asked now.
struct Entry {
    model: NamedModel,
    price: Option<Price>,
    problem: Option<String>,
}

/// Lists providers, names, and the models of the model file.
pub(super) fn cmd(args: &ModelsArgs, cx: &mut Context) -> Result<Exit, CliError> {
    let env_file = EnvFile::of(&args.env_file, &[], cx);
    let environment = environment::read(env_file.as_ref(), &[], cx)?;
    let providers = providers(&environment);
    let file = named_models::find(args.models_file.as_deref(), &[], cx)?;
    let prices = Prices::read(args.prices.as_deref(), &environment, cx)?;
    let entries: Vec<Entry> = file
        .models
        .into_iter()
        .map(|model| Entry {
            problem: problem(&model, &environment, cx),
            price: prices.of(&model.spec),
            model,
        })
        .collect();
    if args.json {
        let path = env_file.as_ref().and_then(|file| file.taken());
        write_json(&document(&providers, &entries, &prices, path), cx)?;
        return Ok(Exit::Success);
    }
    if let Some(line) = env_file.as_ref().and_then(|file| file.line(cx)) {
        tell(&line, cx);
    }
    let mut tables = vec![of_providers(&providers), of_names(&prices)];
    if !entries.is_empty() {
        tables.push(of_entries(&entries));
    }
    let width = cx.out_look.width;
    let tables: Vec<String> = tables
        .iter()
        .map(|table| paint::table(&table.render(width)))
        .collect();
    write!(cx.out, "{}", tables.join("\n"))?;
    for warning in file.warnings.into_iter().chain(prices.warnings()) {
        tell(&warning.to_string(), cx);
    }
    Ok(Exit::Success)
}

/// What keeps a model from being asked, as `run` would say it.
fn problem(model: &NamedModel, environment: &Environment, cx: &Context) -> Option<String> {
    let problem = connect(&model.spec, environment, &cx.cwd, 1).err()?;
    Some(environment.secrets().redact(&problem.to_string()).into_owned())
}

/// The price of a name that stands for a model of its provider.
fn price_of_name(means: &str, prices: &Prices<'_>) -> Option<Price> {
    let model = means.parse().ok()?;
    prices.of(&ModelSpec::new(model))
}

fn document(
    providers: &[ProviderStatus],
    entries: &[Entry],
    prices: &Prices<'_>,
    env_file: Option<&Path>,
) -> Value {
    let providers = providers.iter().filter(|status| status.supported).map(|status| {
        json!({
            "provider": status.provider,
            "configured": status.configured,
            "api": status.format,
            "address": status.address,
            "address_variable": status.address_variable,
            "keys": status.keys,
            "key_set": status.key_set,
            "missing": status.missing,
        })
    });
    let names = KNOWN_NAMES
        .iter()
        .map(|known| json!({"name": known.name, "model": known.means, "price": price_of_name(known.means, prices)}));
    let rules = PREFIX_RULES
        .iter()
        .map(|rule| json!({"begins_with": rule.begins_with, "provider": rule.provider}));
    let models = entries.iter().map(
        |Entry {
             model,
             price,
             problem,
         }| {
            json!({
                "name": model.name,
                "model": model.spec.model,
                "base_url": model.spec.base_url.as_ref().map(written),
                "settings": model.spec.settings,
                "headers": model.spec.headers.keys().collect::<Vec<_>>(),
                "configured": problem.is_none(),
                "price": price,
                "problem": problem,
            })
        },
    );
    json!({
        "env_file": env_file,
        "providers": providers.collect::<Vec<_>>(),
        "names": names.collect::<Vec<_>>(),
        "prefixes": rules.collect::<Vec<_>>(),
        "models": models.collect::<Vec<_>>(),
    })
}

fn of_providers(providers: &[ProviderStatus]) -> Table {
    let mut table = Table::new([
        Column::word("provider"),
        Column::word("ready"),
        Column::text("key"),
        Column::text("address"),
        Column::text("API"),
    ]);
    for status in providers.iter().filter(|status| status.supported) {
        let ready = if status.configured { "✓ yes" } else { "· no" };
        table.row([
            status.provider.to_string(),
            ready.to_owned(),
            key_in_words(status),
            text::clean_line(&address_in_words(status)),
            status.format.unwrap_or("—").to_owned(),
        ]);
    }
    table
}

/// Which variable is set, or which would have to be.
fn key_in_words(status: &ProviderStatus) -> String {
    match (status.key_set, status.keys.as_slice()) {
        (Some(variable), _) => format!("{variable} is set"),
        (None, []) => "needs none".to_owned(),
        (None, keys) if keys.iter().any(|key| status.missing.contains(key)) => {
            format!("set {}", keys.join(" or "))
        }
        (None, keys) => format!("{}, if it wants one", keys.join(" or ")),
    }
}

fn address_in_words(status: &ProviderStatus) -> String {
    match (&status.address, status.address_variable) {
        (Some(address), _) => address.clone(),
        (None, Some(variable)) => format!("set {variable}"),
        (None, None) => match status.provider {
            Provider::Script => "the file behind its name".to_owned(),
            Provider::Replay => "the run behind its name".to_owned(),
            _ => "—".to_owned(),
        },
    }
}

fn of_names(prices: &Prices<'_>) -> Table {
    let mut table = Table::new([
        Column::text("name"),
        Column::text("stands for"),
        Column::word(PRICE),
    ]);
    for known in KNOWN_NAMES {
        let price = price_of_name(known.means, prices);
        table.row([
            known.name.to_owned(),
            known.means.to_owned(),
            price_in_words(price.as_ref()),
        ]);
    }
    for rule in PREFIX_RULES {
        let means = format!("{}:NAME", rule.provider);
        table.row([rule.begins_with.to_owned(), means, "—".to_owned()]);
    }
    table
}

fn of_entries(entries: &[Entry]) -> Table {
    let mut table = Table::new([
        Column::text("in the model file"),
        Column::word("ready"),
        Column::text("model"),
        Column::text("address"),
        Column::word(PRICE),
        Column::text("what is missing"),
    ]);
    for Entry {
        model,
        price,
        problem,
    } in entries
    {
        let spec = &model.spec;
        table.row([
            text::clean_line(&model.name),
            if problem.is_none() { "✓ yes" } else { "· no" }.to_owned(),
            text::clean_line(&spec.model.to_string()),
            spec.base_url
                .as_ref()
                .map_or("the provider's", written)
                .to_owned(),
            price_in_words(price.as_ref()),
            text::clean_line(problem.as_deref().unwrap_or("—")),
        ]);
    }
    table
}

/// Input and output, as in price lists; `--json` has the rest.
fn price_in_words(price: Option<&Price>) -> String {
    price.map_or_else(
        || "unknown".to_owned(),
        |price| format!("{} / {}", price.rates.input, price.rates.output),
    )
}

/// A setting as it stands in the file.
fn written(setting: &Setting) -> &str {
    match setting {
        Setting::Text(text) => text,
        Setting::Secret { .. } => "[secret]",
    }
}
