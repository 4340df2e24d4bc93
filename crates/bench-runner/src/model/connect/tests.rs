//! Where models are asked and with what, and what is wrong with that.

use serde_json::json;

use super::*;

fn spec(model: &str) -> ModelSpec {
    ModelSpec {
        slug: "m".into(),
        ..ModelSpec::new(model.parse().unwrap())
    }
}

fn env(pairs: &[(&str, &str)]) -> Environment {
    Environment::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())), &[])
}

fn error(spec: &ModelSpec, pairs: &[(&str, &str)]) -> String {
    match connect(spec, &env(pairs), Path::new("/launch"), 8) {
        Ok(_) => panic!("{} connects", spec.model),
        Err(error) => error.to_string(),
    }
}

/// The address and the headers that a model is asked at and with.
fn endpoint(spec: &ModelSpec, pairs: &[(&str, &str)]) -> Endpoint {
    let env = env(pairs);
    let mut connector = Connector::new(&env, Path::new("/launch"), 8);
    let access = access(spec.model.provider).unwrap();
    let format = connector.format(spec, access).unwrap();
    connector.endpoint_of(format, spec, access).unwrap()
}

#[test]
fn addresses_come_from_the_model_then_the_environment_then_the_provider() {
    let key = ("OPENAI_API_KEY", "sk-canary-1");
    let moved = (
        "OPENAI_BASE_URL",
        "http://gate.example:8080/openai/v1/?api-version=2",
    );
    let mut own = spec("openai:gpt-4o");
    let url = |spec: &ModelSpec, pairs: &[_]| endpoint(spec, pairs).url.to_string();
    assert_eq!(url(&own, &[key]), "https://api.openai.com/v1/responses");
    let want = "http://gate.example:8080/openai/v1/chat/completions?api-version=2";
    assert_eq!(url(&own, &[key, moved]), want);
    own.base_url = Some("http://127.0.0.1:1/v1".into());
    assert_eq!(
        url(&own, &[moved]),
        "http://127.0.0.1:1/v1/chat/completions",
        "needs no key"
    );
    let mut gemini = spec("google:models/gemini-x");
    let asked = "v1beta/models/gemini-x:generateContent";
    let key = [("GOOGLE_GENAI_API_KEY", "sk-canary-4")];
    assert_eq!(
        url(&gemini, &key),
        format!("https://generativelanguage.googleapis.com/{asked}")
    );
    gemini.base_url = Some("http://127.0.0.1:1".into());
    assert_eq!(url(&gemini, &[]), format!("http://127.0.0.1:1/{asked}"));
    let mut claude = spec("anthropic:claude-x");
    for base in [
        "http://127.0.0.1:1",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/v1",
        "http://127.0.0.1:1/v1/",
    ] {
        claude.base_url = Some(base.into());
        assert_eq!(url(&claude, &[]), "http://127.0.0.1:1/v1/messages");
    }
}

#[test]
fn the_format_is_the_providers_own_or_the_one_that_is_asked_for() {
    let keys = ["OPENAI", "XAI", "OPENROUTER"].map(|name| format!("{name}_API_KEY"));
    let keys: Vec<_> = keys.iter().map(|name| (name.as_str(), "sk-canary-1")).collect();
    for (model, base, want) in [
        ("openai:gpt-5", None, "/responses"),
        ("openai:gpt-5?api=chat", None, "/chat/completions"),
        ("xai:grok-4", None, "/responses"),
        ("openai:m", Some("http://127.0.0.1:1/v1"), "/chat/completions"),
        (
            "openai:m?api=responses",
            Some("http://127.0.0.1:1/v1"),
            "/responses",
        ),
        ("openrouter:a/b", None, "/chat/completions"),
        ("openrouter:a/b?api=responses", None, "/responses"),
        ("compatible:m", Some("http://127.0.0.1:1/v1"), "/chat/completions"),
    ] {
        let mut spec = spec(model);
        spec.base_url = base.map(Setting::from);
        let url = endpoint(&spec, &keys).url;
        assert!(url.path().ends_with(want), "{model}: {url}");
    }
}

