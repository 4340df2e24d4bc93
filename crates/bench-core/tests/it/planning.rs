//! Plans: which trials, in which order, under which ids, on which gyms, and what is refused.

use bench_core::gym::Seed;
use bench_core::harness::{Origin, World};
use bench_core::verifier::ResponseCheck;
use bench_core::{
    Check, Comparison, GymChoice, GymOverride, GymSpec, Harness, ModelSpec, Plan, PlanBuilder, Prompt,
    Scenario, Transport, VerifierSpec,
};

use super::{list, load, load_gyms};

fn scenario(id: &str) -> Scenario {
    let origin = Origin {
        file: "h.json".into(),
        line: 7,
        pointer: "/scenarios/0".into(),
        ..Origin::default()
    };
    let prompts = vec![Prompt {
        text: "x".into(),
        expected_tools: Vec::new(),
        solution: None,
    }];
    Scenario {
        scenario_id: id.into(),
        origin,
        prompts,
        ..Scenario::default()
    }
}

fn harness(scenarios: impl IntoIterator<Item = Scenario>) -> Harness {
    Harness {
        name: "demo".into(),
        scenarios: scenarios.into_iter().collect(),
        ..Harness::default()
    }
}

fn model(name: &str) -> ModelSpec {
    ModelSpec::new(name.parse().unwrap())
}

fn builder(scenarios: impl IntoIterator<Item = Scenario>) -> PlanBuilder<'static> {
    Plan::builder(harness(scenarios))
        .model(model("noop"))
        .gyms(GymChoice::tracker())
}

fn plan(builder: PlanBuilder<'_>) -> Plan {
    builder.build().unwrap_or_else(|problems| panic!("{problems}")).0
}

fn refused(builder: PlanBuilder<'_>) -> String {
    list(&builder.build().unwrap_err())
}

fn ids(plan: &Plan) -> Vec<String> {
    plan.trials().iter().map(|trial| trial.id.to_string()).collect()
}

fn http(name: &str, url: &str) -> GymSpec {
    GymSpec {
        key: name.into(),
        name: name.into(),
        transport: Transport::Http { url: url.into() },
        sql_runner_url: Some(format!("{url}/sql").into()),
        ..GymSpec::tracker()
    }
}

fn sql_on(gym: Option<&str>) -> VerifierSpec {
    let check = Check::DatabaseState {
        query: "SELECT 1".into(),
        comparison: Comparison::equals(1),
    };
    VerifierSpec {
        gym: gym.map(Into::into),
        ..VerifierSpec::new("state", check)
    }
}

#[test]
fn one_full_repetition_comes_before_the_next() {
    let plan = plan(
        builder([scenario("a"), scenario("b")])
            .model(model("openai:gpt-4o"))
            .runs(2),
    );
    assert_eq!(
        ids(&plan),
        [
            "a~noop~1",
            "a~openai-gpt-4o~1",
            "b~noop~1",
            "b~openai-gpt-4o~1",
            "a~noop~2",
            "a~openai-gpt-4o~2",
            "b~noop~2",
            "b~openai-gpt-4o~2",
        ]
    );
    assert_eq!(plan.trial_count(), 8);
}

#[test]
fn filters_never_change_the_ids_of_what_they_keep() {
    let tagged = |id: &str, tag: &str| Scenario {
        tags: vec![tag.into()],
        ..scenario(id)
    };
    let all = || {
        [
            tagged("Create Bug", "x"),
            tagged("create-bug", "y"),
            tagged("create_bug", "y"),
            tagged("ä", "y"),
        ]
    };
    let whole = ids(&plan(builder(all()).runs(2)));
    assert_eq!(
        whole[..4],
        [
            "create-bug~noop~1",
            "create-bug-2~noop~1",
            "create_bug~noop~1",
            "x~noop~1"
        ]
    );
    for filtered in [
        builder(all()).limit(2),
        builder(all()).tags(["y".to_owned()]),
        builder(all()).tags(["y".to_owned()]).limit(1),
        builder(all()).only(|s| s.scenario_id.contains('-')),
        builder(all()).model(model("oracle")).runs(5),
    ] {
        let kept: Vec<String> = ids(&plan(filtered))
            .into_iter()
            .filter(|id| !id.contains("oracle"))
            .collect();
        assert!(!kept.is_empty());
        let known = |id: &String| {
            whole.contains(id) || id.ends_with("~3") || id.ends_with("~4") || id.ends_with("~5")
        };
        assert!(kept.iter().all(known), "{kept:?}");
    }
    assert_eq!(
        ids(&plan(builder(all()).tags(["y".to_owned()]).limit(1))),
        ["create-bug-2~noop~1"]
    );
}

