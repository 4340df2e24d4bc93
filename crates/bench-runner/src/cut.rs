//! Texts that are too long for a model: head and tail, and between words.

/// A longer run of characters, in bytes, is no word: it is cut like any other text.
const LONGEST_WORD: usize = 512;

/// The text, or its head and tail with a note between them, and how many bytes were left out. Words stay whole: half of
/// a secret would be known as one by nobody.
pub(crate) fn cut_middle(text: &str, most: usize) -> (String, usize) {
    if text.len() <= most {
        return (text.to_owned(), 0);
    }
    let head = end_of_word_before(text, most / 2);
    let tail = start_of_word_after(text, text.len() - most / 2);
    let cut = tail - head;
    let note = format!("\n[… {cut} of {} bytes left out here …]\n", text.len());
    (format!("{}{note}{}", &text[..head], &text[tail..]), cut)
}

fn end_of_word_before(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let near = text.floor_char_boundary(at.saturating_sub(LONGEST_WORD));
    text[near..at]
        .rfind(between_words)
        .map_or(at, |found| near + found)
}

fn start_of_word_after(text: &str, at: usize) -> usize {
    let at = text.ceil_char_boundary(at);
    let near = text.ceil_char_boundary(at.saturating_add(LONGEST_WORD));
    text[at..near].find(between_words).map_or(at, |found| at + found)
}

fn between_words(c: char) -> bool {
    c.is_whitespace() || "\"',;|()[]{}<>".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_results_keep_head_and_tail_at_character_boundaries() {
        assert_eq!(cut_middle("short", 5), ("short".to_owned(), 0));
        let (text, cut) = cut_middle(&"ä".repeat(100), 21);
        assert!(
            text.starts_with("äää") && text.ends_with("äää") && text.contains("left out"),
            "{text}"
        );
        assert_eq!(cut, 200 - 20);
    }

    #[test]
    fn a_cut_leaves_words_whole() {
        let word = "sk-canary-0123456789";
        let text = format!("{{\"a\":\"{word}\",\"b\":[\"{}\",\"{word}\"]}}", "x".repeat(2000));
        for most in 2..text.len() {
            let (kept, cut) = cut_middle(&text, most);
            assert!(!kept.replace(word, "").contains("canary"), "{most}: {kept}");
            assert!(!kept.replace(word, "").contains("6789"), "{most}: {kept}");
            assert!(cut > 0 && kept.len() <= most + 60, "{most}: {kept}");
        }
    }
}