#[test]
fn what_a_format_cannot_say_is_refused() {
    for (model, want) in [
        ("anthropic:c?seed=1", "takes no seed"),
        ("openai:gpt-5?seed=1", "takes no seed"),
        ("openai:gpt-5?thinking=100", "set `effort`"),
        ("compatible:m?thinking=adaptive", "set `effort`"),
        ("anthropic:c?api=chat", "one API only"),
        ("google:g?api=responses", "one API only"),
    ] {
        let mut spec = spec(model);
        spec.base_url = (!model.starts_with("openai")).then(|| "http://127.0.0.1:1".into());
        let error = error(&spec, &[("OPENAI_API_KEY", "sk-canary-1")]);
        assert!(error.contains(want) && error.contains(model), "{model}: {error}");
    }
}

#[test]
fn keys_travel_in_the_header_of_their_provider_and_are_not_printed() {
    let openai = endpoint(&spec("openai:gpt-4o"), &[("OPENAI_API_KEY", " sk-canary-1\r\n")]);
    assert_eq!(openai.headers["authorization"], "Bearer sk-canary-1");
    assert!(!format!("{:?}", openai.headers).contains("canary"));
    let anthropic = endpoint(
        &spec("anthropic:claude-x"),
        &[("ANTHROPIC_API_KEY", "sk-canary-2")],
    );
    assert_eq!(anthropic.headers["x-api-key"], "sk-canary-2");
    assert_eq!(anthropic.headers["anthropic-version"], "2023-06-01");
    assert!(!format!("{:?}", anthropic.headers).contains("canary"));
    let google = endpoint(&spec("google:gemini-x"), &[("GEMINI_API_KEY", "sk-canary-4")]);
    assert_eq!(google.headers["x-goog-api-key"], "sk-canary-4");
    let openrouter = endpoint(
        &spec("openrouter:a/b"),
        &[
            ("OPENROUTER_API_KEY", "sk-canary-3"),
            ("OPENROUTER_APP_TITLE", "My bench"),
        ],
    );
    assert_eq!(openrouter.headers["x-title"], "My bench");
    let ollama = endpoint(
        &spec("compatible:qwen"),
        &[("COMPATIBLE_BASE_URL", "http://far.example/v1")],
    );
    assert!(ollama.headers.get("authorization").is_none());
}

#[test]
fn a_model_brings_headers_of_its_own() {
    let mut spec = spec("openai:gpt-4o");
    let headers = [("authorization", "Bearer ${GATE}"), ("x-team", "bench")];
    spec.headers = headers
        .map(|(name, value)| (name.to_owned(), value.into()))
        .into();
    let pairs = [("GATE", "gate-canary-1")];
    let own = endpoint(&spec, &pairs);
    assert_eq!(
        own.headers["authorization"], "Bearer gate-canary-1",
        "needs no other key"
    );
    assert_eq!(own.headers["x-team"], "bench");
    assert!(!format!("{:?}", own.headers).contains("canary"));
    assert_eq!(own.secrets.redact("it is gate-canary-1"), "it is [secret]");
    insta::assert_snapshot!(error(&spec, &[]), @"openai:gpt-4o: header `authorization`: the variable `GATE` is not set");
    insta::assert_snapshot!(error(&spec, &[("GATE", "a\nb")]), @"openai:gpt-4o: header `authorization` holds what no HTTP header may hold");
    spec.base_url = Some("${NOWHERE}/v1".into());
    insta::assert_snapshot!(error(&spec, &pairs), @"openai:gpt-4o: base_url: the variable `NOWHERE` is not set");
}

