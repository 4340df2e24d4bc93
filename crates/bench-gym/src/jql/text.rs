//! What `~` means: which texts contain which words.
//!
//! Every word of the query must begin a word of the text, in any case and any order: `crash` finds
//! "Crashes when rotated", not "a car-crashlike". A part in inner quotes, `"\"rain jacket\""`, must occur as it is.
//! This comes close to Jira's stemming without a dictionary.

/// Whether `text` has everything that `query` asks for. A query without any word matches nothing.
pub(crate) fn text_matches(text: &str, query: &str) -> bool {
    let text = text.to_lowercase();
    let query = query.to_lowercase();
    let mut asked = false;
    // Odd parts stand between quotes; a quote left open reaches to the end.
    for (index, part) in query.split('"').enumerate() {
        let phrase = index % 2 == 1;
        let found = if phrase {
            let part = part.trim();
            asked |= !part.is_empty();
            text.contains(part)
        } else {
            words(part).all(|wanted| {
                asked = true;
                words(&text).any(|word| word.starts_with(wanted))
            })
        };
        if !found {
            return false;
        }
    }
    asked
}

/// Whether a query asks for anything at all.
pub(super) fn has_words(query: &str) -> bool {
    words(query).next().is_some()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_words_and_phrases_are_literal() {
        let text = "Crash when rotating the phone; \"order-update\" arrives twice. ÄRGER";
        for (query, expected) in [
            ("crash", true),
            ("crashes", false),
            ("rotat", true),
            ("rotat*", true),
            ("hen", false),
            ("phone crash", true),
            ("phone tablet", false),
            ("update", true),
            ("order-update", true),
            ("ärger", true),
            ("\"rotating the\"", true),
            ("\"the rotating\"", false),
            ("crash \"arrives twice\"", true),
            ("crash \"arrives once\"", false),
            ("\"arrives", true),
            ("", false),
            ("\"\"", false),
            ("***", false),
        ] {
            assert_eq!(text_matches(text, query), expected, "{query}");
        }
    }
}
