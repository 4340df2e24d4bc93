//! Reading typed values out of a [`Document`] while noting every problem, not only the first.
//!
//! [`At`] is one value with the way to it. [`Fields`] reads the members of an object by name and, at
//! the end, says which members nobody asked for. A reader that returns `None` has noted why.

use std::cell::RefCell;

use serde_json::Value;

use super::typed::Read;
use super::{Document, Kind, Member, Node, escape};
use crate::problem::{Place, Problem};
use crate::suggest;

/// Where problems are noted, with the scenario that is being read.
#[derive(Debug, Default)]
pub(crate) struct Log {
    problems: RefCell<Vec<Problem>>,
    scenario: RefCell<Option<String>>,
}

impl Log {
    /// Names the scenario that the next problems belong to.
    pub(crate) fn enter_scenario(&self, id: Option<&str>) {
        *self.scenario.borrow_mut() = id.map(ToOwned::to_owned);
    }

    /// Notes a problem, with the current scenario.
    pub(crate) fn push(&self, mut problem: Problem) {
        if problem.place.scenario.is_none() {
            problem.place.scenario.clone_from(&self.scenario.borrow());
        }
        self.problems.borrow_mut().push(problem);
    }

    /// Notes several.
    pub(crate) fn extend(&self, problems: Vec<Problem>) {
        for problem in problems {
            self.push(problem);
        }
    }

    /// How many are noted.
    pub(crate) fn len(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Puts all problems but the first `kept` into the order of their places: those of one file.
    pub(crate) fn sort_after(&self, kept: usize) {
        if let Some(problems) = self.problems.borrow_mut().get_mut(kept..) {
            problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
        }
    }

    /// All problems, in the order in which they were noted.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }
}

/// One value of a document, and how it was reached.
#[derive(Clone)]
pub(crate) struct At<'d> {
    document: &'d Document,
    pub(crate) node: &'d Node,
    pub(crate) pointer: String,
    log: &'d Log,
}

impl<'d> At<'d> {
    /// The whole document.
    pub(crate) fn root(document: &'d Document, log: &'d Log) -> Self {
        Self {
            document,
            node: &document.root,
            pointer: String::new(),
            log,
        }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        self.document.place(self.node.start, &self.pointer)
    }

    /// The line in which it begins, from 1.
    pub(crate) fn line(&self) -> u32 {
        self.document.line(self.node.start)
    }

    /// Its place to be kept for later: without column and text where its line is long.
    pub(crate) fn brief_place(&self) -> Place {
        self.document.brief_place(self.node.start, &self.pointer)
    }

    /// The text it was written with.
    pub(crate) fn text(&self) -> &'d str {
        self.document.text_of(self.node)
    }

    /// The pointer in the file; in a file of rows it begins with the number of the row, from 0.
    pub(crate) fn pointer_in_file(&self) -> String {
        match self.document.row {
            Some(row) => format!("/{row}{}", self.pointer),
            None => self.pointer.clone(),
        }
    }

    /// The log that its problems go to.
    pub(crate) fn log(&self) -> &'d Log {
        self.log
    }

    /// Notes that it is wrong.
    pub(crate) fn error(&self, message: impl Into<String>) {
        self.log.push(Problem::error(self.place(), message));
    }

    /// Notes that it is wrong, and what to try next.
    pub(crate) fn error_with(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.log.push(Problem::error(self.place(), message).hint(hint));
    }

    /// Notes that it is odd, and what to try next.
    pub(crate) fn warn_with(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.log.push(Problem::warning(self.place(), message).hint(hint));
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.node.kind, Kind::Null)
    }

    /// Its value, without places.
    pub(crate) fn value(&self) -> Value {
        self.node.to_value()
    }

    /// What it is, for people: `a string`, `null`, `5`, …. Strings are not shown: they may be secrets.
    fn described(&self) -> String {
        match &self.node.kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(flag) => flag.to_string(),
            Kind::Number(number) => number.to_string(),
            Kind::Text(_) => "a string".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Object(_) => "an object".to_owned(),
        }
    }

    /// The name it was reached by, in back quotes; `the file` for the whole.
    fn name(&self) -> String {
        match self.pointer.rsplit_once('/') {
            Some((_, last)) if last.bytes().all(|b| b.is_ascii_digit()) => "each element".to_owned(),
            Some((_, last)) => format!("`{}`", last.replace("~1", "/").replace("~0", "~")),
            None => "the file".to_owned(),
        }
    }

    /// Notes that it should have been something else. Always `None`.
    pub(crate) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        self.error(format!(
            "{} must be {wanted}, not {}",
            self.name(),
            self.described()
        ));
        None
    }

    /// As a typed value, or a note that it is not one.
    pub(crate) fn read<T: Read>(&self) -> Option<T> {
        T::read(self)
    }

    /// Its elements, or a note that it is no list.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let Kind::List(items) = &self.node.kind else {
            return self.wrong_type("a list");
        };
        let at = |(n, node): (usize, &'d Node)| Self {
            node,
            pointer: format!("{}/{n}", self.pointer),
            ..self.clone()
        };
        Some(items.iter().enumerate().map(at).collect())
    }

    /// Its elements if it is a list, itself alone if it is anything else, nothing if it is null.
    pub(crate) fn one_or_many(&self) -> Vec<Self> {
        match self.node.kind {
            Kind::Null => Vec::new(),
            Kind::List(_) => self.items().unwrap_or_default(),
            _ => vec![self.clone()],
        }
    }

    /// Its members, or a note that it is no object.
    pub(crate) fn fields(&self) -> Option<Fields<'d>> {
        let Kind::Object(members) = &self.node.kind else {
            return self.wrong_type("an object");
        };
        Some(Fields {
            at: self.clone(),
            members,
            known: Vec::new(),
        })
    }

    /// Every member by its own name: for objects whose names are free.
    pub(crate) fn entries(&self) -> Option<Vec<(&'d str, Self)>> {
        let Kind::Object(members) = &self.node.kind else {
            return self.wrong_type("an object");
        };
        Some(
            members
                .iter()
                .map(|m| (m.name.as_str(), self.member(m)))
                .collect(),
        )
    }

    fn member(&self, member: &'d Member) -> Self {
        let pointer = format!("{}/{}", self.pointer, escape(&member.name));
        Self {
            node: &member.value,
            pointer,
            ..self.clone()
        }
    }

    /// Whether it is an object with this member.
    pub(crate) fn has(&self, name: &str) -> bool {
        matches!(&self.node.kind, Kind::Object(members) if members.iter().any(|m| m.name == name))
    }

    /// Names of its members, if it is an object.
    pub(crate) fn names(&self) -> Vec<&'d str> {
        match &self.node.kind {
            Kind::Object(members) => members.iter().map(|m| m.name.as_str()).collect(),
            _ => Vec::new(),
        }
    }
}

