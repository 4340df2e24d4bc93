//! Model files as people write them, and every mistake in one.

use serde_json::json;

use super::*;
use crate::setting::Setting;

fn file(text: &str) -> Result<ModelFile, Problems> {
    read(&Source::new("/m/models.json", text).shown_as("models.json"))
}

const TWO: &str = r#"{"models": {
        // two servers of one model
        "near": {"provider": "compatible", "name": "qwen", "base_url": "http://${HOST:-127.0.0.1}:1/v1", "api": "chat",
                 "settings": {"temperature": 0, "effort": "low", "thinking": 5}, "body": {"top_k": 4},
                 "headers": {"Authorization": "Bearer ${QWEN_KEY}", "x-team": "bench", "X-Api-Key": "sk-canary-1"}},
        "far away": {"provider": "compatible", "name": "qwen", "base_url": "http://far.example/v1"},
    }}"#;

#[test]
fn models_of_one_name_stay_apart_and_secrets_stay_where_they_are() {
    let file = file(TWO).unwrap();
    let near = file.find("near").unwrap().unwrap();
    let far = file.find("far away?temperature=1").unwrap().unwrap();
    assert_eq!(near.spec.model.to_string(), "compatible:qwen?as=near");
    assert_eq!(
        far.spec.model.to_string(),
        "compatible:qwen?as=far+away&temperature=1"
    );
    assert_eq!(far.spec.settings.temperature, Some(1.0));
    for spec in [&near.spec, &far.spec] {
        let text = spec.model.to_string();
        assert_eq!(
            text.parse::<ModelRef>().as_ref(),
            Ok(&spec.model),
            "it survives plan.json"
        );
    }
    let settings = serde_json::to_value(&near.spec.settings).unwrap();
    let want = json!({"temperature": 0.0, "effort": "low", "thinking": {"budget": 5}, "api": "chat",
        "extra": {"top_k": 4}});
    assert_eq!(settings, want);
    let needs: Vec<_> = near
        .needs
        .iter()
        .map(|(name, place)| (name.as_str(), place.line))
        .collect();
    assert_eq!(needs, [("QWEN_KEY", Some(5))]);
    assert_eq!(near.spec.headers["x-team"], Setting::from("bench"));
    assert_eq!(
        near.spec.headers["authorization"],
        Setting::from("Bearer ${QWEN_KEY}")
    );
    let plan = serde_json::to_string(&near.spec).unwrap();
    assert!(
        !plan.contains("canary") && plan.contains("/models/near/headers/X-Api-Key"),
        "{plan}"
    );
    assert_eq!(file.find("gpt-4o").unwrap(), None);
    assert!(
        file.find("near?efort=1")
            .unwrap_err()
            .to_string()
            .contains("efort")
    );
    let back: ModelSpec = serde_json::from_str(&plan).unwrap();
    assert_eq!(back, near.spec);
}

#[test]
fn settings_behind_the_name_win_over_the_file() {
    let near = file(TWO)
        .unwrap()
        .find("near?temperature=1&body.top_k=9")
        .unwrap()
        .unwrap();
    let settings = near.spec.settings;
    assert_eq!(
        (settings.temperature, settings.effort.as_deref()),
        (Some(1.0), Some("low"))
    );
    assert_eq!(settings.extra["top_k"], json!(9));
}

#[test]
fn secrets_in_the_body_are_refused_with_their_place() {
    let text = r#"{"models": {"a": {"provider": "xai", "name": "m", "body": {
  "api_key": "sk-canary-1", "max_tokens": 5, "token_budget": null, "prompt_cache_key": "a",
  "extra_headers": {"Authorization": "Bearer sk-canary-2"},
  "list": [{"client_secret": "sk-canary-3"}, "token"],
  "tokens": [["sk-canary-4"], 5]}}}}"#;
    insta::assert_snapshot!(file(text).unwrap_err(), @r"
    models.json:2:14 at /models/a/body/api_key: `api_key` looks like a secret, and the request body is written down (hint: use `headers` with ${VAR})
    models.json:3:38 at /models/a/body/extra_headers/Authorization: `Authorization` looks like a secret, and the request body is written down (hint: use `headers` with ${VAR})
    models.json:4:30 at /models/a/body/list/0/client_secret: `client_secret` looks like a secret, and the request body is written down (hint: use `headers` with ${VAR})
    models.json:5:15 at /models/a/body/tokens/0/0: `tokens` looks like a secret, and the request body is written down (hint: use `headers` with ${VAR})
    ");
}

