//! A file of `NAME=value` lines: opened without waiting for anybody, and read as it stands.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// What a shell makes of `<(command)`: a pipe whose other end is under way already.
const OF_A_SHELL: &str = "/dev/fd";

/// Opens a file; a pipe or device in its place is refused, as reading it might never end.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if path.starts_with(OF_A_SHELL) {
        return File::open(path);
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// The variables in it. `$` is a character like any other: a key that holds one stays whole.
pub(super) fn read(mut file: File) -> Result<Vec<(String, String)>, dotenvy::Error> {
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(dotenvy::Error::Io)?;
    parse(text.trim_start_matches('\u{feff}'))
}

/// The library always puts the values of other variables in, so it gets to see no `$` but two characters that are not
/// in the text: one for `$`, and one for `\$`, which means `$` too, except in single quotes. There a backslash means
/// itself; doubled, it is one everywhere else. So one backslash too many stands before the second, in and out of quotes.
fn parse(text: &str) -> Result<Vec<(String, String)>, dotenvy::Error> {
    let mut free = ('\u{e000}'..='\u{f8ff}').filter(|c| !text.contains(*c));
    let (Some(plain), Some(escaped)) = (free.next(), free.next()) else {
        let all_taken = io::Error::other("it holds every private-use character there is");
        return Err(dotenvy::Error::Io(all_taken));
    };
    let mut hidden = String::with_capacity(text.len());
    let mut backslashes = 0_usize;
    for c in text.chars() {
        match c {
            '$' if backslashes % 2 == 1 => hidden.extend(['\\', escaped]),
            '$' => hidden.push(plain),
            c => hidden.push(c),
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
    }
    let doubled = String::from_iter(['\\', escaped]);
    dotenvy::Iter::new(hidden.as_bytes())
        .map(|line| line.map(|(name, value)| (name, value.replace(&doubled, "$").replace(plain, "$"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_is_a_character_like_any_other() {
        for (written, value) in [
            ("sk-can$ary-1", "sk-can$ary-1"),
            ("\"sk-can$ary-1\"", "sk-can$ary-1"),
            ("'sk-can$ary-1'", "sk-can$ary-1"),
            ("a$", "a$"),
            ("$$B${B}", "$$B${B}"),
            (r"a\$b", "a$b"),
            (r#""a\$b""#, "a$b"),
            (r"'a\$b'", r"a\$b"),
            (r"a\\$b", r"a\$b"),
            (r"'a\\$b'", r"a\\$b"),
            (r"a\\\$b", r"a\$b"),
            (r"'a\\\$b'", r"a\\\$b"),
            (r#"'$'"\$"$ # it's $5"#, "$$$"),
            ("it\\'s # '$'", "it's"),
        ] {
            let text = format!("# it's $5\nB=2\nA={written}\nC=3\n");
            let want = [("B", "2"), ("A", value), ("C", "3")].map(|(n, v)| (n.to_owned(), v.to_owned()));
            assert_eq!(parse(&text).unwrap(), want, "{written}");
        }
        assert_eq!(
            parse("A=\u{e000}$\u{e001}").unwrap(),
            [("A".to_owned(), "\u{e000}$\u{e001}".to_owned())]
        );
    }

    #[test]
    fn what_might_never_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for path in [pipe.as_path(), Path::new("/dev/zero"), dir.path()] {
            assert_eq!(open(path).unwrap_err().to_string(), "it is no regular file");
        }
    }
}
