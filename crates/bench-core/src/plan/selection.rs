//! Trials that were chosen by how they had ended in another run, and why their rates are no model's.
//!
//! Whatever failed by chance passes more often the second time: a run of what failed is no sample of what a model can do.
//! [`Plan::selection`] is what comparisons, gates and displays ask.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Plan;

/// How trials had ended that were chosen to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// They failed, or hit a limit.
    Failed,
    /// They errored.
    Errored,
    /// Any of these, or they never ended.
    NotPassed,
}

impl Chosen {
    /// For sentences: `failed`, `errored`, `did not pass`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::NotPassed => "did not pass",
        }
    }
}

/// That a run has only trials of another one that were chosen by how they had ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    /// Id of the run they were chosen from.
    pub of: String,
    /// How they had ended there.
    pub chosen: Chosen,
}

impl Selection {
    /// What to know of its rates, in lines for notes.
    pub fn notes(&self) -> [String; 2] {
        [
            format!("only {self}"),
            "chosen by how they had ended: their rates say nothing about a model".to_owned(),
        ]
    }
}

impl fmt::Display for Selection {
    /// `trials that failed in run_20260102_030405_0badcafe, tried again`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, chosen } = self;
        write!(f, "trials that {} in {of}, tried again", chosen.words())
    }
}

impl Plan {
    /// Whether its trials were chosen by how they had ended. So is what was judged again of such trials.
    pub fn selection(&self) -> Option<Selection> {
        let of = self.retries_of.clone()?;
        // Older plans do not say it.
        let chosen = self.chosen.unwrap_or(Chosen::NotPassed);
        Some(Selection { of, chosen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::{Harness, Scenario};
    use crate::model::ModelSpec;
    use crate::plan::GymChoice;

    fn plan() -> Plan {
        let harness = Harness {
            scenarios: vec![Scenario::default()],
            ..Harness::default()
        };
        let model = ModelSpec::new("noop".parse().unwrap());
        let builder = Plan::builder(harness).model(model).gyms(GymChoice::tracker());
        builder.build().unwrap().0
    }

    #[test]
    fn a_retry_is_a_selection_also_when_it_is_judged_again() {
        let whole = plan();
        assert_eq!(whole.selection(), None);
        let trials: Vec<_> = whole.trials().into_iter().map(|trial| trial.id).collect();
        let retry = whole.retry_of("run_1", Chosen::Failed, trials);
        let told = retry.selection().map(|selection| selection.to_string());
        assert_eq!(told.as_deref(), Some("trials that failed in run_1, tried again"));
        let models = retry.models.clone();
        let judged = retry.clone().rescore_of("run_2", models, |_| true);
        assert_eq!(judged.selection(), retry.selection());
    }

    /// Plans of before do not say which trials.
    #[test]
    fn an_older_plan_of_a_retry_is_one_too() {
        let mut old = plan();
        old.retries_of = Some("run_1".into());
        let text = serde_json::to_string(&old).unwrap();
        let read: Plan = serde_json::from_str(&text).unwrap();
        let told = read.selection().unwrap().notes().join("\n");
        insta::assert_snapshot!(told, @r"
        only trials that did not pass in run_1, tried again
        chosen by how they had ended: their rates say nothing about a model
        ");
    }
}