#[test]
fn what_is_missing_is_named_with_the_remedy() {
    insta::assert_snapshot!(error(&spec("openai:gpt-4o"), &[("OPENAI_API_KEY", "")]), @"openai: no key; set OPENAI_API_KEY in the environment or in the file given with --env-file");
    insta::assert_snapshot!(error(&spec("compatible:qwen"), &[]), @"compatible: no address; set COMPATIBLE_BASE_URL in the environment or in the file given with --env-file, such as http://127.0.0.1:11434/v1");
    insta::assert_snapshot!(error(&spec("google:gemini-2.5-pro"), &[]), @"google: no key; set GOOGLE_API_KEY in the environment or in the file given with --env-file");
    insta::assert_snapshot!(error(&spec("replay:run_1"), &[]), @"replay: nobody says in which folder of results the recorded run lies");
    insta::assert_snapshot!(error(&spec("script:play.json"), &[]), @"cannot read the script `/launch/play.json`");
    let address = [("COMPATIBLE_BASE_URL", "localhost:11434/v1")];
    insta::assert_snapshot!(error(&spec("compatible:qwen"), &address), @"COMPATIBLE_BASE_URL: `localhost:11434/v1` is no address of a server (scheme `localhost`); write http:// or https:// and a host");
    let key = [("OPENAI_API_KEY", "sk-canary\nx")];
    insta::assert_snapshot!(error(&spec("openai:gpt-4o"), &key), @"OPENAI_API_KEY holds a line break or another character that no HTTP header may hold");
}

#[test]
fn what_would_falsify_the_conversation_is_refused() {
    let with = |name: &str, value| {
        let mut spec = spec("compatible:qwen");
        spec.base_url = Some("http://127.0.0.1:1/v1".into());
        spec.settings.extra.insert(name.to_owned(), value);
        spec
    };
    for (name, value) in [
        ("stream", json!(true)),
        ("messages", json!([])),
        ("tools", json!([])),
        ("model", json!("x")),
    ] {
        assert!(error(&with(name, value), &[]).contains(&format!("`{name}` cannot be set")));
    }
    assert!(connect(&with("stream", json!(false)), &env(&[]), Path::new("/"), 8).is_ok());
    let mut claude = spec("anthropic:claude-x");
    claude.settings.seed = Some(1);
    assert!(error(&claude, &[]).contains("takes no seed"));
}

#[test]
fn credentials_in_addresses_are_secrets() {
    let env = env(&[("COMPATIBLE_BASE_URL", "https://me:hunter2hunter2@gate.example/v1")]);
    assert!(connect(&spec("compatible:qwen"), &env, Path::new("/"), 8).is_ok());
    assert_eq!(env.secrets().redact("it is hunter2hunter2"), "it is [secret]");
    let mut spec = spec("compatible:qwen");
    spec.base_url = Some("https://token-canary@gate.example/v1".into());
    assert!(connect(&spec, &env, Path::new("/"), 8).is_ok());
    assert_eq!(env.secrets().redact("it is token-canary"), "it is [secret]");
    let sent = "Basic bWU6aHVudGVyMmh1bnRlcjI=";
    assert_eq!(env.secrets().redact(sent), "Basic [secret]", "as it is sent");
}

#[test]
fn credentials_in_what_is_no_address_are_not_shown() {
    for address in [
        "https://me:hunter2hunter2@",
        "gate.example:8443/v1?api_key=hunter2hunter2",
        "https://gate.example:port/v1?api_key=hunter2hunter2@x",
    ] {
        let error = error(&spec("compatible:qwen"), &[("COMPATIBLE_BASE_URL", address)]);
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn models_at_one_address_share_connections() {
    let env = env(&[
        ("OPENAI_API_KEY", "sk-canary-1"),
        ("ANTHROPIC_API_KEY", "sk-canary-2"),
    ]);
    let mut connector = Connector::new(&env, Path::new("/"), 8);
    for model in ["openai:gpt-4o", "openai:gpt-5", "anthropic:claude-x"] {
        connector.connect(&spec(model)).unwrap();
    }
    assert_eq!(connector.clients.len(), 2);
}
