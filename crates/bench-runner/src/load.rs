//! Harness, gym and model files from the disk. What they mean is said by `bench-core`, which never reads files itself.

use std::path::{Path, PathBuf};
use std::{fs, io};

use bench_core::gym::config::{self, GymFile};
use bench_core::harness::Source;
use bench_core::model::{self, config::ModelFile};
use bench_core::price::table::PriceTable;
use bench_core::{Harness, Place, Problem, Problems};

/// What most harness files are called: it tells nobody which one it is.
const HARNESS: &str = "harness";

/// Reads harness files, and folders of them (their `*.json` and `*.jsonl`, in name order), as one harness.
///
/// Relative paths start at `cwd`; people are shown paths as given. Seed files that tasks name are read too, for
/// their hash. Blocking.
///
/// # Errors
/// All problems of all files at once, unreadable ones included.
pub fn load_harness(paths: &[PathBuf], cwd: &Path) -> Result<Harness, Problems> {
    match load_sources(paths, cwd) {
        Ok(sources) => Harness::from_sources(&name_of(paths, cwd), &sources, &read_file),
        Err((mut problems, sources)) => {
            // Not all was read, but what was may have problems of its own: people want to see them together.
            if let Err(more) = Harness::from_sources("", &sources, &read_file)
                && !sources.is_empty()
            {
                problems.0.extend(more.0);
            }
            Err(problems)
        }
    }
}

/// Reads the texts of harness files, and of those in folders, without understanding them. An error holds what could
/// not be read, and the texts of the rest.
fn load_sources(paths: &[PathBuf], cwd: &Path) -> Result<Vec<Source>, (Problems, Vec<Source>)> {
    let mut problems = Problems::default();
    let mut sources = Vec::new();
    for path in paths {
        match sources_of(path, cwd) {
            Ok(found) => sources.extend(found),
            Err(more) => problems.0.extend(more.0),
        }
    }
    if problems.any_error() {
        Err((problems, sources))
    } else {
        Ok(sources)
    }
}

/// Reads a gym file. `is_set` says whether an environment variable has a value. Blocking.
///
/// # Errors
/// All problems of the file at once.
pub fn load_gyms(path: &Path, cwd: &Path, is_set: &dyn Fn(&str) -> bool) -> Result<GymFile, Problems> {
    config::read(&source_of(path, cwd)?, is_set)
}

/// Reads a price table. Blocking.
///
/// # Errors
/// All problems of the file at once.
pub fn load_prices(path: &Path, cwd: &Path) -> Result<PriceTable, Problems> {
    PriceTable::read(&source_of(path, cwd)?)
}

/// Reads a model file. Blocking.
///
/// # Errors
/// All problems of the file at once.
pub fn load_models(path: &Path, cwd: &Path) -> Result<ModelFile, Problems> {
    model::config::read(&source_of(path, cwd)?)
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

fn sources_of(path: &Path, cwd: &Path) -> Result<Vec<Source>, Problems> {
    if !cwd.join(path).is_dir() {
        return Ok(vec![source_of(path, cwd)?]);
    }
    let files = files_in(&cwd.join(path)).map_err(|error| unreadable(path, &error))?;
    if files.is_empty() {
        let problem = Problem::error(
            Place::file(path.to_string_lossy()),
            "there is no harness file in it",
        );
        return Err(problem
            .hint("a folder is read as its *.json and *.jsonl files, without subfolders")
            .into());
    }
    files
        .iter()
        .map(|name| source_of(&path.join(name), cwd))
        .collect()
}

/// Names of the files of a folder that may be harness files, in name order.
fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let fits = path
            .extension()
            .is_some_and(|ending| ending == "json" || ending == "jsonl");
        if fits && path.is_file() {
            names.extend(path.file_name().map(PathBuf::from));
        }
    }
    names.sort_by_key(|name| (name.to_string_lossy().to_lowercase(), name.clone()));
    Ok(names)
}

fn source_of(path: &Path, cwd: &Path) -> Result<Source, Problems> {
    let absolute = cwd.join(path);
    let text = fs::read_to_string(&absolute).map_err(|error| unreadable(path, &error))?;
    Ok(Source::new(absolute.to_string_lossy(), text).shown_as(path.to_string_lossy()))
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    let place = Place::file(path.to_string_lossy());
    let problem = match error.kind() {
        io::ErrorKind::NotFound => {
            Problem::error(place, "there is no such file or folder").hint("paths start at the current folder")
        }
        io::ErrorKind::InvalidData => Problem::error(place, "the file is no UTF-8 text"),
        _ => Problem::error(place, format!("cannot read it: {error}")),
    };
    problem.into()
}

