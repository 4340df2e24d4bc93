//! Who can be asked, by which name, with which variables.

use std::os::unix::fs::PermissionsExt;

use crate::Bed;

const MODELS: &str = r#"{"models": {
    "near": {"provider": "compatible", "name": "qwen", "base_url": "http://127.0.0.1:1/v1",
             "settings": {"temperature": 0}, "body": {"top_k": 4}},
    "gate": {"provider": "openai", "name": "gpt-5", "base_url": "http://gate.example/v1",
             "headers": {"authorization": "Bearer ${GATE_TOKEN}", "x-api-key": "sk-canary-literal"}}}}"#;
const HARNESS: &str = r#"{"scenarios": [{"scenario_id": "a", "prompts": [{"prompt_text": "Go.",
    "verifier": {"verifier_type": "tool_execution", "name": "none", "validation_config": {"forbidden": ["x"]}}}]}]}"#;

#[test]
fn providers_names_and_the_models_of_a_file() {
    let bed = Bed::new().with("models.json", MODELS).with(
        ".env",
        "ANTHROPIC_API_KEY=sk-canary-1\nXAI_BASE_URL=https://me:sk-canary-2@xai.example/v1\n",
    );
    insta::assert_snapshot!(bed.bench("models"), @r"
    $ bench-cli models
    provider    ready  key                        address                               API
    ────────────────────────────────────────────────────────────────────────────────────────────────────
    openai      · no   set OPENAI_API_KEY         https://api.openai.com/v1             responses
    anthropic   ✓ yes  ANTHROPIC_API_KEY is set   https://api.anthropic.com/            messages
    google      · no   set GOOGLE_API_KEY or      https://generativelanguage.googleapi  generateContent
                       GEMINI_API_KEY or          s.com/v1beta
                       GOOGLE_GENAI_API_KEY
    xai         · no   set XAI_API_KEY            https://xai.example/v1                chat completions
    openrouter  · no   set OPENROUTER_API_KEY     https://openrouter.ai/api/v1          chat completions
    compatible  · no   COMPATIBLE_API_KEY, if it  set COMPATIBLE_BASE_URL               chat completions
                       wants one
    script      ✓ yes  needs none                 the file behind its name              —
    oracle      ✓ yes  needs none                 —                                     —
    noop        ✓ yes  needs none                 —                                     —
    replay      ✓ yes  needs none                 the run behind its name               —

    name                         stands for                                                 $/M in / out
    ────────────────────────────────────────────────────────────────────────────────────────────────────
    gpt-5-high                   openai:gpt-5?effort=high                                   1.25 / 10
    gpt4o                        openai:gpt-4o                                              2.5 / 10
    claude-4.5-sonnet            anthropic:claude-sonnet-4-5                                3 / 15
    claude-sonnet-4.5            anthropic:claude-sonnet-4-5                                3 / 15
    claude-sonnet-4-5-reasoning  anthropic:claude-sonnet-4-5?thinking=42000&temperature=1&  3 / 15
                                 max_output_tokens=64000
    claude-4.5-sonnet-reasoning  anthropic:claude-sonnet-4-5?thinking=42000&temperature=1&  3 / 15
                                 max_output_tokens=64000
    claude-sonnet-4.5-reasoning  anthropic:claude-sonnet-4-5?thinking=42000&temperature=1&  3 / 15
                                 max_output_tokens=64000
    grok4                        xai:grok-4                                                 unknown
    llama-4-maverick             openrouter:meta-llama/llama-4-maverick                     unknown
    llama-4-maverick:nitro       openrouter:meta-llama/llama-4-maverick:nitro               unknown
    llama-4-maverick:floor       openrouter:meta-llama/llama-4-maverick:floor               unknown
    meta-llama/llama-4-maverick  openrouter:meta-llama/llama-4-maverick                     unknown
    gpt…, o1, o3, o4-…           openai:NAME                                                —
    claude-…                     anthropic:NAME                                             —
    gemini-…, models/gemini-…    google:NAME                                                —
    grok…                        xai:NAME                                                   —

    in the model file  ready  model                address              $/M in / out  what is missing
    ────────────────────────────────────────────────────────────────────────────────────────────────────
    near               ✓ yes  compatible:qwen?as=  http://127.0.0.1:1/  unknown       —
                              near                 v1
    gate               · no   openai:gpt-5?as=gat  http://gate.example  unknown       openai:gpt-5?as=ga
                              e                    /v1                                te: header
                                                                                      `authorization`:
                                                                                      the variable
                                                                                      `GATE_TOKEN` is
                                                                                      not set
    --- stderr
    variables of .env (found; `--no-env-file` leaves it out)
    --- exit 0
    ");
    let json = bed.output("models --json --no-env-file");
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["env_file"], serde_json::Value::Null);
    assert_eq!(
        document["providers"][1]["missing"],
        serde_json::json!(["ANTHROPIC_API_KEY"])
    );
    assert_eq!(document["models"][0]["configured"], serde_json::json!(true));
    assert_eq!(document["models"][0]["price"], serde_json::Value::Null);
    assert_eq!(document["names"][0]["price"]["input"], serde_json::json!(1.25));
    let all = format!("{}{}{document}", bed.bench("models"), bed.bench("models --json"));
    assert!(!all.contains("canary"), "{all}");
}

