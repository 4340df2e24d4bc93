//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate nearest to `word`, if it is near enough to be what was meant.
///
/// At most one edit per three characters (swapped neighbours are one edit), case ignored. One of which
/// the other is the beginning counts as near too, if it is the only one (`expected` → `expected_value`).
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.trim().to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    let mut longer = Vec::new();
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        let distance = strsim::damerau_levenshtein(&word, &lower);
        if distance <= allowed && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
        let shorter = word.len().min(lower.len());
        if shorter >= 4
            && (lower.starts_with(&word) || word.starts_with(&lower))
            && !longer.contains(&candidate)
        {
            longer.push(candidate);
        }
    }
    match (best, longer.as_slice()) {
        (Some((_, candidate)), _) => Some(candidate),
        (None, [candidate]) => Some(candidate),
        _ => None,
    }
}

/// `a`, `b` and `c`, each in back quotes; `nothing` for an empty list.
pub(crate) fn quoted_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|w| format!("`{w}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["query", "expected_value", "comparison_type", "gym_name"];
        for (word, want) in [
            ("qeury", Some("query")),
            ("Query", Some("query")),
            ("expected", Some("expected_value")),
            ("comparision_type", Some("comparison_type")),
            ("gymname", Some("gym_name")),
            ("timeout", None),
            ("q", None),
            ("", None),
        ] {
            assert_eq!(closest(word, known), want, "{word}");
        }
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(quoted_list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(quoted_list(["a"]), "`a`");
        assert_eq!(quoted_list([]), "nothing");
    }
}