/// The members of an object, read by name.
pub(crate) struct Fields<'d> {
    at: At<'d>,
    members: &'d [Member],
    known: Vec<&'static str>,
}

impl<'d> Fields<'d> {
    /// The object itself.
    pub(crate) fn at(&self) -> &At<'d> {
        &self.at
    }

    /// A member, whatever it holds.
    pub(crate) fn any(&mut self, name: &'static str) -> Option<At<'d>> {
        self.known.push(name);
        let member = self.members.iter().rev().find(|m| m.name == name)?;
        Some(self.at.member(member))
    }

    /// A member that is not null.
    pub(crate) fn some(&mut self, name: &'static str) -> Option<At<'d>> {
        self.any(name).filter(|at| !at.is_null())
    }

    /// A member of a type; `None` if it is absent or null, or not of the type (which is noted).
    pub(crate) fn get<T: Read>(&mut self, name: &'static str) -> Option<T> {
        self.some(name)?.read()
    }

    /// A string that must be there and hold more than space.
    pub(crate) fn require_text(&mut self, name: &'static str) -> Option<String> {
        let Some(at) = self.any(name) else {
            self.missing(name);
            return None;
        };
        let text: String = at.read()?;
        if text.trim().is_empty() {
            at.error(format!("`{name}` is empty"));
            return None;
        }
        Some(text)
    }

    /// Notes that a member is missing.
    pub(crate) fn missing(&self, name: &str) {
        let message = format!("`{name}` is missing");
        let unknown = self
            .members
            .iter()
            .map(|m| m.name.as_str())
            .filter(|m| !self.known.contains(m));
        match suggest::closest(name, unknown) {
            Some(typo) => self
                .at
                .error_with(message, format!("is it misspelt as `{typo}`?")),
            None => self.at.error(message),
        }
    }

    /// The known names for people: each once, none that only programs write.
    fn known_names(&self) -> String {
        let mut names = Vec::new();
        for name in self.known.iter().copied().filter(|name| !name.starts_with('$')) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        suggest::quoted_list(names)
    }

    /// Members that are known but say nothing to us.
    pub(crate) fn ignore(&mut self, names: &[&'static str]) {
        self.known.extend(names);
    }

    /// Notes the members that nobody asked for, and those given twice.
    pub(crate) fn finish(self) {
        for (n, member) in self.members.iter().enumerate() {
            let place = self
                .at
                .document
                .place(member.name_start, &self.at.member(member).pointer);
            let name = member.name.as_str();
            if self.members.iter().take(n).any(|earlier| earlier.name == name) {
                let message = format!("`{name}` is given twice; the last one counts");
                self.at
                    .log
                    .push(Problem::warning(place, message).hint("remove one of them"));
            } else if !self.known.contains(&name) {
                let hint = match suggest::closest(name, self.known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("known here are {}", self.known_names()),
                };
                let message = format!("unknown field `{name}` is ignored");
                self.at.log.push(Problem::warning(place, message).hint(hint));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Syntax;
    use super::*;

    #[test]
    fn every_problem_of_an_object_is_noted() {
        let text =
            r#"{"name": 5, "qeury": "x", "tools": ["a", 1], "tags": "one", "n": 3.0, "n2": -1, "n": 4}"#;
        let document = Document::parse("a.json", text, Syntax::Strict).unwrap();
        let log = Log::default();
        log.enter_scenario(Some("s1"));
        let mut fields = At::root(&document, &log).fields().unwrap();
        assert_eq!(fields.get::<String>("name"), None);
        assert_eq!(fields.require_text("query"), None);
        assert_eq!(fields.get::<Vec<String>>("tools"), None);
        assert_eq!(fields.get::<Vec<String>>("tags"), Some(vec!["one".to_owned()]));
        assert_eq!(fields.get::<u32>("n"), Some(4));
        assert_eq!(fields.get::<u64>("n2"), None);
        fields.finish();
        let shown: Vec<String> = log.into_problems().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        a.json:1:10 at /name (scenario `s1`): `name` must be a string, not 5
        a.json:1:1 (scenario `s1`): `query` is missing (hint: is it misspelt as `qeury`?)
        a.json:1:42 at /tools/1 (scenario `s1`): each element must be a string, not 1
        a.json:1:77 at /n2 (scenario `s1`): `n2` must be 0 or more, not -1
        a.json:1:13 at /qeury (scenario `s1`): unknown field `qeury` is ignored (hint: did you mean `query`?)
        a.json:1:81 at /n (scenario `s1`): `n` is given twice; the last one counts (hint: remove one of them)
        "#);
    }
}
