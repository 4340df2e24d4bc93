//! Secrets: put in wherever users put them, repeated by models and servers, found nowhere.

use std::fs;
use std::io::Read;
use std::path::Path;

use bench_tests::bad_gym::{BadGym, Faults};
use bench_tests::bed::{PATIENCE, Shot, TestBed};
use bench_tests::model_stub::ModelStub;
use bench_tests::model_stub::script::{Reply, Script, Turn, call, status};
use serde_json::json;

use crate::harness::{answers, harness, scenario};

/// Every canary: an API key from the environment, one from an env file, a gym's header from a variable, a
/// header written into the gym file, credentials in a URL, a variable that only `--secret` calls a secret.
const CANARIES: [&str; 6] = [
    "sk-canary-from-environment",
    "canary-from-env-file-01",
    "canary-in-gym-header-02",
    "canary-literal-header-03",
    "canary-in-url-04",
    "canary-named-on-line-05",
];

/// Files below `folder` that hold a canary.
fn leaks(folder: &Path) -> Vec<String> {
    leaks_of(&CANARIES, folder)
}

/// Places in files below `folder` that hold any of these.
pub(crate) fn leaks_of(canaries: &[&str], folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(leaks_of(canaries, &path));
            continue;
        }
        let text = String::from_utf8_lossy(&content(&path)).into_owned();
        found.extend(found_in(canaries, &path.display().to_string(), &text));
    }
    found
}

/// What a file holds, decompressed where that is needed. A torn end is what a killed worker leaves.
fn content(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if path.extension().is_none_or(|ending| ending != "gz") {
        return bytes;
    }
    let mut content = Vec::new();
    let member = |at: &usize| bytes[*at..].starts_with(&[0x1f, 0x8b, 0x08]);
    for at in (0..bytes.len()).filter(member) {
        flate2::read::GzDecoder::new(&bytes[at..])
            .read_to_end(&mut content)
            .ok();
    }
    content
}

fn in_text(place: &str, text: &str) -> Vec<String> {
    found_in(&CANARIES, place, text)
}

fn found_in(canaries: &[&str], place: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(n, line)| {
            let canaries = canaries.iter().filter(move |canary| line.contains(**canary));
            canaries.map(move |canary| format!("{place}:{}: {canary}", n + 1))
        })
        .collect()
}

/// A gym, a model and a bed into which every canary was put, and the arguments of a run with all of them.
struct Baited {
    gym: BadGym,
    _stub: ModelStub,
    bed: TestBed,
}

const LINE: &str =
    "run harness.json --model openai:m --gym-config gyms.json --env-file .env --secret PLAIN_NAME";

impl Baited {
    fn new() -> Self {
        let gym = BadGym::start(Faults::default());
        let everything = CANARIES.join(" and ");
        let stub = ModelStub::start(Script::always([
            Turn::call([call("echo", json!({"message": everything}))]),
            Turn::call([
                call("fail", json!({})),
                call("no_such_tool", json!({"key": everything})),
            ]),
            Turn::say(&format!("done: {everything}")),
        ]));
        let bed = TestBed::new()
            .env("OPENAI_BASE_URL", stub.openai_url())
            .env("OPENAI_API_KEY", CANARIES[0])
            .env("PLAIN_NAME", CANARIES[5]);
        bed.write(
            ".env",
            format!("ANTHROPIC_API_KEY={}\nGYM_TOKEN={}\n", CANARIES[1], CANARIES[2]),
        );
        let url = gym
            .mcp_url()
            .replace("http://", &format!("http://user:{}@", CANARIES[4]));
        let sql = gym.mcp_url().replace("/mcp", "/api/sql-runner");
        let headers = json!({"x-gym": "Bearer ${GYM_TOKEN}", "x-api-key": CANARIES[3]});
        let gyms = json!({
            "gyms": {"bad": {"url": url, "sql_runner_url": sql, "headers": headers}}, "default": "bad",
        });
        bed.write_json("gyms.json", &gyms);
        bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
        Self {
            gym,
            _stub: stub,
            bed,
        }
    }

    /// Fails if a canary is in any result or on any of these screens.
    fn assert_clean(&self, screens: &[Shot]) {
        let mut found = leaks(&self.bed.results());
        for shot in screens {
            found.extend(in_text(&shot.line, &shot.stdout));
            found.extend(in_text(&shot.line, &shot.stderr));
        }
        assert!(found.is_empty(), "leaks:\n{}", found.join("\n"));
    }
}

