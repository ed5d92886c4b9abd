//! The functions of jq 1.6 and 1.7: each is there, or refused as not supported. None is taken for the
//! name of a field.

use serde_json::{Value, json};

use crate::oos::jq::run;

/// Those that work: a program that calls one, an input, and what jq gives.
fn done() -> Vec<(&'static str, Value, Vec<Value>)> {
    let one = |program, input, output| (program, input, vec![output]);
    vec![
        one("abs", json!(-1), json!(1)),
        one("add", json!([1, 2]), json!(3)),
        one("all", json!([true, false]), json!(false)),
        one("all(. > 0)", json!([1, 2]), json!(true)),
        one("any", json!([true, false]), json!(true)),
        one("any(. > 1)", json!([1, 2]), json!(true)),
        one("map(arrays)", json!([[], 1]), json!([[]])),
        one("ascii_downcase", json!("AbC"), json!("abc")),
        one("ascii_upcase", json!("AbC"), json!("ABC")),
        one("map(booleans)", json!([true, 1]), json!([true])),
        one("bsearch(2)", json!([1, 2, 3]), json!(1)),
        one("[capture(\"(?<a>b)\").a]", json!("abc"), json!(["b"])),
        one("ceil", json!(1.2), json!(2)),
        one("contains([1])", json!([1, 2]), json!(true)),
        one("del(.a)", json!({"a": 1, "b": 2}), json!({"b": 2})),
        one("[empty]", json!(1), json!([])),
        one("try error catch .", json!("x"), json!("x")),
        one("try error(\"y\") catch .", json!("x"), json!("y")),
        one("endswith(\"c\")", json!("abc"), json!(true)),
        one("exp", json!(0), json!(1.0)),
        one("exp10", json!(2), json!(100.0)),
        one("exp2", json!(3), json!(8.0)),
        one("explode", json!("ab"), json!([97, 98])),
        one("fabs", json!(-1.5), json!(1.5)),
        one("first", json!([1, 2]), json!(1)),
        one("first(.[])", json!([1, 2]), json!(1)),
        one("flatten", json!([1, [2, [3]]]), json!([1, 2, 3])),
        one("flatten(1)", json!([1, [2, [3]]]), json!([1, 2, [3]])),
        one("floor", json!(1.8), json!(1)),
        one(
            "from_entries",
            json!([{"key": "a", "value": 1}]),
            json!({"a": 1}),
        ),
        one(
            "fromdate",
            json!("2024-05-06T07:00:00Z"),
            json!(1_714_978_800),
        ),
        one("fromdateiso8601", json!("1970-01-01T00:00:01Z"), json!(1)),
        one("fromjson", json!("[1]"), json!([1])),
        one("getpath([\"a\", 0])", json!({"a": [5]}), json!(5)),
        one(
            "group_by(.a)",
            json!([{"a": 2}, {"a": 1}]),
            json!([[{"a": 1}], [{"a": 2}]]),
        ),
        one("gsub(\"a\"; \"b\")", json!("aa"), json!("bb")),
        one("has(\"a\")", json!({"a": null}), json!(true)),
        one("implode", json!([97, 98]), json!("ab")),
        one("in({\"a\": 1})", json!("a"), json!(true)),
        one("index(\"b\")", json!("abb"), json!(1)),
        one("indices(\"b\")", json!("abb"), json!([1, 2])),
        one("inside([1, 2])", json!([1]), json!(true)),
        one("isempty(empty)", json!(1), json!(true)),
        one("isinfinite", json!(1), json!(false)),
        one("isnan", json!(1), json!(false)),
        one("isnormal", json!(1), json!(true)),
        one("map(iterables)", json!([[], 1]), json!([[]])),
        one("join(\"-\")", json!(["a", "b"]), json!("a-b")),
        one("keys", json!({"b": 1, "a": 2}), json!(["a", "b"])),
        one("keys_unsorted", json!({"a": 2}), json!(["a"])),
        one("last", json!([1, 2]), json!(2)),
        one("last(.[])", json!([1, 2]), json!(2)),
        ("leaf_paths", json!({"a": [5]}), vec![json!(["a", 0])]),
        one("length", json!("abc"), json!(3)),
        one("[limit(2; .[])]", json!([1, 2, 3]), json!([1, 2])),
        one("log", json!(1), json!(0.0)),
        one("log10", json!(100), json!(2.0)),
        one("log2", json!(8), json!(3.0)),
        one("ltrimstr(\"a\")", json!("abc"), json!("bc")),
        one("ltrim", json!(" a"), json!("a")),
        one("map(. + 1)", json!([1]), json!([2])),
        one("map_values(. + 1)", json!({"a": 1}), json!({"a": 2})),
        one("[match(\"b\").offset]", json!("abc"), json!([1])),
        one("max", json!([1, 3, 2]), json!(3)),
        one("max_by(.a)", json!([{"a": 1}, {"a": 2}]), json!({"a": 2})),
        one("min", json!([2, 1]), json!(1)),
        one("min_by(.a)", json!([{"a": 1}, {"a": 2}]), json!({"a": 1})),
        one("mktime", json!([1970, 0, 1, 0, 0, 1, 4, 0]), json!(1)),
        one("gmtime | mktime", json!(86_400), json!(86_400)),
        one("not", json!(true), json!(false)),
        one("nth(1)", json!([1, 2]), json!(2)),
        one("nth(1; .[])", json!([1, 2]), json!(2)),
        one("map(nulls)", json!([null, 1]), json!([null])),
        one("map(numbers)", json!(["a", 1]), json!([1])),
        one("map(normals)", json!([0, 1]), json!([1])),
        one("map(finites)", json!([1]), json!([1])),
        one("map(objects)", json!([{}, 1]), json!([{}])),
        one("null", json!(1), json!(null)),
        one("true", json!(1), json!(true)),
        one("false", json!(1), json!(false)),
        (
            "paths",
            json!({"a": [5]}),
            vec![json!(["a"]), json!(["a", 0])],
        ),
        one(
            "[paths(type == \"number\")]",
            json!({"a": 5}),
            json!([["a"]]),
        ),
        one("pick(.a)", json!({"a": 1, "b": 2}), json!({"a": 1})),
        one("pow(.; 2)", json!(3), json!(9.0)),
        one("[range(3)]", json!(null), json!([0, 1, 2])),
        one("[range(1; 3)]", json!(null), json!([1, 2])),
        ("recurse", json!([1]), vec![json!([1]), json!(1)]),
        one("reverse", json!([1, 2]), json!([2, 1])),
        one("rindex(\"b\")", json!("abb"), json!(2)),
        one("round", json!(1.5), json!(2)),
        one("rtrimstr(\"c\")", json!("abc"), json!("ab")),
        one("rtrim", json!("a "), json!("a")),
        one("map(scalars)", json!([[], 1]), json!([1])),
        one("[scan(\"b\")]", json!("abb"), json!(["b", "b"])),
        one("map(select(. > 1))", json!([1, 2]), json!([2])),
        one("sort", json!([2, 1]), json!([1, 2])),
        one(
            "sort_by(.a)",
            json!([{"a": 2}, {"a": 1}]),
            json!([{"a": 1}, {"a": 2}]),
        ),
        one("split(\",\")", json!("a,b"), json!(["a", "b"])),
        one("split(\", *\"; null)", json!("a, b"), json!(["a", "b"])),
        one("[splits(\", *\")]", json!("a, b"), json!(["a", "b"])),
        one("sqrt", json!(9), json!(3.0)),
        one("startswith(\"a\")", json!("abc"), json!(true)),
        one("strftime(\"%Y\")", json!(0), json!("1970")),
        one(
            "strptime(\"%Y-%m-%dT%H:%M:%SZ\") | mktime",
            json!("1970-01-01T00:00:01Z"),
            json!(1),
        ),
        one("map(strings)", json!(["a", 1]), json!(["a"])),
        one("sub(\"a\"; \"b\")", json!("aa"), json!("ba")),
        one("test(\"b\")", json!("abc"), json!(true)),
        one(
            "to_entries",
            json!({"a": 1}),
            json!([{"key": "a", "value": 1}]),
        ),
        one("todate", json!(0), json!("1970-01-01T00:00:00Z")),
        one("date", json!(0), json!("1970-01-01T00:00:00Z")),
        one("todateiso8601", json!(0), json!("1970-01-01T00:00:00Z")),
        one("tojson", json!([1]), json!("[1]")),
        one("toboolean", json!("true"), json!(true)),
        one("tonumber", json!("5"), json!(5)),
        one("tostring", json!([1]), json!("[1]")),
        one(
            "transpose",
            json!([[1], [2, 3]]),
            json!([[1, 2], [null, 3]]),
        ),
        one("trim", json!(" a "), json!("a")),
        one("trunc", json!(1.7), json!(1.0)),
        one("type", json!([]), json!("array")),
        one("unique", json!([2, 1, 2]), json!([1, 2])),
        one(
            "unique_by(.a)",
            json!([{"a": 1}, {"a": 1}]),
            json!([{"a": 1}]),
        ),
        one("utf8bytelength", json!("é"), json!(2)),
        one("map(values)", json!([null, 1]), json!([1])),
        one(
            "with_entries(select(.value > 1))",
            json!({"a": 1, "b": 2}),
            json!({"b": 2}),
        ),
        one("@base64", json!("ok"), json!("b2s=")),
        one("@base64d", json!("b2s="), json!("ok")),
        one("@html", json!("<"), json!("&lt;")),
        one("@json", json!([1]), json!("[1]")),
        one("@sh", json!("a b"), json!("'a b'")),
        one("@text", json!([1]), json!("[1]")),
        one("@uri", json!("a b"), json!("a%20b")),
    ]
}

