//! Arguments that name nothing, or make no sense.

use super::run_with;

#[test]
fn no_model() {
    insta::assert_snapshot!(run_with(""), @r#"
    $ bench-cli run harness.json 
    exit 2
    ── stderr
    error: no model is given
      try: `--model oracle` plays the solutions, `--model noop` does nothing; neither needs a key
      try: for others, set their variables: openai (OPENAI_API_KEY); anthropic (ANTHROPIC_API_KEY); google (GOOGLE_API_KEY); xai (XAI_API_KEY); openrouter (OPENROUTER_API_KEY); compatible (COMPATIBLE_BASE_URL)
    "#);
}

#[test]
fn a_model_of_an_unknown_provider() {
    insta::assert_snapshot!(run_with("--model opnai:gpt-4o --model llama"), @r"
    $ bench-cli run harness.json --model opnai:gpt-4o --model llama
    exit 2
    ── stderr
    error: `--model opnai:gpt-4o` and `--model llama` name no model
      because: unknown provider `opnai`; did you mean `openai:gpt-4o`?
      because: cannot tell which provider serves `llama`; write provider:llama, such as openai:llama
    ");
}

#[test]
fn a_key_that_is_not_set() {
    insta::assert_snapshot!(run_with("--model anthropic:claude-sonnet-4-5"), @r#"
    $ bench-cli run harness.json --model anthropic:claude-sonnet-4-5
    exit 2
    ── stderr
    gym tracker: built in (no other is named)
    error: anthropic: no key; set ANTHROPIC_API_KEY in the environment or in the file given with --env-file
    "#);
}

#[test]
fn an_unknown_gym_on_the_command_line() {
    insta::assert_snapshot!(run_with("--model noop --gym traker"), @r#"
    $ bench-cli run harness.json --model noop --gym traker
    exit 2
    ── stderr
    error: there is no gym `traker`
      try: available: tracker; `--gym-config FILE` reads another gym file
    "#);
}

#[test]
fn filters_that_leave_nothing() {
    insta::assert_snapshot!(run_with("--model noop --scenario goood --tag smoke"), @r"
    $ bench-cli run harness.json --model noop --scenario goood --tag smoke
    exit 2
    ── stderr
    error: no scenario is left after filtering; the harness holds 1
     = help: did you mean the scenario `good`?

    1 error
    ");
}

#[test]
fn numbers_that_make_no_sense() {
    insta::assert_snapshot!(run_with("--model noop --runs 0"), @r#"
    $ bench-cli run harness.json --model noop --runs 0
    exit 2
    ── stderr
    error: invalid value '0' for '--runs <N>': must be at least 1

    For more information, try '--help'.
    "#);
}

#[test]
fn an_unknown_flag() {
    insta::assert_snapshot!(run_with("--model noop --max-concurency 3"), @r#"
    $ bench-cli run harness.json --model noop --max-concurency 3
    exit 2
    ── stderr
    error: unexpected argument '--max-concurency' found

      tip: a similar argument exists: '--max-concurrency'

    Usage: bench-cli run --model <MODEL> --max-concurrency <N> <HARNESS>...

    For more information, try '--help'.
    "#);
}