#[test]
fn no_canary_is_found_in_any_file_or_on_the_screen() {
    let baited = Baited::new();
    let Baited { gym, bed, .. } = &baited;
    let mut screens = vec![
        bed.bench(&format!("{LINE} --dry-run")),
        bed.bench(&format!("{LINE} --json")),
    ];
    assert_eq!(screens[1].code, Some(0), "{}", screens[1]);
    assert_eq!(
        gym.values_of("x-gym"),
        [format!("Bearer {}", CANARIES[2])],
        "the gym gets its headers"
    );
    assert_eq!(gym.values_of("x-api-key"), [CANARIES[3]]);
    assert!(
        gym.values_of("authorization")
            .iter()
            .all(|value| value.starts_with("Basic "))
    );
    screens.push(bed.bench(&format!("{LINE} --ui plain")));
    for command in [
        "list --json",
        "show latest",
        "show latest --trial a~openai-m~1 --full",
        "logs latest",
        "doctor",
    ] {
        screens.push(bed.bench(command));
    }
    baited.assert_clean(&screens);
}

#[test]
fn no_canary_of_a_run_in_the_background_is_found_anywhere() {
    let baited = Baited::new();
    let Baited { gym, bed, .. } = &baited;
    let mut screens = vec![bed.bench(&format!("{LINE} --background --fail-under 1"))];
    assert_eq!(screens[0].code, Some(0), "{}", screens[0]);
    for command in [
        "attach latest",
        "attach latest --json",
        "list",
        "list --json",
        "view list",
        "show latest",
        "show latest --json",
        "show latest --trial a~openai-m~1 --full",
        "show latest --trial a~openai-m~1 --json",
        "show latest --trial a~openai-m~1 --raw",
        "show latest --trial a~openai-m~1 --raw --json",
        "logs latest",
        "logs latest --follow",
        "kill latest",
        "cleanup --json",
        "report latest -o -",
    ] {
        screens.push(bed.bench(command));
    }
    assert_eq!(gym.values_of("x-api-key"), [CANARIES[3]], "the worker had them");
    let run = bed.the_run();
    let evidence = content(&run.path().join("trials/a~openai-m~1.evidence.jsonl.gz"));
    assert!(
        String::from_utf8_lossy(&evidence).contains("[secret]"),
        "the canaries had come by"
    );
    assert!(fs::read(run.path().join("worker.log")).unwrap().len() > 20);
    assert_eq!(run.outcomes()["a~openai-m~1"], "passed");
    baited.assert_clean(&screens);
}

#[test]
fn no_canary_is_in_what_is_said_when_things_break() {
    let mut baited = Baited::new();
    let killed = baited.bed.start(&format!("{LINE} --json"));
    killed.stdout_line(PATIENCE, |line| line.contains("\"trial_started\""));
    killed.signal(rustix::process::Signal::KILL);
    let mut screens = vec![killed.finish(PATIENCE)];
    // From here on nobody answers at the address with the password in it.
    baited.gym.stop();
    let bed = &baited.bed;
    for command in [
        "cleanup",
        "cleanup --no-dry-run",
        "resume latest --background",
        "attach latest",
        "show latest",
        "list --json",
        "retry latest",
        LINE,
        "gym tools bad --gym-config gyms.json",
    ] {
        screens.push(bed.bench(command));
    }
    // A secret that is written in the gym file, and is another one now.
    let gyms = fs::read_to_string(bed.path("gyms.json")).unwrap();
    bed.write("gyms.json", gyms.replace(CANARIES[3], "canary-another-one-06"));
    let changed = bed.bench("resume latest");
    assert!(
        changed.code != Some(0) && !changed.stderr.contains("canary-another"),
        "{changed}"
    );
    screens.push(changed);
    // An env file that is none.
    bed.write(".env", format!("GYM_TOKEN {}\n", CANARIES[2]));
    let broken = bed.bench(LINE);
    assert_eq!(broken.code, Some(2), "{broken}");
    screens.push(broken);
    baited.assert_clean(&screens);
}

#[test]
fn a_provider_that_repeats_the_key_in_its_error_does_not_leak_it() {
    let stub = ModelStub::start(Script::always([Reply::Fault(status(401)).into()]));
    let bed = TestBed::new()
        .env("OPENAI_BASE_URL", stub.openai_url())
        .env("OPENAI_API_KEY", CANARIES[0]);
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    let shot = bed.bench("run harness.json --model openai:m --retries 0 --ui plain");
    let said = bed.the_run().outcome_lines();
    assert!(
        said.contains("Incorrect API key provided"),
        "the error itself is kept: {said}"
    );
    let mut found = leaks(&bed.results());
    found.extend(in_text("stdout", &shot.stdout));
    found.extend(in_text("stderr", &shot.stderr));
    assert!(found.is_empty(), "leaks:\n{}", found.join("\n"));
}

