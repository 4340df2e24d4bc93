use super::*;
use crate::report::tests::{Fixture, shared};

fn page_of(files: Fixture, rename: impl Fn(&str) -> String, own: Option<&str>) -> Result<String, HtmlError> {
    let (report, files) = shared(files, rename);
    let own = own.map(|source| Template {
        name: "own.jinja".into(),
        source: source.into(),
    });
    let mut out = Vec::new();
    write(&report, &files, own.as_ref(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn page() -> String {
    page_of(Fixture::saying(&["done"]), str::to_owned, None).unwrap()
}

/// The elements of a page, as a browser would see them: name and attributes. No tag of ours holds a bare `>`.
fn tags(page: &str) -> Vec<&str> {
    let (before, styled) = page.split_once("<style>").unwrap();
    let (_, behind) = styled.split_once("</style>").unwrap();
    let opened = [before, behind]
        .into_iter()
        .flat_map(|part| part.split('<').skip(1));
    opened
        .map(|tag| tag.split_once('>').expect("a tag ends").0)
        .collect()
}

#[test]
fn a_page_says_what_happened_and_needs_nothing_else() {
    let page = page().replace("&#x2f;", "/");
    for part in [
        "<h1>quickstart</h1>",
        "anthropic:claude",
        "62.5%",
        "few scenarios",
        "Not in the rate",
        "! 3 errored",
        "Cost against quality",
        "◐ 1/2",
        "✗ 0/1 !1",
        "id=\"t-assign~anthropic~2\"",
        "href=\"#t-assign~anthropic~2\"",
        "get_issue: ok",
        "Passed by every model: 1 of 4",
        "no such table",
        "<li>exists: <span class=\"muted\">held from step 2</span></li>",
        "held in steps 1–2; lost at step 3",
        "not looked at: it asks a judge",
    ] {
        assert!(page.contains(part), "`{part}` is missing");
    }
    assert!(!page.contains("Partial."));
    for foreign in [
        "http:",
        "https:",
        "src=",
        "@import",
        "<script",
        "javascript:",
        "style=\"",
        "url(\"",
    ] {
        assert!(!page.contains(foreign), "`{foreign}` is there");
    }
    let csp = "content=\"default-src 'none'; style-src 'unsafe-inline'";
    assert!(page.contains(csp));
}

#[test]
fn elements_are_closed_and_ids_are_used_once() {
    let page = page();
    let (mut open, mut ids) = (Vec::new(), std::collections::BTreeSet::new());
    for tag in tags(&page) {
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(id) = tag.split(" id=\"").nth(1) {
            assert!(ids.insert(id.split('"').next().unwrap()), "{tag} again");
        }
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if tag.ends_with('/') || name.starts_with('!') => {}
            None if ["meta", "link", "br"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
    for reference in page
        .split("href=\"#")
        .skip(1)
        .chain(page.split("aria-labelledby=\"").skip(1))
    {
        let id = reference.split('"').next().unwrap();
        assert!(ids.contains(id), "nothing is called {id}");
    }
}

/// Texts that would be markup, end an attribute, an element, a comment or a script, if anything let them.
const ATTACKS: [&str; 8] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></style></pre></svg><svg onload=alert(1)>",
    "--><iframe src=\"javascript:alert(1)\"></iframe>",
    "{{ 7*7 }}{% include \"report.html\" %}",
    "]]></code>&lt;b&gt;\u{202e}\u{1b}[2J\u{0}",
    "</script><script>alert(1)</script>",
];

#[test]
fn no_text_of_others_becomes_markup() {
    let honest: Vec<String> = tags(&page()).into_iter().map(shape).collect();
    for attack in ATTACKS {
        let page = page_of(Fixture::saying(&[attack]), |name| format!("{name}{attack}"), None).unwrap();
        let shapes: Vec<String> = tags(&page).into_iter().map(shape).collect();
        let differs = shapes.iter().zip(&honest).find(|(there, honest)| there != honest);
        assert_eq!((differs, shapes.len()), (None, honest.len()), "{attack}");
        assert!(!page.contains(attack) || !attack.contains('<'), "{attack}");
        assert!(!page.contains("49"), "a template in a name was run: {attack}");
        assert!(!page.contains(['\u{202e}', '\u{1b}', '\u{0}']), "{attack}");
    }
}

/// A tag without the values of its attributes.
fn shape(tag: &str) -> String {
    let mut parts = tag.split('"');
    let mut shape = String::new();
    while let Some(outside) = parts.next() {
        shape.push_str(outside);
        shape.push_str(parts.next().map_or("", |_| "\"…\""));
    }
    shape
}

#[test]
fn an_own_template_is_escaped_whatever_it_is_called() {
    let own = "<p title=\"{{ models[0].model }}\">{{ models[0].model }}</p>\
        <script type=\"application/json\">{{ models[0].model|tojson }}</script>\
        {% for trial in trials %}{{ trial.outcome }} {% endfor %}";
    for attack in ATTACKS {
        let page = page_of(Fixture::saying(&[]), |name| format!("{name}{attack}"), Some(own)).unwrap();
        let (element, rest) = page.split_once("</p>").unwrap();
        assert_eq!(element.matches(['<', '>']).count(), 2, "{element}");
        let island = rest.split("application/json\">").nth(1).unwrap();
        let island = island.split("</script>").next().unwrap();
        let said: String = serde_json::from_str(island).unwrap();
        assert_eq!(said, format!("anthropic:claude{attack}"));
        assert!(page.ends_with("errored errored "), "{page}");
    }
}

#[test]
fn what_is_not_known_has_no_range() {
    let own = "{% for model in models %}{{ model.statistics.pass_rate.interval|range }} {% endfor %}{{ none|range }}";
    let page = page_of(Fixture::saying(&[]), str::to_owned, Some(own)).unwrap();
    assert!(page.starts_with('(') && page.ends_with(") —"), "{page}");
}

#[test]
fn an_own_template_may_extend_the_page() {
    let own = "{% extends \"report.html\" %}{% block charts %}<p>{{ run.run_id }} only</p>{% endblock %}";
    let page = page_of(Fixture::saying(&[]), str::to_owned, Some(own)).unwrap();
    assert!(page.contains("<p>run_20260102_030405_0badcafe only</p>"));
    assert!(!page.contains("Time line") && page.contains("<h1>quickstart</h1>"));
}

#[test]
fn a_wrong_template_is_told_with_its_line() {
    let told = |own: &str| {
        let error = page_of(Fixture::saying(&[]), str::to_owned, Some(own)).unwrap_err();
        error.to_string()
    };
    insta::assert_snapshot!(told("a\n{% if %}"), @"template `own.jinja`, line 2: syntax error: unexpected end of block");
    insta::assert_snapshot!(told("a\n\n{{ modles[0].x }}"), @"template `own.jinja`, line 3: undefined value");
    insta::assert_snapshot!(told("{% include \"other.html\" %}"), @r#"template `own.jinja`, line 1: template not found: tried to include non-existing template 'other.html'"#);
}

#[test]
fn a_full_disk_is_told() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (report, files) = shared(Fixture::saying(&[]), str::to_owned);
    let error = write(&report, &files, None, &mut Full).unwrap_err();
    assert!(matches!(error, HtmlError::Write(error) if error.kind() == std::io::ErrorKind::StorageFull));
}

#[test]
fn a_run_that_is_not_over_says_so() {
    let (mut report, files) = shared(Fixture::saying(&[]), str::to_owned);
    let run = &mut Arc::get_mut(&mut report).unwrap().run;
    (run.partial, run.status, run.completed_at, run.trials_total) = (true, "running".into(), None, 20);
    let mut out = Vec::new();
    write(&report, &files, None, &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    assert!(page.contains("16 of 20 trials had ended at 2026-01-02 04:00:00 UTC"));
    assert!(page.contains("<title>quickstart: running (partial)</title>"));
}

/// A print has no fold to open.
#[test]
fn numbers_are_open_on_paper() {
    let page = page();
    let (_, print) = page.split_once("@media print").unwrap();
    assert!(print.contains(".numbers::details-content { content-visibility: visible;"));
    assert_eq!(page.matches(r#"<details class="numbers">"#).count(), 1);
}