#[test]
fn ids_stay_within_their_length_whatever_the_names() {
    let long = "long ".repeat(50);
    let scenarios = (0..12).map(|n| scenario(&format!("{long}{n}")));
    let mut builder = Plan::builder(harness(scenarios))
        .gyms(GymChoice::tracker())
        .runs(1_000);
    for n in 0..12 {
        builder = builder.model(model(&format!("compatible:{long}{n}")));
    }
    let all = ids(&plan(builder));
    let different: std::collections::HashSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    assert!(
        all.iter().all(|id| id.parse::<bench_core::TrialId>().is_ok()),
        "at most 120 safe characters"
    );
}

#[test]
fn everything_that_keeps_it_from_running_is_said_at_once() {
    let nothing = Plan::builder(harness([])).runs(0).max_concurrency(0);
    insta::assert_snapshot!(refused(nothing), @r"
    error: --runs: 0 would run nothing (hint: give 1 or more)
    error: --max-concurrency: 0 would run nothing (hint: give 1 or more)
    error: --model: no model is given (hint: give --model provider:name, or --model oracle or noop, which need no key)
    error: the harness `demo` holds no scenario
    ");
    let twice = builder([scenario("a")]).model(model("noop")).limit(0);
    insta::assert_snapshot!(refused(twice), @r"
    error: --model: the model `noop` is given twice (hint: --runs repeats every scenario with every model)
    error: no scenario is left after filtering; the harness holds 1 (hint: look at --scenario, --tag and --limit; its scenarios are `a`)
    ");
}

#[test]
fn gyms_that_are_not_there() {
    let named = Scenario {
        world: World::Named(vec!["trakcer".into(), "wiki".into()]),
        ..scenario("a")
    };
    insta::assert_snapshot!(refused(builder([named])), @r"
    error: h.json:7 at /scenarios/0 (scenario `a`): there is no gym `trakcer` (hint: did you mean `tracker`?)
    error: h.json:7 at /scenarios/0 (scenario `a`): there is no gym `wiki` (hint: available: `tracker`)
    warning: h.json:7 at /scenarios/0 (scenario `a`): it has no verifier (hint: a trial without a verifier is `unscored`, never passed)
    ");
    let verifier = Scenario {
        verifiers: vec![sql_on(Some("jira"))],
        ..scenario("b")
    };
    insta::assert_snapshot!(refused(builder([verifier])), @"error: h.json:7 at /scenarios/0 (scenario `b`): the verifier `state` asks the gym `jira`, which is not the scenario's (hint: available: `tracker`)");
    let several = GymChoice {
        default: Vec::new(),
        ..GymChoice::tracker()
    };
    insta::assert_snapshot!(refused(builder([scenario("c")]).gyms(several)), @r"
    error: h.json:7 at /scenarios/0 (scenario `c`): no gym is chosen for it (hint: choose with --gym; available: `tracker`)
    warning: h.json:7 at /scenarios/0 (scenario `c`): it has no verifier (hint: a trial without a verifier is `unscored`, never passed)
    ");
    let solution = serde_json::from_str(r#"{"calls": [{"tool": "t", "server": "trackr"}]}"#).unwrap();
    let solved = Scenario {
        solution: Some(solution),
        ..scenario("d")
    };
    insta::assert_snapshot!(refused(builder([solved])), @r"
    error: h.json:7 at /scenarios/0 (scenario `d`): the solution calls `t` on `trackr`, which is not the scenario's gym (hint: did you mean `tracker`?)
    warning: h.json:7 at /scenarios/0 (scenario `d`): it has no verifier (hint: a trial without a verifier is `unscored`, never passed)
    ");
}

#[test]
fn sql_needs_a_gym_that_may_have_a_runner() {
    let asks = || Scenario {
        verifiers: vec![sql_on(None)],
        ..scenario("a")
    };
    let choice = |gym: GymSpec| GymChoice {
        default: vec![gym.name.clone()],
        available: vec![gym],
        ..GymChoice::default()
    };
    let without = GymSpec {
        sql_runner_url: None,
        ..http("docs", "http://docs/mcp")
    };
    insta::assert_snapshot!(refused(builder([asks()]).gyms(choice(without))), @"error: h.json:7 at /scenarios/0 (scenario `a`): the verifier `state` sends SQL to the gym `docs`, which has no SQL runner (hint: add `sql_runner_url` to the gym, or check with `tool_result`)");
    plan(builder([asks()]));
    plan(builder([asks()]).gyms(choice(http("docs", "http://docs/mcp"))));
    let files = load_gyms("mcp_servers.json").gyms.swap_remove(0);
    plan(builder([asks()]).gyms(choice(files)));
}

#[test]
fn own_gyms_of_one_name_are_told_apart_by_what_they_are() {
    let own = |id: &str, url: &str| Scenario {
        world: World::Own(vec![http("hr", url)]),
        ..scenario(id)
    };
    let plan = plan(builder([
        own("a", "http://one"),
        own("b", "http://two"),
        own("c", "http://one"),
        scenario("d"),
    ]));
    let keys: Vec<&str> = plan.scenarios.iter().map(|s| s.gym_keys[0].as_str()).collect();
    assert_eq!(keys, ["hr", "hr-2", "hr", "tracker"]);
    assert_eq!(
        plan.gyms.iter().map(|gym| gym.name.as_str()).collect::<Vec<_>>(),
        ["hr", "hr", "tracker"]
    );
    assert_eq!(
        plan.gym("hr-2").unwrap().transport,
        Transport::Http {
            url: "http://two".into()
        }
    );
}

#[test]
fn the_command_line_can_replace_a_tasks_own_gyms() {
    let harness = load(&["task_nested.json"]);
    let mut choice = GymChoice {
        available: vec![
            http("mail", "http://m"),
            http("hr", "http://h"),
            GymSpec::tracker(),
        ],
        default: vec!["tracker".into()],
        chosen: "--gym-config".into(),
        overrides: GymOverride::File,
        needs: Vec::new(),
    };
    let make = |choice: &GymChoice, harness: &Harness| {
        plan(
            Plan::builder(harness.clone())
                .model(model("noop"))
                .gyms(choice.clone()),
        )
    };
    let same_names = make(&choice, &harness);
    let hr = same_names.gym("hr").unwrap();
    assert_eq!(
        hr.transport,
        Transport::Http {
            url: "http://h".into()
        }
    );
    assert!(matches!(hr.seed, Seed::File { .. }), "the task's own data");
    assert!(hr.context.contains_key("actingUserId"), "the task's own user");
    assert!(
        !hr.headers.contains_key("authorization"),
        "a token is for the server it was written for"
    );
    choice.overrides = GymOverride::Nothing;
    assert_eq!(
        make(&choice, &harness).gym("hr").unwrap().transport,
        Transport::Http {
            url: "http://localhost:8001/mcp".into()
        }
    );
}

#[test]
fn a_gym_of_the_command_line_wins_whatever_the_harness_says() {
    let named = |id: &str, verifier: VerifierSpec| Scenario {
        world: World::Named(vec!["live".into()]),
        verifiers: vec![verifier],
        ..scenario(id)
    };
    let own = Scenario {
        world: World::Own(vec![http("live", "http://own")]),
        ..scenario("own")
    };
    let mut choice = GymChoice {
        available: vec![http("live", "http://live"), http("test", "http://test")],
        default: vec!["test".into()],
        chosen: "as chosen".into(),
        overrides: GymOverride::Gym,
        ..GymChoice::default()
    };
    let make = |choice: &GymChoice| {
        let scenarios = [
            named("plain", sql_on(None)),
            named("asks", sql_on(Some("live"))),
            own.clone(),
            scenario("default"),
        ];
        plan(builder(scenarios).gyms(choice.clone()))
    };
    let gyms = |plan: &Plan| {
        let of = |key: &String| {
            let gym = plan.gym(key).unwrap();
            let Transport::Http { url } = &gym.transport else {
                panic!("not over HTTP")
            };
            format!("{} {url:?} {}", gym.name, plan.gyms_chosen[key])
        };
        let lines = plan
            .scenarios
            .iter()
            .map(|s| format!("{}: {}", s.scenario_id, of(&s.gym_keys[0])));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(gyms(&make(&choice)), @r#"
    plain: test Text("http://test") as chosen
    asks: live Text("http://test") as chosen
    own: live Text("http://test") as chosen
    default: test Text("http://test") as chosen
    "#);
    choice.overrides = GymOverride::File;
    insta::assert_snapshot!(gyms(&make(&choice)), @r#"
    plain: live Text("http://live") the harness names it; as chosen
    asks: live Text("http://live") the harness names it; as chosen
    own: live Text("http://live") the harness names it; as chosen
    default: test Text("http://test") as chosen
    "#);
    choice.overrides = GymOverride::Nothing;
    insta::assert_snapshot!(gyms(&make(&choice)), @r#"
    plain: live Text("http://live") the harness names it; as chosen
    asks: live Text("http://live") the harness names it; as chosen
    own: live Text("http://own") the harness's own
    default: test Text("http://test") as chosen
    "#);
}

#[test]
fn the_command_line_wins_over_the_harness() {
    let harness = Harness {
        number_of_runs: Some(4),
        temperature: Some(0.5),
        max_output_tokens: Some(100),
        ..harness([scenario("a")])
    };
    let builder = |harness: &Harness| Plan::builder(harness.clone()).gyms(GymChoice::tracker());
    let mut asked = model("gpt-4o");
    asked.settings.temperature = Some(0.0);
    let plan = plan(builder(&harness).models([model("claude-x"), asked, model("noop")]));
    assert_eq!(plan.runs, 4);
    let temperatures: Vec<_> = plan.models.iter().map(|m| m.settings.temperature).collect();
    assert_eq!(temperatures, [Some(0.5), Some(0.0), None]);
    assert_eq!(
        super::planning::plan(builder(&harness).model(model("noop")).runs(1)).runs,
        1
    );
}

#[test]
fn unset_variables_of_used_gyms_are_found_before_anything_runs() {
    let secret = GymSpec {
        context: [("who".to_owned(), "${WHO}".into())].into(),
        ..http("hr", "http://${HOST:-h}")
    };
    let own = Scenario {
        world: World::Own(vec![secret]),
        ..scenario("a")
    };
    let is_set = |_: &str| false;
    let unused = GymChoice {
        available: vec![GymSpec::tracker(), http("x", "${UNUSED}")],
        ..GymChoice::tracker()
    };
    let builder = Plan::builder(harness([own]))
        .model(model("noop"))
        .gyms(unused)
        .variables(&is_set);
    insta::assert_snapshot!(refused(builder), @r"
    warning: h.json:7 at /scenarios/0 (scenario `a`): it has no verifier (hint: a trial without a verifier is `unscored`, never passed)
    error: h.json:7 at /scenarios/0 (scenario `a`): the gym `hr` needs the variable `WHO`, which is not set (hint: set it, or pass it with --env-file)
    ");
}

#[test]
fn oracle_without_a_solution_is_said() {
    let (_, warnings) = builder([scenario("a")]).model(model("oracle")).build().unwrap();
    insta::assert_snapshot!(warnings[1], @"h.json:7 at /scenarios/0 (scenario `a`): it has no `solution`, so `oracle` has nothing to play (hint: write one, or leave `oracle` out)");
}

#[test]
fn a_plan_on_disk_says_the_same() {
    let mut harness = load(&["every_verifier.json", "task_nested.json", "rows.jsonl"]);
    let everything = &mut harness.scenarios[0];
    everything.allowed_tools = None; // it hides a tool of its solution
    let judge = |v: &VerifierSpec| matches!(v.check, Check::ResponseCheck(ResponseCheck::Judge { .. }));
    everything.verifiers.retain(|v| !judge(v));
    let files = GymSpec {
        key: "files".into(),
        name: "files".into(),
        ..GymSpec::tracker()
    };
    let choice = GymChoice {
        available: vec![GymSpec::tracker(), files],
        ..GymChoice::tracker()
    };
    let made = plan(
        Plan::builder(harness)
            .model(model("noop"))
            .gyms(choice)
            .label("x")
            .launch_dir("/h"),
    );
    let text = serde_json::to_string_pretty(&made).unwrap();
    let read = serde_json::from_str::<Plan>(&text).unwrap();
    assert_eq!(serde_json::to_string_pretty(&read).unwrap(), text);
    assert!(!text.contains("0123456789"), "no secret reaches the plan");
}
