//! Verifiers at run time: execute a check on the final state and say what was found.
//!
//! Anything that keeps a check from being executed is an errored verdict, never a false one.
//!
//! | part | what it does |
//! |---|---|
//! | [`verify_all`] | every verifier of a scenario in order, each under a deadline |
//! | `steps` | checks that only read, looked at after each tool call |
//! | `finding` | what a check found → verdict |
//! | `select` | which part of an answer a check looks at |
//! | `state`, `response`, `judge`, `tools`, `http`, `command` | the kinds of checks |

mod command;
mod finding;
mod http;
pub(crate) mod judge;
mod response;
mod select;
mod state;
pub(crate) mod steps;
mod tools;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench_core::evidence::Asker;
use bench_core::transcript::ToolCall;
use bench_core::verifier::ResponseCheck;
use bench_core::{Check, Plan, Scenario, Verdict, VerifierSpec};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::durations::millis;
use crate::env::Environment;
use crate::gym::GymSession;
use crate::process::LineLog;
use crate::scratch::Scratch;
use finding::Finding;
use judge::{AskJudge, Case};

/// How long one check may take; `command` has its own limit, plus this for its cleaning up.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);

/// A check that an embedding program brings, registered by name ([`Check::Custom`]).
pub trait Verifier: Send + Sync {
    /// Looks at the final state.
    fn verify<'a>(&'a self, spec: &'a VerifierSpec, end: &'a TrialEnd<'a>) -> BoxFuture<'a, Verdict>;

    /// Whether it only reads, so that it may be asked after each tool call as well, without an answer and again and again.
    /// Otherwise it is asked at the end only.
    fn reads_only(&self, _spec: &VerifierSpec) -> bool {
        false
    }
}

/// Everything a verifier may look at.
pub struct TrialEnd<'a> {
    /// The scenario that was tried.
    pub scenario: &'a Scenario,
    /// The final answer, if there was one.
    pub answer: Option<&'a str>,
    /// All tool calls, in order.
    pub calls: &'a [CallRecord],
    /// The open gyms: name and session, the scenario's first gym first.
    pub gyms: &'a [(String, Box<dyn GymSession>)],
    /// The trial's scratch folder (`{{trial_dir}}`).
    pub scratch: &'a Scratch,
    /// The folder that relative paths of the harness start from.
    pub harness_dir: &'a Path,
    /// The run, for `BENCH_RUN_ID` of children.
    pub run_id: &'a str,
    /// The trial's id.
    pub trial: &'a str,
    /// Variables for settings; children get only a part of it.
    pub env: &'a Environment,
    /// The trial's log.
    pub log: LineLog,
    /// Whom checks ask that a model judges, if there is anybody.
    pub(crate) judge: Option<&'a dyn AskJudge>,
}

/// A tool call that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// What was called.
    pub call: ToolCall,
    /// Whether it failed (tool error, unknown tool, bad arguments, deadline).
    pub failed: bool,
}

/// The addresses that checks of a plan ask.
pub(crate) fn addresses(plan: &Plan) -> impl Iterator<Item = Url> {
    let checks = plan.scenarios.iter().flat_map(|scenario| &scenario.verifiers);
    checks.filter_map(|verifier| match &verifier.check {
        Check::Http { url, .. } => Url::parse(url).ok(),
        _ => None,
    })
}

/// Executes every check in order. There is one verdict for each, which keeps the head of what was found.
///
/// # Errors
/// The run's budget is used up, so that a judge could not be asked: there are no verdicts.
pub async fn verify_all(
    specs: &[VerifierSpec],
    end: &TrialEnd<'_>,
    custom: &BTreeMap<String, Arc<dyn Verifier>>,
) -> Result<Vec<Verdict>, String> {
    let mut verdicts = Vec::with_capacity(specs.len());
    for (place, spec) in specs.iter().enumerate() {
        let started = Instant::now();
        let verdict = match &spec.check {
            Check::ResponseCheck(check @ ResponseCheck::Judge { .. }) => {
                judged(spec, place, check, end).await?.verdict(spec)
            }
            _ => checked(spec, end, custom).await,
        };
        let verdict = verdict.shortened(|text| end.env.secrets().redact(text));
        verdicts.push(Verdict {
            took_ms: millis(started.elapsed()),
            ..verdict
        });
    }
    Ok(verdicts)
}

/// One that nobody has to be asked for, under its deadline.
async fn checked(
    spec: &VerifierSpec,
    end: &TrialEnd<'_>,
    custom: &BTreeMap<String, Arc<dyn Verifier>>,
) -> Verdict {
    let limit = time_for(&spec.check);
    let late = |_| Finding::errored(format!("not done within {} s", limit.as_secs())).verdict(spec);
    let checked = timeout(limit, verify(spec, end, custom)).await;
    checked.unwrap_or_else(late)
}

/// One that a model judges. Its requests have deadlines of their own: a provider may have to be waited for.
async fn judged(
    spec: &VerifierSpec,
    place: usize,
    check: &ResponseCheck,
    end: &TrialEnd<'_>,
) -> Result<Finding, String> {
    let (
        ResponseCheck::Judge {
            comparison_prompt,
            minimum_comparison_value,
            sql_query,
        },
        Some(judge),
    ) = (check, end.judge)
    else {
        return Ok(Finding::permanent("there is no judge to ask"));
    };
    let case = Case {
        scenario: end.scenario,
        criterion: comparison_prompt,
        minimum: *minimum_comparison_value,
        sql: sql_query.as_deref(),
        answer: end.answer,
    };
    let asker = Asker {
        verifier: place,
        name: spec.name.clone(),
    };
    (end.log)(&format!("asks the judge {} for `{}`", judge.model(), spec.name));
    judge::check(&case, end.gym(spec), judge, &asker).await
}

