//! What the models of a run cost: as its model file says, else `--prices`, else the built-in table.
//!
//! The built-in table holds for the providers themselves. Who is asked at another address may want another price, or
//! none: there only a price that somebody gave is believed.

use std::path::Path;

use bench_core::price::table::PriceTable;
use bench_core::{ModelSpec, Price, Problem};
use bench_runner::env::Environment;
use bench_runner::load_prices;
use bench_runner::model::providers;

use crate::context::Context;
use crate::error::CliError;

/// The price tables of a run.
pub(crate) struct Prices<'e> {
    own: PriceTable,
    built_in: PriceTable,
    environment: &'e Environment,
}

impl<'e> Prices<'e> {
    /// Reads the file, if one is named.
    ///
    /// # Errors
    /// A file that cannot be read or is wrong.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: &'e Environment,
        cx: &Context,
    ) -> Result<Self, CliError> {
        Ok(Self {
            own: file.map_or_else(|| Ok(PriceTable::default()), |file| load_prices(file, &cx.cwd))?,
            built_in: PriceTable::built_in()?,
            environment,
        })
    }

    /// What was odd about the file.
    pub(crate) fn warnings(&self) -> Vec<Problem> {
        self.own.warnings.clone()
    }

    /// The price of a model; none if nobody knows it.
    pub(crate) fn of(&self, spec: &ModelSpec) -> Option<Price> {
        if spec.model.provider.is_local() {
            return None;
        }
        let given = spec.price.as_ref().or_else(|| self.own.price(&spec.model));
        let listed = || {
            self.built_in
                .price(&spec.model)
                .filter(|_| self.asks_the_provider(spec))
        };
        given.or_else(listed).cloned()
    }

    fn asks_the_provider(&self, spec: &ModelSpec) -> bool {
        let mut providers = providers(self.environment).into_iter();
        let status = providers.find(|status| status.provider == spec.model.provider);
        let moved = status
            .and_then(|status| status.address_variable)
            .is_some_and(|variable| self.environment.get(variable).is_some());
        spec.base_url.is_none() && !moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;

    #[test]
    fn a_price_holds_for_who_set_it() {
        let dir = tempfile::tempdir().unwrap();
        let rows = r#"{"prices": [{"model": "openai:gpt-4o", "input": 7, "output": 7},
            {"model": "compatible:m", "input": 6, "output": 6}]}"#;
        std::fs::write(dir.path().join("p.json"), rows).unwrap();
        let (cx, _, _) = context(dir.path());
        let moved = [("XAI_BASE_URL".to_owned(), "http://gate.example/v1".to_owned())];
        let environment = Environment::new(moved, &[]);
        let prices = Prices::read(Some(Path::new("p.json")), &environment, &cx).unwrap();
        let spec = |model: &str, base_url: Option<&str>| ModelSpec {
            base_url: base_url.map(Into::into),
            ..ModelSpec::new(model.parse().unwrap())
        };
        let input = |spec: &ModelSpec| prices.of(spec).map(|price| price.rates.input);
        assert_eq!(input(&spec("gpt-4o", None)), Some(7.0), "the file goes first");
        assert_eq!(input(&spec("gpt-5", None)), Some(1.25));
        assert_eq!(
            input(&spec("gpt-5", Some("http://gate.example"))),
            None,
            "asked elsewhere"
        );
        assert_eq!(input(&spec("grok-4", None)), None, "asked elsewhere");
        assert_eq!(
            input(&spec("compatible:m", Some("http://127.0.0.1:1"))),
            Some(6.0)
        );
        assert_eq!(input(&spec("oracle", None)), None);
        let mut own = spec("gpt-4o", None);
        own.price = prices.of(&spec("gpt-5", None));
        assert_eq!(input(&own), Some(1.25), "the model's own goes before all");
    }
}
