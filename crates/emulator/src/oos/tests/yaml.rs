//! YAML as PyYAML 6.0 reads it (`yaml.safe_load`): what stands on the right was computed with it.

use serde_json::{Value, json};

fn read(text: &str) -> Result<Value, String> {
    crate::oos::yaml::read(text, 48)
}

fn word(text: &str) -> Value {
    read(&format!("a: {text}\n")).unwrap()["a"].clone()
}

#[test]
fn words_mean_what_they_mean_to_pyyaml() {
    let table: &[(&str, Value)] = &[
        ("yes", json!(true)),
        ("No", json!(false)),
        ("on", json!(true)),
        ("OFF", json!(false)),
        ("TRUE", json!(true)),
        ("y", json!("y")),
        ("n", json!("n")),
        ("tRUE", json!("tRUE")),
        ("'yes'", json!("yes")),
        ("\"no\"", json!("no")),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("nULL", json!("nULL")),
        ("", json!(null)),
        ("''", json!("")),
        ("010", json!(8)),
        ("'010'", json!("010")),
        ("08", json!("08")),
        ("0o10", json!("0o10")),
        ("0b101", json!(5)),
        ("0x1F", json!(31)),
        ("1_000", json!(1000)),
        ("0_", json!(0)),
        ("+12", json!(12)),
        ("-7", json!(-7)),
        ("-0", json!(0)),
        ("1:30", json!(90)),
        ("1:60", json!("1:60")),
        ("12:30:45", json!(45045)),
        ("0:30", json!("0:30")),
        ("190:20:30.15", json!(685_230.15)),
        ("1.", json!(1.0)),
        ("1.0", json!(1.0)),
        (".5", json!(0.5)),
        ("-.5", json!("-.5")),
        ("1.5e3", json!("1.5e3")),
        ("1.5e+3", json!(1500.0)),
        ("1e3", json!("1e3")),
        ("1_0.5", json!(10.5)),
        (
            "12345678901234567890",
            json!(12_345_678_901_234_567_890_u64),
        ),
        ("=x", json!("=x")),
        ("!!str 10", json!("10")),
        ("!!int '12'", json!(12)),
        ("!!float 3", json!(3)),
        ("!!bool 'yes'", json!(true)),
        ("! 12", json!(12)),
        ("b:c", json!("b:c")),
        ("b#c", json!("b#c")),
        ("100%", json!("100%")),
        // These PyYAML makes dates and endless numbers of, which JSON does not have.
        ("2020-06-01", json!("2020-06-01")),
        ("2020-06-01T00:00:00Z", json!("2020-06-01T00:00:00Z")),
        (".inf", json!(".inf")),
    ];
    for (text, expected) in table {
        assert_eq!(word(text), *expected, "{text}");
    }
}

#[test]
fn documents_are_read_as_pyyaml_reads_them() {
    let table: &[(&str, Value)] = &[
        (
            "x: &x {a: 1, b: 2}\ny: &y {a: 5, c: 6}\nz:\n  <<: [*x, *y]\n  b: 9\n",
            json!({"x": {"a": 1, "b": 2}, "y": {"a": 5, "c": 6}, "z": {"a": 1, "b": 9, "c": 6}}),
        ),
        (
            "x: &x {a: 1, b: 2}\nz:\n  b: 9\n  <<: *x\n",
            json!({"x": {"a": 1, "b": 2}, "z": {"a": 1, "b": 9}}),
        ),
        (
            "k: 'a\nb'\nm:\n  n: \"c\n  d\"\n  o: 1\n",
            json!({"k": "a b", "m": {"n": "c d", "o": 1}}),
        ),
        (
            "k: >-\n  a\n  b\n\n  c\nl: |\n  x\n   y\n",
            json!({"k": "a b\nc", "l": "x\n y\n"}),
        ),
        ("a: b\n  c\n   d\n", json!({"a": "b c d"})),
        (
            "a: [1,\n2,\n 3]\nb: {c: d,\ne: f}\n",
            json!({"a": [1, 2, 3], "b": {"c": "d", "e": "f"}}),
        ),
        ("a:\n- 1\n- 2\nb: x\n", json!({"a": [1, 2], "b": "x"})),
        (
            "'Fn::Equals': [a, b]\nFn::If: [c]\n",
            json!({"Fn::Equals": ["a", "b"], "Fn::If": ["c"]}),
        ),
        ("---\na: 1\n...\n", json!({"a": 1})),
        ("a: 1\r\nb: 'x\r\n  y'\r\n", json!({"a": 1, "b": "x y"})),
        ("a: \"x\\ty\\u4e2d\\\n   z\"\n", json!({"a": "x\ty中z"})),
        ("\u{feff}a: 1\n", json!({"a": 1})),
        ("# c\na: # d\n  b: 1 # e\n", json!({"a": {"b": 1}})),
        // Keys are texts in JSON; Python's dict joins what is equal.
        (
            "1: a\nyes: b\nnull: c\n",
            json!({"1": "a", "true": "b", "null": "c"}),
        ),
        ("", json!(null)),
    ];
    for (text, expected) in table {
        assert_eq!(read(text).as_ref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_would_be_lost_is_refused_though_pyyaml_takes_it() {
    for (text, why) in [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key a is there twice"),
        ("x: {1: a, '1': b}\n", "line 1: the key 1 is there twice"),
        (
            "a: 18446744073709551616\n",
            "line 1: the number 18446744073709551616 is too large",
        ),
        (
            "a: -9223372036854775809\n",
            "line 1: the number -9223372036854775809 is too large",
        ),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    assert_eq!(
        read("a: '18446744073709551616'\n"),
        Ok(json!({"a": "18446744073709551616"}))
    );
}

#[test]
fn what_pyyaml_refuses_is_refused_with_its_line() {
    for (text, why) in [
        ("a: {{ x }}\n", "a key must not be a list or a mapping"),
        ("? [a]\n: 1\n", "a key must not be a list or a mapping"),
        ("a: 1\n---\nb: 2\n", "there is more than one document"),
        ("a: !Ref x\n", "the tag !Ref means nothing in a template"),
        ("a: &x 1\nb: &x 2\n", "line 2: the anchor &x is there twice"),
        ("a: &a [*a]\n", "the alias *a is inside itself"),
        ("a: 1\nb: *b\n", "line 2: there is no anchor &b"),
        (
            "a:\n  <<: 1\n",
            "line 2: << takes a mapping or a list of mappings",
        ),
        ("a:\n\tb: 1\n", "line 2: "),
        ("a: @x\n", "line 1: "),
        ("a: [1\nb: 2\n", "line "),
        ("a: 'x\n", "line "),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn aliases_of_aliases_do_not_grow_without_bounds() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..20 {
        let one = format!("*a{}", i - 1);
        bomb.push_str(&format!(
            "a{i}: &a{i} [{}]\n",
            [one.as_str(); 10].join(", ")
        ));
    }
    let error = read(&bomb).unwrap_err();
    assert!(error.contains("the aliases stand for too much"), "{error}");
    for deep in [
        "[".repeat(60_000),
        "a: {".repeat(15_000),
        "- ".repeat(30_000),
    ] {
        read(&deep).unwrap_err();
    }
}
