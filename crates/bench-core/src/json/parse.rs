//! Text to tree, and why a text is none.

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::{Kind, Member, Node, Syntax};
use crate::problem::{Place, Problem};

/// Why a text is not JSON.
pub(super) struct Wrong {
    pub(super) start: usize,
    pub(super) message: String,
    hint: Option<&'static str>,
}

impl Wrong {
    fn at(start: usize, message: impl Into<String>) -> Self {
        Self {
            start,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn into_problem(self, place: Place) -> Problem {
        let problem = Problem::error(place, self.message);
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

pub(super) fn parse_text(text: &str, syntax: Syntax) -> Result<Node, Wrong> {
    let lenient = syntax == Syntax::WithComments;
    let options = ParseOptions {
        allow_comments: lenient,
        allow_trailing_commas: lenient,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let ast = match parse_to_ast(text, &CollectOptions::default(), &options) {
        Ok(parsed) => parsed.value,
        Err(error) => return Err(syntax_error(text, &error)),
    };
    let Some(ast) = ast else {
        return Err(Wrong::at(0, "not JSON: it is empty"));
    };
    let root = convert(ast)?;
    if syntax == Syntax::Strict {
        // The parser with places lets a few things pass, such as line breaks inside strings.
        serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| refused(text, &error))?;
    }
    Ok(root)
}

fn convert(ast: Ast<'_>) -> Result<Node, Wrong> {
    let range = ast.range();
    let kind = match ast {
        Ast::NullKeyword(_) => Kind::Null,
        Ast::BooleanLit(literal) => Kind::Bool(literal.value),
        Ast::StringLit(literal) => Kind::Text(literal.value.into_owned()),
        Ast::NumberLit(literal) => {
            let refused = |_| {
                let message = format!("not JSON: `{}` is no number that can be held", literal.value);
                Wrong::at(range.start, message)
            };
            Kind::Number(literal.value.parse().map_err(refused)?)
        }
        Ast::Array(array) => Kind::List(
            array
                .elements
                .into_iter()
                .map(convert)
                .collect::<Result<_, _>>()?,
        ),
        Ast::Object(object) => {
            let members = object.properties.into_iter().map(|property| {
                let name_start = property.name.range().start;
                let value = convert(property.value)?;
                Ok(Member {
                    name: property.name.into_string(),
                    name_start,
                    value,
                })
            });
            Kind::Object(members.collect::<Result<_, _>>()?)
        }
    };
    Ok(Node {
        start: range.start,
        end: range.end,
        kind,
    })
}

fn syntax_error(text: &str, error: &ParseError) -> Wrong {
    let start = error.range().start.min(text.len());
    let said = error.kind().to_string();
    let mut letters = said.chars();
    let said: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_lowercase)
        .chain(letters)
        .collect();
    let word: String = text
        .get(start..)
        .unwrap_or_default()
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect();
    let hint = match error.kind() {
        ParseErrorKind::CommentsNotAllowed => Some("JSON has no comments; remove it"),
        ParseErrorKind::TrailingCommasNotAllowed => Some("remove the comma after the last element"),
        ParseErrorKind::SingleQuotedStringsNotAllowed => Some("strings need double quotes"),
        ParseErrorKind::ExpectedComma => Some("put a comma between the two elements"),
        ParseErrorKind::ExpectedStringObjectProperty => Some("names need double quotes"),
        ParseErrorKind::UnterminatedArray | ParseErrorKind::UnterminatedObject => {
            Some("a closing bracket is missing; was the file cut off?")
        }
        ParseErrorKind::MultipleRootJsonValues => {
            Some("a file holds one value; rows, one a line, need the ending .jsonl")
        }
        ParseErrorKind::UnexpectedWord | ParseErrorKind::UnexpectedToken => match word.as_str() {
            "True" | "False" => Some("JSON writes true and false in lower case"),
            "None" | "undefined" | "nil" => Some("JSON writes null"),
            "NaN" | "Infinity" => Some("JSON has no such number; write null or a string"),
            "" => None,
            _ if start == 0 => Some("a JSON file begins with { or ["),
            _ => Some("strings need double quotes"),
        },
        _ => None,
    };
    Wrong {
        start,
        message: format!("not JSON: {said}"),
        hint,
    }
}

/// What `serde_json` refuses, with its line and column as an offset.
fn refused(text: &str, error: &serde_json::Error) -> Wrong {
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let mut start = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let hint = said
        .contains("control character")
        .then_some(r"write a line break inside a string as \n, a tab as \t");
    Wrong {
        start,
        message: format!("not JSON: {said}"),
        hint,
    }
}