/// What lists call the harness: the name of the file or folder, and how many more there are. A file that is called no
/// more than `harness.json` goes by its folder.
fn name_of(paths: &[PathBuf], cwd: &Path) -> String {
    let first = paths.first().map(|path| {
        let path = fs::canonicalize(cwd.join(path)).unwrap_or_else(|_| cwd.join(path));
        let name = match path.file_stem() {
            _ if path.is_dir() => path.file_name(),
            Some(stem) if stem == HARNESS => path.parent().and_then(Path::file_name).or(Some(stem)),
            stem => stem,
        };
        name.map(|name| name.to_string_lossy().into_owned())
    });
    let first = first.flatten().unwrap_or_else(|| HARNESS.to_owned());
    match paths.len() {
        0 | 1 => first,
        n => format!("{first} +{}", n - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"{"scenarios": [{"scenario_id": "ID", "prompts": [{"prompt_text": "Go."}]}]}"#;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    fn scenario(id: &str) -> String {
        SCENARIO.replace("ID", id)
    }

    #[test]
    fn a_folder_is_its_files_in_name_order() {
        let (a, b, c) = (scenario("a"), scenario("b"), scenario("c"));
        let files = [
            ("h/B.json", b.as_str()),
            ("h/a.json", &a),
            ("h/c.json", &c),
            ("h/x.txt", "?"),
            ("h/d/e.json", "?"),
        ];
        let dir = folder(&files);
        let harness = load_harness(&["h".into()], dir.path()).unwrap();
        let ids: Vec<_> = harness.scenarios.iter().map(|s| s.scenario_id.as_str()).collect();
        assert_eq!((harness.name.as_str(), ids), ("h", vec!["a", "b", "c"]));
        let here = load_harness(&[".".into()], &dir.path().join("h")).unwrap();
        assert_eq!(here.name, "h");
        let two = load_harness(&["h/a.json".into(), "h/c.json".into()], dir.path()).unwrap();
        assert_eq!((two.name.as_str(), two.scenarios.len()), ("a +1", 2));
    }

    #[test]
    fn a_harness_goes_by_its_own_name_or_by_one_that_tells_it_from_others() {
        let own = scenario("b").replacen('{', r#"{"name": " Night shift ","#, 1);
        let odd = scenario("c").replacen('{', r#"{"name": 7,"#, 1);
        let files = [
            ("shop/harness.json", scenario("a")),
            ("own/harness.json", own.clone()),
            ("own/gyms.json", r#"{"gyms": {}} // no harness"#.to_owned()),
            ("odd/x.json", odd),
            ("two/a.json", own),
            ("two/b.json", scenario("a")),
        ];
        let dir = folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
        for (path, want) in [
            ("shop/harness.json", "shop"),
            ("shop", "shop"),
            ("own/harness.json", "Night shift"),
            ("own", "Night shift"),
            ("odd/x.json", "x"),
            ("two", "two"),
        ] {
            let harness = load_harness(&[path.into()], dir.path()).unwrap();
            assert_eq!(harness.name, want, "{path}");
        }
    }

    #[test]
    fn a_gym_file_with_comments_is_known_for_what_it_is() {
        let (harness, gyms) = (
            scenario("a"),
            "// ours\n{\"gyms\": {\"a\": {\"url\": \"http://h/mcp\"},}}",
        );
        let dir = folder(&[("h/h.json", harness.as_str()), ("h/gyms.json", gyms)]);
        assert_eq!(
            load_harness(&["h".into()], dir.path()).unwrap().scenarios.len(),
            1
        );
        let alone = load_harness(&["h/gyms.json".into()], dir.path()).unwrap_err();
        assert!(alone.to_string().contains("this is a gym file"), "{alone}");
        fs::write(dir.path().join("h/h.json"), format!("// no\n{harness}")).unwrap();
        let commented = load_harness(&["h".into()], dir.path()).unwrap_err();
        assert!(commented.to_string().contains("not JSON"), "{commented}");
    }

    #[test]
    fn what_cannot_be_read_is_said_together_with_what_is_wrong() {
        let dir = folder(&[("broken.json", "{"), ("empty/readme.md", "")]);
        fs::write(dir.path().join("latin.json"), b"\xff").unwrap();
        let paths = ["missing.json", "empty", "latin.json", "broken.json"].map(PathBuf::from);
        let problems = load_harness(&paths, dir.path()).unwrap_err();
        insta::assert_snapshot!(problems, @r"
        missing.json: there is no such file or folder (hint: paths start at the current folder)
        empty: there is no harness file in it (hint: a folder is read as its *.json and *.jsonl files, without subfolders)
        latin.json: the file is no UTF-8 text
        broken.json:1:1: not JSON: unterminated object (hint: a closing bracket is missing; was the file cut off?)
        ");
    }
}