/// Functions of numbers that are refused, for want of a use.
const OF_NUMBERS: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2(1; 2)",
    "atanh",
    "cbrt",
    "copysign(1; 2)",
    "cos",
    "cosh",
    "drem(1; 2)",
    "expm1",
    "fma(1; 2; 3)",
    "fmax(1; 2)",
    "fmin(1; 2)",
    "fmod(1; 2)",
    "frexp",
    "gamma",
    "j0",
    "j1",
    "ldexp(1; 2)",
    "lgamma",
    "lgamma_r",
    "log1p",
    "logb",
    "modf",
    "nearbyint",
    "nextafter(1; 2)",
    "nexttoward(1; 2)",
    "pow10",
    "rint",
    "scalb(1; 2)",
    "scalbln(1; 2)",
    "significand",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "tgamma",
    "y0",
    "y1",
];

/// Those that are refused: they see the machine, its clock or a further input, may never end, or are
/// of no use here.
const REFUSED: &[&str] = &[
    "infinite",
    "nan",
    "IN(1)",
    "IN(.[]; 1)",
    "INDEX(.a)",
    "INDEX(.[]; .a)",
    "GROUP_BY(.a)",
    "ascii",
    "builtins",
    "combinations",
    "combinations(2)",
    "dateadd(\"seconds\"; 1)",
    "datesub(\"seconds\"; 1)",
    "debug",
    "debug(1)",
    "delpaths([])",
    "env",
    "env.PATH",
    "$ENV",
    "$ENV.PATH",
    "$__loc__",
    "fromstream(1)",
    "get_search_list",
    "getpath(1; 2)",
    "halt",
    "halt_error",
    "halt_error(1)",
    "have_decnum",
    "have_literal_numbers",
    "input",
    "inputs",
    "input_filename",
    "input_line_number",
    "isvalid(.a)",
    "limit(3; repeat(1))",
    "localtime",
    "modulemeta",
    "now",
    "path(.a)",
    "range(0; 10; 2)",
    "recurse(.[]?)",
    "recurse(.[]?; true)",
    "recurse_down",
    "repeat(1)",
    "setpath([\"a\"]; 1)",
    "stderr",
    "strflocaltime(\"%Y\")",
    "tostream",
    "truncate_stream(1)",
    "until(true; .)",
    "walk(.)",
    "while(false; .)",
    "error(1; 2)",
    "toarray",
    "abs(1)",
    "@csv",
    "@tsv",
    "@base32",
    "@base32d",
    "@csv \"\\(.)\"",
    "reduce .[] as $x (0; .)",
    "foreach .[] as $x (0; .)",
    "def f: 1; f",
    "label $f | 1",
    ".a = 1",
    ".a |= 1",
    ".a += 1",
    "input.a",
    "limit(1; inputs)",
    "skip(1; .[])",
    "getpath()",
    "ltrimstr()",
    "splits()",
    "have_decnum()",
    "@foo",
];