#[test]
fn what_is_sent_is_in_the_plan_and_no_secret() {
    let bed = Bed::new()
        .with("h/models.json", MODELS)
        .with("h/h.json", HARNESS)
        .with(".env", "GATE_TOKEN=gate-canary-1\n");
    let args = "run h/h.json --model near?temperature=1 --model gate --dry-run";
    let said = bed.bench(args);
    assert!(
        said.contains("variables of .env (found; `--no-env-file` leaves it out)"),
        "{said}"
    );
    let output = bed.output(&format!("{args} --json"));
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let plan = plan.get("plan").unwrap_or(&plan);
    let near = &plan["models"][0];
    assert_eq!(near["model"], "compatible:qwen?as=near&temperature=1");
    assert_eq!(near["base_url"], "http://127.0.0.1:1/v1");
    assert_eq!(near["settings"]["temperature"], 1.0);
    assert_eq!(near["settings"]["extra"]["top_k"], 4);
    assert_eq!(
        plan["models"][1]["headers"]["authorization"],
        "Bearer ${GATE_TOKEN}"
    );
    assert!(plan["env_file"].as_str().unwrap().ends_with("/.env"));
    assert!(!plan.to_string().contains("canary") && !said.contains("canary"));
}

#[test]
fn problems_of_a_model_file_are_told_all_at_once() {
    let bed = Bed::new()
        .with("h.json", HARNESS)
        .with(
            "models.json",
            r#"{"models": {"a": {"provider": "opnai", "name": 5}, "b": {}}}"#,
        )
        .with("good.json", MODELS);
    insta::assert_snapshot!(bed.bench("run h.json --model a"), @r#"
    $ bench-cli run h.json --model a
    --- stderr
    error: unknown provider `opnai`
     --> models.json:1:31
      |
    1 | {"models": {"a": {"provider": "opnai", "name": 5}, "b": {}}}
      |                               ^^^^^^^
      |
      = note: at /models/a/provider
      = help: did you mean `openai`?

    error: `name` must be a string, not 5
     --> models.json:1:48
      |
    1 | {"models": {"a": {"provider": "opnai", "name": 5}, "b": {}}}
      |                                                ^
      |
      = note: at /models/a/name

    error: `provider` is missing
     --> models.json:1:57
      |
    1 | {"models": {"a": {"provider": "opnai", "name": 5}, "b": {}}}
      |                                                         ^
      |
      = note: at /models/b

    error: `name` is missing
     --> models.json:1:57
      |
    1 | {"models": {"a": {"provider": "opnai", "name": 5}, "b": {}}}
      |                                                         ^
      |
      = note: at /models/b

    4 errors
    --- exit 2
    "#);
    insta::assert_snapshot!(bed.bench("run h.json --model gate --models-file good.json"), @r"
    $ bench-cli run h.json --model gate --models-file good.json
    --- stderr
    error: the model `gate` needs the variable `GATE_TOKEN`, which is not set
    --> good.json:5:43
     = note: at /models/gate/headers/authorization
     = help: set it, or pass it with --env-file

    1 error
    --- exit 2
    ");
    insta::assert_snapshot!(bed.bench("run good.json --model noop --models-file good.json"), @r#"
    $ bench-cli run good.json --model noop --models-file good.json
    --- stderr
    warning: `x-api-key` looks like a secret that is written in the file
    --> good.json:5:80
     = note: at /models/gate/headers/x-api-key
     = help: write ${NAME} and set the variable, or pass it with --env-file

    error: this is a model file, not a harness file
     --> good.json:1:1
      |
    1 | {"models": {
      | ^
      |
      = help: give it with --models-file, and a harness file beside it

    1 error and 1 warning
    --- exit 2
    "#);
}

#[test]
fn a_found_env_file_that_others_may_have_written_is_left_out() {
    let bed = Bed::new()
        .with("h.json", HARNESS)
        .with(".env", "OPENAI_BASE_URL=http://elsewhere.example/v1\n");
    let address = || {
        let document = bed.output("models --json");
        let document: serde_json::Value = serde_json::from_slice(&document.stdout).unwrap();
        (
            document["providers"][0]["address"].clone(),
            document["env_file"].is_null(),
        )
    };
    assert_eq!(address(), ("http://elsewhere.example/v1".into(), false));
    std::fs::set_permissions(bed.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(address(), ("https://api.openai.com/v1".into(), true));
    let said = bed.bench("run h.json --model noop --dry-run");
    let warning = "warning: .env is left out, as others may write to its folder; `--env-file .env` takes it";
    assert!(said.contains(warning), "{said}");
    let named = bed.bench("models --env-file .env");
    assert!(named.contains("elsewhere.example"), "{named}");
}

#[test]
fn a_run_goes_on_without_the_env_file_that_was_only_found() {
    let failing = HARNESS.replace(r#""forbidden": ["x"]"#, r#""required": ["add_issue_comment"]"#);
    let bed = Bed::new().with("h.json", &failing).with(".env", "PIN=1\n");
    let run = bed.bench("run h.json --model noop --ui quiet");
    assert!(run.contains("variables of .env"), "{run}");
    std::fs::rename(bed.path().join(".env"), bed.path().join("moved")).unwrap();
    for args in ["retry latest --ui quiet", "rescore latest --ui quiet"] {
        let said = bed.bench(args);
        let warning = "warning: .env is left out, as it is not there any more";
        assert!(said.contains(warning) && said.ends_with("exit 0"), "{said}");
    }
    let missing = bed.bench("retry latest --ui quiet --env-file missing");
    assert!(
        missing.contains("cannot read `--env-file missing`") && missing.ends_with("exit 2"),
        "{missing}"
    );
    for args in [
        "retry latest --env-file moved --ui quiet",
        "retry latest --no-env-file --ui quiet",
    ] {
        let said = bed.bench(args);
        assert!(
            !said.contains("warning: .env") && said.ends_with("exit 0"),
            "{said}"
        );
    }
}

#[test]
fn a_secret_in_the_body_is_refused_and_not_shown() {
    let bed = Bed::new().with("h.json", HARNESS);
    let said = bed.bench("run h.json --model openai:x?body.api_key=sk-canary");
    let (_, output) = said.split_once('\n').unwrap();
    insta::assert_snapshot!(output, @r"
    --- stderr
    error: `--model openai:x` names no model
      because: `openai:x`: `api_key` looks like a secret, and the request body is written down; give it in models.json, as one of the `headers` with ${VAR}
    --- exit 2
    ");
}