fn time_for(check: &Check) -> Duration {
    match check {
        Check::Command(command) => CHECK_TIMEOUT + command::time_limit(command),
        _ => CHECK_TIMEOUT,
    }
}

async fn verify(
    spec: &VerifierSpec,
    end: &TrialEnd<'_>,
    custom: &BTreeMap<String, Arc<dyn Verifier>>,
) -> Verdict {
    let finding = match &spec.check {
        Check::DatabaseState { query, comparison } => match end.gym(spec) {
            Ok(gym) => state::database(gym, query, comparison).await,
            Err(problem) => Finding::permanent(problem),
        },
        Check::ToolResult {
            tool,
            arguments,
            select,
            comparison,
        } => match end.gym(spec) {
            Ok(gym) => state::tool_result(gym, tool, arguments, select, comparison).await,
            Err(problem) => Finding::permanent(problem),
        },
        Check::ResponseCheck(check) => response::check(check, end.answer),
        Check::ToolExecution(check) => tools::check(check, end.calls),
        Check::Http {
            url,
            status,
            select,
            comparison,
        } => http::check(url, *status, select, comparison.as_ref()).await,
        Check::Command(check) => command::check(check, end).await,
        Check::Custom { kind, .. } => match custom.get(kind) {
            Some(verifier) => return verifier.verify(spec, end).await,
            None => Finding::permanent(format!("no verifier is registered under the name `{kind}`")),
        },
        other => Finding::permanent(format!(
            "`{}` cannot be executed by this version",
            other.type_name()
        )),
    };
    finding.verdict(spec)
}

impl TrialEnd<'_> {
    /// The gym that a verifier names; the first one if it names none.
    fn gym(&self, spec: &VerifierSpec) -> Result<&dyn GymSession, String> {
        let found = match &spec.gym {
            Some(name) => self.gyms.iter().find(|(gym, _)| gym == name),
            None => self.gyms.first(),
        };
        found.map(|(_, session)| session.as_ref()).ok_or_else(|| {
            let names: Vec<&str> = self.gyms.iter().map(|(name, _)| name.as_str()).collect();
            let wanted = spec.gym.as_deref().unwrap_or("(any)");
            format!("no gym `{wanted}` in this trial; there are: {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_core::Comparison;
    use bench_core::verifier::{CallPattern, ResponseCheck, Selector, ToolExecution};
    use serde_json::{Value, json};

    async fn verdicts(answer: &str, checks: Vec<Check>) -> Vec<Verdict> {
        let origin = json!({"file": "h.json", "line": 1, "sha256": ""});
        let scenario = json!({"scenario_id": "s", "origin": origin, "prompts": [], "verifiers": []});
        let scenario: Scenario = serde_json::from_value(scenario).unwrap();
        let specs: Vec<VerifierSpec> = checks
            .into_iter()
            .map(|check| VerifierSpec::new("v", check))
            .collect();
        let call = ToolCall {
            id: String::new(),
            name: "x".repeat(1_000_000),
            arguments: json!({}),
        };
        let end = TrialEnd {
            scenario: &scenario,
            answer: Some(answer),
            calls: &[CallRecord { call, failed: false }],
            gyms: &[],
            scratch: &Scratch::default(),
            harness_dir: Path::new("/"),
            run_id: "run",
            trial: "trial",
            env: &Environment::default(),
            log: Arc::new(|_| {}),
            judge: None,
        };
        verify_all(&specs, &end, &BTreeMap::new()).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_found_is_compared_whole_and_kept_in_part() {
        let rows: Vec<Value> = (0..10_000).map(|n| json!({"id": n, "é": "ü"})).collect();
        let answer = format!(
            "{{\"rows\": {}, \"last\": \"needle\"}}",
            Value::Array(rows.clone())
        );
        let json = |select, comparison| Check::ResponseCheck(ResponseCheck::Json { select, comparison });
        let all = Selector::JsonPath("$.rows[*].id".into());
        let contains = |expected: Value| Comparison {
            operator: bench_core::Operator::Contains,
            expected,
        };
        let checks = vec![
            Check::ResponseCheck(ResponseCheck::Text {
                comparison: contains(json!("needle")),
                ignore_case: true,
            }),
            json(all.clone(), contains(json!(9_999))),
            json(all, contains(json!(10_000))),
            json(Selector::Whole, contains(json!("needle"))),
            Check::ToolExecution(ToolExecution {
                calls: vec![CallPattern {
                    tool: "y".into(),
                    arguments: serde_json::Map::new(),
                }],
                ..ToolExecution::default()
            }),
        ];
        let verdicts = verdicts(&answer, checks).await;
        let held: Vec<Option<bool>> = verdicts
            .iter()
            .map(|verdict| match verdict.status {
                bench_core::VerdictStatus::True => Some(true),
                bench_core::VerdictStatus::False => Some(false),
                _ => None,
            })
            .collect();
        assert_eq!(held, [Some(true), Some(true), Some(false), None, Some(false)]);
        for verdict in verdicts {
            let text = serde_json::to_string(&verdict).unwrap();
            assert!(text.len() < 10_000, "{} bytes: {}…", text.len(), &text[..200]);
            let shown = verdict.actual.as_str().unwrap();
            assert!(
                verdict.status.clone() != bench_core::VerdictStatus::True || shown.ends_with(" bytes)"),
                "{shown}"
            );
        }
    }
}