#[test]
fn the_functions_of_jq_that_are_there_give_what_jq_gives() {
    let mut wrong = Vec::new();
    for (program, input, outputs) in done() {
        let same = |given: &[Value]| {
            given.len() == outputs.len()
                && given
                    .iter()
                    .zip(&outputs)
                    .all(|(a, b)| a == b || a.as_f64().is_some_and(|x| Some(x) == b.as_f64()))
        };
        match run(program, &input) {
            Ok(given) if same(&given) => {}
            other => wrong.push(format!("{program}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn all_others_are_refused_and_none_is_a_field() {
    let mut wrong = Vec::new();
    for program in OF_NUMBERS.iter().chain(REFUSED) {
        match run(program, &json!({"a": [1]})) {
            Err(e) if e.contains("supported") || e.contains("not a valid program") => {}
            other => wrong.push(format!("{program}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_bare_word_of_jq_is_in_one_of_the_two_lists() {
    let done: Vec<&str> = done().into_iter().map(|(program, ..)| program).collect();
    let calls = |word: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '@';
        let all = done.iter().chain(OF_NUMBERS).chain(REFUSED);
        all.copied()
            .any(|program| program.split(|c| !is_part(c)).any(|part| part == word))
    };
    let missing: Vec<&str> = crate::oos::jq::builtins()
        .filter(|word| !calls(word))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_field_that_is_there_is_a_field_whatever_its_name() {
    let input = json!({"now": 1, "env": {"a": 2}, "keys": [3]});
    assert_eq!(run("now", &input), Ok(vec![json!(1)]));
    assert_eq!(run("env.a", &input), Ok(vec![json!(2)]));
    assert_eq!(run("keys[0]", &input), Ok(vec![json!(3)]));
    assert_eq!(
        run(
            "Instances.Instance[].Id",
            &json!({"Instances": {"Instance": [{"Id": 4}]}})
        ),
        Ok(vec![json!(4)])
    );
}

#[test]
fn from_entries_takes_all_names_that_jq_takes() {
    for key in ["key", "k", "name", "Name", "K", "Key"] {
        for value in ["value", "v", "Value", "V"] {
            let input = json!([{key: "a", value: 1}, {key: 2, value: null}]);
            let made = run("from_entries", &input);
            assert_eq!(made, Ok(vec![json!({"a": 1, "2": null})]), "{key} {value}");
        }
    }
}

#[test]
fn a_table_of_one_long_and_many_short_rows_is_not_filled_up() {
    let mut rows = vec![json!([]); 20_000];
    rows[0] = json!(vec![0; 20_000]);
    let refused = run("transpose", &Value::Array(rows)).unwrap_err();
    assert!(refused.contains("too long"), "{refused}");
}

#[test]
fn the_page_names_what_is_refused() {
    let page = include_str!("../../../README.md");
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_@$".contains(c);
    let names = REFUSED.iter().filter(|program| !program.ends_with("()"));
    let missing: Vec<&str> = names
        .filter_map(|program| program.split(|c| !is_part(c)).find(|word| !word.is_empty()))
        .filter(|word| !page.contains(&format!("`{word}`")))
        .filter(|word| !done().iter().any(|(program, ..)| program.contains(word)))
        .filter(|word| !["a", "def", "label", "@foo", "SQL"].contains(word))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