/// Credentials in the addresses of a model, of a judge and of a check, as they are written there, as they are meant,
/// and as clients send them; and a judge's key.
const IN_ADDRESSES: [&str; 8] = [
    "p%40ss-of-model-07",
    "p@ss-of-model-07",
    "bWU6cEBzcy1vZi1tb2RlbC0wNw",
    "canary-of-judge-08",
    "Y2FuYXJ5LW9mLWp1ZGdlLTA4O",
    "canary-of-check-09",
    "bWU6Y2FuYXJ5LW9mLWNoZWNrLTA5",
    "sk-canary-of-judge-10",
];

#[test]
fn who_repeats_credentials_as_they_were_sent_does_not_leak_them() {
    let stub = ModelStub::start(Script::always([Reply::Fault(status(401)).into()]));
    let with = |credentials: &str| {
        let url = stub.url();
        url.replace("http://", &format!("http://{credentials}@"))
    };
    let bed = TestBed::new()
        .env(
            "OPENAI_BASE_URL",
            with(&format!("me:{}", IN_ADDRESSES[0])) + "/v1",
        )
        .env("ANTHROPIC_BASE_URL", with(IN_ADDRESSES[3]))
        .env("ANTHROPIC_API_KEY", IN_ADDRESSES[7])
        .env("GOOGLE_BASE_URL", stub.url())
        .env("GOOGLE_API_KEY", IN_ADDRESSES[7]);
    let check = |url: String| json!({"verifier_type": "http", "validation_config": {"url": url}});
    let judged =
        json!({"verifier_type": "response_check", "validation_config": {"comparison_prompt": "Good?"}});
    let checks = [check(with(&format!("me:{}", IN_ADDRESSES[5])) + "/stats"), judged];
    bed.write_json("harness.json", &harness([scenario("a", checks)]));
    bed.write_json("play.json", &json!({"scenarios": {"a": [{"answer": "Web."}]}}));
    let mut screens = Vec::new();
    for who in [
        "--model openai:m --judge-model google:j",
        "--model script:play.json --judge-model anthropic:j",
        "--model script:play.json --judge-model google:j",
    ] {
        let ran = bed.bench(&format!("run harness.json {who} --retries 0 --ui plain"));
        assert!(ran.stderr.contains("Incorrect API key provided: "), "{ran}");
        screens.push(ran);
        for command in ["show latest", "show latest --json", "logs latest"] {
            screens.push(bed.bench(command));
        }
        let trials = bed.runs().pop().unwrap().trials();
        let trial = trials.keys().next().unwrap();
        for how in ["--full", "--raw"] {
            screens.push(bed.bench(&format!("show latest --trial {trial} {how}")));
        }
    }
    let sent = stub.requests().into_iter();
    let sent: Vec<_> = sent
        .map(|request| request.headers.get("authorization").cloned())
        .collect();
    assert_eq!(sent[0].as_ref().unwrap(), &format!("Basic {}==", IN_ADDRESSES[2]));
    assert_eq!(
        sent[1].as_ref().unwrap(),
        &format!("Basic {}g==", IN_ADDRESSES[4])
    );
    let mut found = leaks_of(&IN_ADDRESSES, &bed.results());
    // A plan has the checks as the harness has them.
    found.retain(|place| !(place.contains("/plan.json:") && place.ends_with(IN_ADDRESSES[5])));
    for shot in &screens {
        found.extend(found_in(&IN_ADDRESSES, &shot.line, &shot.stdout));
        found.extend(found_in(&IN_ADDRESSES, &shot.line, &shot.stderr));
    }
    assert!(found.is_empty(), "leaks:\n{}", found.join("\n"));
}

#[test]
fn a_stdio_server_does_not_see_provider_keys() {
    let bed = TestBed::new()
        .env("OPENAI_API_KEY", CANARIES[0])
        .env("MY_SETTING", "visible");
    // The server is the shell: it prints its environment to stderr, which is kept in the trial's log.
    let server = json!({
        "command": "sh", "args": ["-c", "env >&2; exit 7"], "env": {"OWN": "${MY_SETTING}"},
    });
    bed.write_json("gyms.json", &json!({"mcpServers": {"shell": server}}));
    bed.write_json("harness.json", &harness([scenario("a", [answers("done")])]));
    let shot = bed.bench("run harness.json --model noop --gym-config gyms.json");
    assert_eq!(shot.code, Some(3), "{shot}");
    let said = shot.stderr.clone();
    assert!(!said.contains("OPENAI_API_KEY"), "{shot}");
    assert!(leaks(&bed.results()).is_empty());
}
