//! Help texts, as a terminal of 100 columns shows them.

use crate::Bed;

/// The help of a command, without what is the same for all.
fn help(command: &str) -> String {
    let output = Bed::new().output(&format!("{command} -h"));
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "help is data");
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
    }
    match text.split_once("\nEverywhere:\n") {
        Some((own, common)) => match common.split_once("\n\n") {
            Some((_, examples)) => format!("{own}…\n{examples}"),
            None => own.to_owned(),
        },
        None => text,
    }
}

#[test]
fn the_program() {
    let text = String::from_utf8(Bed::new().output("-h").stdout).unwrap();
    insta::assert_snapshot!(text, @r"
    Benchmark LLM agents that use MCP tools

    Usage: bench-cli [OPTIONS] <COMMAND>

    Commands:
      run          Try models on the scenarios of harness files
      list         List runs, newest first
      show         Show the results of a run, or of one of its trials
      logs         Show the logs of a run's trials
      attach       Watch a run until it is over, and end as `run` would; Ctrl-C ends the watching only
      view         The dashboard: runs in progress and completed ones, live; `view list` as text
      kill         Ask runs to end, and see to it that they do
      resume       Continue a run that is over: every trial without a verdict is run
      retry        Try the trials of a run that did not pass again, as a new run
      rescore      Judge a run again without asking its models, as a new run, and show what has changed
      compare      Compare models of a run, or runs, with a verdict and a gate
      report       Make a document of a run: HTML, Markdown, JUnit XML, CSV, JSON or Inspect log
      cleanup      Put right runs that are not as they should be, and what they left; shows it first
      prune        Remove finished runs, old or named ones; shows them first
      check        Find faults in harness files, on their gyms, without paying a model
      gym          Look at gyms, call their tools, or serve the built-in one
      models       Show which models can be asked here, and what others lack
      schema       Print the JSON Schema of harness, gym or model files, or of reports
      doctor       Look whether everything that runs need is there
      completions  Print a completion script for a shell
      man          Print the manual, or write its pages to a folder

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Everywhere:
          --results <DIR>              Folder of results [default: BENCH_RESULTS, else ./results]
          --color <auto|always|never>  Colour; NO_COLOR is respected [default: auto]

    Exit codes:  0 done, 1 gate not met or faults found, 2 usage or input error,
                 3 could not finish, 130 interrupted
    Environment: BENCH_RESULTS, NO_COLOR, BENCH_LOG (such as debug), and the keys of the providers
    ");
    assert_eq!(
        Bed::new().output("").status.code(),
        Some(2),
        "nothing to do is a mistake"
    );
    let version = Bed::new().output("--version");
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!("bench-cli {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn compare() {
    insta::assert_snapshot!(help("compare"), @r"
    Compare models of a run, or runs, with a verdict and a gate

    Usage: bench-cli compare [OPTIONS] <RUN>...

    Arguments:
      <RUN>...  Ids of runs, prefixes that fit no other, `latest`, or results of the older tool;
                RUN#MODEL is one model of it

    Options:
          --model <MODEL>  Only this model, as tables show it, or a beginning that fits no other;
                           repeatable
          --json           One JSON document
      -h, --help           Print help

    Gate:
          --fail-if-worse         Exit with 1 if any is worse than the first; one that cannot be told is
                                  not
          --fail-under <RATE>     Exit with 1 if the pass rate of any that is compared with the first is
                                  lower, such as 0.9 or 90%
          --min-trials <N>        Exit with 1 if either side of a comparison has fewer trials with a
                                  verdict
          --min-compared <SHARE>  With any of them: also exit with 1 if under 90%, or this, of the
                                  scenarios of both sides are compared
          --min-verdicts <RATE>   With any of them: also exit with 1 if under 90%, or this, of a side's
                                  trials have a verdict
    …
    The first is what the others are compared with: of one run its first model (or the first
    --model), of several runs the first run, model by model; runs of one model each are compared
    whatever their models are called. Only scenarios count that were asked and judged alike and
    that both have a verdict in. What the numbers mean: docs/statistics.md. With any gate, runs that
    are not completed are exit code 3.

    Examples:
      bench-cli compare latest
      bench-cli compare run_20260102 latest --fail-if-worse
      bench-cli compare run_20260102#openai:gpt-5 latest#anthropic:claude-sonnet-4-5
    ");
}

#[test]
fn run() {
    insta::assert_snapshot!(help("run"), @r"
    Try models on the scenarios of harness files

    Usage: bench-cli run [OPTIONS] [HARNESS]...

    Arguments:
      [HARNESS]...  Harness file (JSON or JSONL), or a folder of them

    Options:
          --harness-file <FILE>  The same as HARNESS, for command lines of older tools
          --scenario <PATTERN>   Only scenarios whose id matches this glob pattern; repeatable
          --tag <TAG>            Only scenarios with this tag; repeatable
          --limit <N>            Only the first N of the scenarios that are left
          --runs <N>             Try each scenario N times with each model [default: the harness's
                                 number_of_runs, else 1]
          --background           Start it in the background, print its id and return
      -h, --help                 Print help

    Models:
          --model <MODEL>          provider:name, a well-known name such as gpt-4o, or a name of the
                                   model file, with settings behind it if you like: 'gpt-5?effort=high';
                                   oracle plays the solutions, script:FILE a file, replay:RUN a recorded
                                   run, noop does nothing; repeatable
          --judge-model <MODEL>    The model that judges answers, for checks with a comparison_prompt;
                                   the same words as --model
          --temperature <T>        Sampling temperature [default: not sent]
          --max-output-tokens <N>  The most tokens of one reply [default: the provider's]
          --system-prompt <FILE>   System prompt, from a file; a scenario's own wins
          --models-file <FILE>     Model file: models under names of their own [default: models.json
                                   beside the harness, else in the current folder]
          --prices <FILE>          Prices per million tokens, before the built-in ones
          --env-file <FILE>        Read variables (API keys, …) from a file; variables that are already
                                   set win [default: the nearest .env, from the folder of the harness
                                   (or the current one) upward]
          --no-env-file            Read no .env
          --secret <NAME>          Treat this variable's value as a secret, whatever its name;
                                   repeatable

    Gyms:
          --gym <GYM>          A gym of the gym file, or `tracker`, the built-in one [default: the
                               harness's own, the gym file's default, tracker]
          --gym-config <FILE>  Gym file [default: gyms.json beside the harness, else in the current
                               folder]

    Limits per trial:
          --max-turns <N>           Model replies [default: 200]
          --max-tool-calls <N>      Tool calls, over all prompts [default: 1000]
          --max-seconds <SECONDS>   Wall-clock time [default: 1800]
          --max-tokens <N>          Input and output tokens together [default: no limit]
          --max-trial-cost <USD>    US dollars for its model calls [default: no limit]
          --tool-timeout <SECONDS>  Time for one tool call; progress notifications start it anew
                                    [default: 60]

    The run:
          --max-concurrency <N>   Trials working at once, those that wait not counted [default: 8]
          --max-processes <N>     The same for gyms over stdio [default: 2 per processor]
          --retries <N>           Further attempts of a trial after an infrastructure error [default: 1]
          --evidence <WHAT>       Keep what went over the wire to models, without secrets: off, errors
                                  (where no reply came), full [default: full]
          --verify-each-step      Also look at the verifiers after each tool call, those that only read,
                                  to tell when each first held and whether it was lost. It changes no
                                  trial, and no limit counts its time
          --fail-under <RATE>     Exit with 1 if any model's pass rate is lower, such as 0.9 or 90%
          --min-verdicts <RATE>   Exit with 1 if fewer of a model's trials have a verdict; 90% with
                                  --fail-under
          --strict                Exit with 3 if any trial errored
          --label <TEXT>          A name for this run in lists
          --max-cost <USD>        End the run before its model calls cost more US dollars; resume with
                                  more to go on
          --max-tokens-total <N>  The same for input and output tokens
          --max-duration <TIME>   End the run after this time, such as 90s, 30m or 2h

    Output:
          --ui <auto|plain|tui|quiet>  Progress on stderr; auto is bars on a terminal, else plain; tui
                                       is the dashboard's view of the run [default: auto]
          --dry-run                    Show what would be run, and what it will need by past runs; run
                                       nothing
          --json                       One event a line on stdout, the summary last; with --dry-run the
                                       plan and its estimate
    …
    Examples:
      bench-cli run examples/quickstart --model oracle --model noop
      bench-cli run harness.json --model gpt-4o --model claude-sonnet-4-5 --runs 8 --label nightly
      bench-cli run harness.json --model gpt-4o --runs 5 --background && bench-cli attach
      bench-cli run harness.json --model compatible:qwen2.5:7b --scenario 'create-*' --dry-run
    ");
}

#[test]
fn looking_at_runs() {
    insta::assert_snapshot!(help("list"), @r"
    List runs, newest first

    Usage: bench-cli list [OPTIONS]

    Options:
          --status <STATUS>      Only runs that stand there [possible values: running, completed,
                                 failed, cancelled, overdue]
          --limit <N>            At most N of them; 0 for all [default: 50]
          --exit-code            Exit with 1 if any run is shown, for monitors
          --stale-hours <HOURS>  Hours without a sign of work from which a run counts as overdue
                                 [default: 24]
          --json                 One JSON document
      -h, --help                 Print help (see more with '--help')
    ");
    insta::assert_snapshot!(help("show"), @r"
    Show the results of a run, or of one of its trials

    Usage: bench-cli show [OPTIONS] [RUN]

    Arguments:
      [RUN]  Id of a run, a prefix that fits no other, or `latest` [default: latest]

    Options:
          --trial <TRIAL>  Show this trial: its verdicts and everything that was said
          --full           With --trial: nothing shortened or left out
          --raw            With --trial: what went over the wire to the model, instead
          --json           One JSON document
      -h, --help           Print help
    ");
    insta::assert_snapshot!(help("logs"), @r"
    Show the logs of a run's trials

    Usage: bench-cli logs [OPTIONS] [RUN]

    Arguments:
      [RUN]  Id of a run, a prefix that fits no other, or `latest` [default: latest]

    Options:
          --trial <TRIAL>  Only this trial
      -f, --follow         Go on until the run is over; Ctrl-C ends the watching only
      -h, --help           Print help
    ");
}

#[test]
fn gyms() {
    insta::assert_snapshot!(help("gym"), @r"
    Look at gyms, call their tools, or serve the built-in one

    Usage: bench-cli gym [OPTIONS] <COMMAND>

    Commands:
      list   List the gyms that `run` could use here
      tools  List the tools of a gym
      call   Call a tool of a gym on a fresh database
      serve  Serve the built-in tracker until interrupted

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help("gym list"), @r"
    List the gyms that `run` could use here

    Usage: bench-cli gym list [OPTIONS]

    Options:
          --gym-config <FILE>  Gym file [default: gyms.json in the current folder]
          --env-file <FILE>    Read variables (API keys, …) from a file; variables that are already set
                               win [default: the nearest .env, from the folder of the harness (or the
                               current one) upward]
          --no-env-file        Read no .env
          --json               One JSON document
      -h, --help               Print help
    ");
    insta::assert_snapshot!(help("gym tools"), @r"
    List the tools of a gym

    Usage: bench-cli gym tools [OPTIONS] [GYM]

    Arguments:
      [GYM]  Name of the gym [default: tracker]

    Options:
          --gym-config <FILE>  Gym file [default: gyms.json in the current folder]
          --env-file <FILE>    Read variables (API keys, …) from a file; variables that are already set
                               win [default: the nearest .env, from the folder of the harness (or the
                               current one) upward]
          --no-env-file        Read no .env
          --json               One JSON document, with the schemas of the arguments
      -h, --help               Print help
    ");
    insta::assert_snapshot!(help("gym call"), @r"
    Call a tool of a gym on a fresh database

    Usage: bench-cli gym call [OPTIONS] <GYM> [TOOL] [JSON]

    Arguments:
      <GYM>   Name of the gym
      [TOOL]  Name of the tool
      [JSON]  Its arguments, a JSON object

    Options:
          --arg <KEY=VALUE>    One argument; the value is JSON if it reads as JSON, else text;
                               repeatable
          --sql <QUERY>        Then ask the gym's SQL runner
          --gym-config <FILE>  Gym file [default: gyms.json in the current folder]
          --env-file <FILE>    Read variables (API keys, …) from a file; variables that are already set
                               win [default: the nearest .env, from the folder of the harness (or the
                               current one) upward]
          --no-env-file        Read no .env
          --json               One JSON document
      -h, --help               Print help
    …
    Examples:
      bench-cli gym call tracker get_issue --arg issueIdOrKey=WEB-1
      bench-cli gym call tracker delete_issue --arg issueIdOrKey=WEB-1 --sql 'SELECT count(*) FROM
      issue'
    ");
    insta::assert_snapshot!(help("gym serve"), @r"
    Serve the built-in tracker until interrupted

    Usage: bench-cli gym serve [OPTIONS]

    Options:
          --port <PORT>  Port on the loopback address; 0 takes a free one [default: 8765]
          --stdio        Speak MCP on stdin and stdout instead, with one database
      -h, --help         Print help
    ");
}

#[test]
fn everything_else() {
    insta::assert_snapshot!(help("check"), @r"
    Find faults in harness files, on their gyms, without paying a model

    Usage: bench-cli check [OPTIONS] <HARNESS>...

    Arguments:
      <HARNESS>...  Harness file (JSON or JSONL), or a folder of them

    Options:
          --offline          Look at the files only: reach no gym, try nothing
          --env-file <FILE>  Read variables (API keys, …) from a file; variables that are already set
                             win [default: the nearest .env, from the folder of the harness (or the
                             current one) upward]
          --no-env-file      Read no .env
          --json             One JSON document
      -h, --help             Print help

    Gyms:
          --gym <GYM>          A gym of the gym file, or `tracker`, the built-in one [default: the
                               harness's own, the gym file's default, tracker]
          --gym-config <FILE>  Gym file [default: gyms.json beside the harness, else in the current
                               folder]
    ");
    insta::assert_snapshot!(help("schema"), @r"
    Print the JSON Schema of harness, gym or model files, or of reports

    Usage: bench-cli schema [OPTIONS] [WHAT]

    Arguments:
      [WHAT]  Of what [default: harness] [possible values: harness, gyms, models, report]

    Options:
      -h, --help  Print help (see more with '--help')
    ");
    insta::assert_snapshot!(help("doctor"), @r"
    Look whether everything that runs need is there

    Usage: bench-cli doctor [OPTIONS]

    Options:
          --env-file <FILE>  Read variables (API keys, …) from a file; variables that are already set
                             win [default: the nearest .env, from the folder of the harness (or the
                             current one) upward]
          --no-env-file      Read no .env
          --json             One JSON document
      -h, --help             Print help
    ");
    insta::assert_snapshot!(help("completions"), @r"
    Print a completion script for a shell

    Usage: bench-cli completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>  Which shell [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help  Print help
    …
    For example: bench-cli completions bash > ~/.local/share/bash-completion/completions/bench-cli
    ");
    insta::assert_snapshot!(help("man"), @r"
    Print the manual, or write its pages to a folder

    Usage: bench-cli man [OPTIONS]

    Options:
          --dir <DIR>  Write a page per command there instead of printing the first one
      -h, --help       Print help
    ");
}
