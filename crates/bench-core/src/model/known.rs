//! Well-known names: short names of models as people and older tools write them, and what each stands for.
//!
//! They are looked at where no provider is named. A name behind a provider, `openai:gpt4o`, is always sent as it is.

/// A short name, and the model it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownName {
    /// What may be typed.
    pub name: &'static str,
    /// The same as `provider:name`, with settings behind it where the short name means some.
    pub means: &'static str,
}

/// A rule for names without a provider: what they begin with says who serves them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrefixRule {
    /// Beginnings, for people.
    pub begins_with: &'static str,
    /// The provider.
    pub provider: super::Provider,
}

/// Every short name.
pub const KNOWN_NAMES: [KnownName; 12] = [
    known("gpt-5-high", "openai:gpt-5?effort=high"),
    known("gpt4o", "openai:gpt-4o"),
    known("claude-4.5-sonnet", "anthropic:claude-sonnet-4-5"),
    known("claude-sonnet-4.5", "anthropic:claude-sonnet-4-5"),
    known("claude-sonnet-4-5-reasoning", REASONING_SONNET),
    known("claude-4.5-sonnet-reasoning", REASONING_SONNET),
    known("claude-sonnet-4.5-reasoning", REASONING_SONNET),
    known("grok4", "xai:grok-4"),
    known("llama-4-maverick", "openrouter:meta-llama/llama-4-maverick"),
    known(
        "llama-4-maverick:nitro",
        "openrouter:meta-llama/llama-4-maverick:nitro",
    ),
    known(
        "llama-4-maverick:floor",
        "openrouter:meta-llama/llama-4-maverick:floor",
    ),
    known(
        "meta-llama/llama-4-maverick",
        "openrouter:meta-llama/llama-4-maverick",
    ),
];

/// Thinks as the older tool had it think. The provider takes no other temperature with it, and counts the thinking as
/// output.
const REASONING_SONNET: &str =
    "anthropic:claude-sonnet-4-5?thinking=42000&temperature=1&max_output_tokens=64000";

/// The rules for all other names.
pub const PREFIX_RULES: [PrefixRule; 4] = [
    rule("gpt…, o1, o3, o4-…", super::Provider::Openai),
    rule("claude-…", super::Provider::Anthropic),
    rule("gemini-…, models/gemini-…", super::Provider::Google),
    rule("grok…", super::Provider::Xai),
];

const fn known(name: &'static str, means: &'static str) -> KnownName {
    KnownName { name, means }
}

const fn rule(begins_with: &'static str, provider: super::Provider) -> PrefixRule {
    PrefixRule {
        begins_with,
        provider,
    }
}

/// What a short name stands for.
pub(super) fn meaning(name: &str) -> Option<&'static str> {
    let known = KNOWN_NAMES
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(name));
    known.map(|known| known.means)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelRef;

    #[test]
    fn every_short_name_is_the_model_it_stands_for() {
        for known in KNOWN_NAMES {
            let model: ModelRef = known.name.parse().unwrap();
            assert_eq!(model.to_string(), known.means);
        }
        let cased: ModelRef = "Claude-4.5-Sonnet".parse().unwrap();
        assert_eq!(cased.to_string(), "anthropic:claude-sonnet-4-5");
    }

    #[test]
    fn settings_behind_a_short_name_are_added_to_its_own() {
        let model: ModelRef = "gpt-5-high?temperature=1".parse().unwrap();
        assert_eq!(model.to_string(), "openai:gpt-5?effort=high&temperature=1");
        let settings = model.settings();
        assert_eq!(
            (settings.effort.as_deref(), settings.temperature),
            (Some("high"), Some(1.0))
        );
        let twice = "gpt-5-high?effort=low".parse::<ModelRef>().unwrap_err();
        assert!(twice.to_string().contains("`effort` is set twice"), "{twice}");
    }

    #[test]
    fn a_name_behind_its_provider_is_left_as_it_is() {
        let model: ModelRef = "openai:gpt4o".parse().unwrap();
        assert_eq!(model.to_string(), "openai:gpt4o");
    }
}