#[test]
fn every_problem_is_named_with_its_place() {
    let text = r#"{"models": {
  "a": {"provider": "opnai", "name": "m", "tempature": 1},
  "b": {"provider": "oracle", "name": ""},
  "c": {"name": "m", "base_url": "localhost:1", "api": "grpc"},
  "d": {"provider": "xai", "name": "m", "settings": {"temperature": "hot", "efort": "low", "top_p": 2, "api": "chat",
        "body.x": 1, "effort": 3, "seed": null}},
  "e": {"provider": "xai", "name": "m", "headers": {"x y": "1", "Host": "h", "x-a": "${B C}", "x-n": {}}, "body": []},
  "e": {"provider": "xai", "name": "m"},
  "": {"provider": "xai", "name": "m"}
}}"#;
    let problems = file(text).unwrap_err();
    insta::assert_snapshot!(problems, @r"
    models.json:2:21 at /models/a/provider: unknown provider `opnai` (hint: did you mean `openai`?)
    models.json:2:43 at /models/a/tempature: unknown field `tempature` is ignored (hint: known here are `provider`, `name`, `base_url`, `settings`, `api`, `body`, `headers` and `price`)
    models.json:3:21 at /models/b/provider: unknown provider `oracle` (hint: known here are `openai`, `anthropic`, `google`, `xai`, `openrouter` and `compatible`)
    models.json:3:39 at /models/b/name: `name` is empty
    models.json:4:8 at /models/c: `provider` is missing
    models.json:4:34 at /models/c/base_url: this is not an address to send requests to (hint: write it like `http://127.0.0.1:8080`)
    models.json:4:56 at /models/c/api: `grpc` is no API (hint: write `chat` or `responses`)
    models.json:5:69 at /models/d/settings/temperature: `temperature` must be a number
    models.json:5:85 at /models/d/settings/efort: there is no setting `efort` (hint: did you mean `effort`? Fields of the request body stand in `body`)
    models.json:5:101 at /models/d/settings/top_p: `2` is no value for `top_p`; a number from 0 to 1
    models.json:5:111 at /models/d/settings/api: `api` is no setting (hint: `api` stands beside `settings`)
    models.json:6:19 at /models/d/settings/body.x: `body.x` is no setting (hint: fields of the request body stand in `body`)
    models.json:6:32 at /models/d/settings/effort: `effort` must be a string
    models.json:7:60 at /models/e/headers/x y: `x y` is no name of a header
    models.json:7:73 at /models/e/headers/Host: the header `Host` cannot be set (hint: it belongs to the sending of a request)
    models.json:7:85 at /models/e/headers/x-a: `${B C}` is not a variable (hint: write ${NAME}, ${NAME:-default} or ${env:NAME})
    models.json:7:102 at /models/e/headers/x-n: `x-n` must be a string, not an object
    models.json:7:115 at /models/e/body: `body` must be an object, not a list
    models.json:8:8 at /models/e: `e` is given twice (hint: remove one of them, or rename it)
    models.json:9:7 at /models/: a model's name must hold something, and no `?`: settings follow that
    ");
    insta::assert_snapshot!(file("{\"model\": {}}").unwrap_err(), @r"models.json:1:1: there is no `models` in it: this is no model file (hint: did you mean `models` instead of `model`?)");
    insta::assert_snapshot!(file("{\"models\": {}}").unwrap_err(), @"models.json:1:12 at /models: the file names no model");
}
