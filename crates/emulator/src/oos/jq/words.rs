//! The words of jq: which of them stand for a call where a template leaves the leading dot of a path
//! out, and those whose definition differs from the one that the interpreter brings.

use jaq_core::load::lex;
use jaq_core::load::parse::{Def, Parser};

/// All functions of jq 1.6 and 1.7 that take no argument. A lone one of them is a call and not a
/// field, whether it is supported or not: a missing one would else be null without a word.
const BUILTINS: &str = "abs acos acosh add all any arrays ascii ascii_downcase ascii_upcase asin \
    asinh atan atanh booleans builtins cbrt ceil combinations cos cosh debug empty env error exp \
    exp10 exp2 expm1 fabs false finites first flatten floor frexp from_entries fromdate \
    fromdateiso8601 fromjson gamma get_search_list gmtime halt halt_error have_decnum \
    have_literal_numbers implode explode infinite input input_filename input_line_number inputs \
    isinfinite isnan isnormal iterables j0 j1 keys keys_unsorted last leaf_paths length lgamma \
    lgamma_r localtime log log10 log1p log2 logb ltrim max min mktime modf modulemeta nan \
    nearbyint normals not now null nulls numbers objects paths pow10 recurse recurse_down reverse \
    rint round rtrim scalars significand sin sinh sort sqrt stderr strings tan tanh tgamma \
    to_entries toarray toboolean todate todateiso8601 tojson tonumber tostream tostring transpose \
    trim true trunc type unique utf8bytelength values y0 y1 date dateadd datesub";

pub(super) fn is_builtin(word: &str) -> bool {
    all().any(|known| known == word)
}

pub(in crate::oos) fn all() -> impl Iterator<Item = &'static str> {
    BUILTINS.split(' ')
}

/// `from_entries` takes all names of keys and values that jq takes, and keys that are no texts.
const DEFINITIONS: &str = r#"
def leaf_paths: paths(scalars);
def date: todate;
def from_entries:
  def entry_value:
    if has("value") then .value elif has("v") then .v elif has("Value") then .Value else .V end;
  reduce (.[] | [([.key, .k, .name, .Name, .K, .Key] | map(values) | first | tostring), entry_value])
    as [$k, $v] ({}; . + {($k): $v});
"#;

pub(super) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    let tokens = lex::Lexer::new(DEFINITIONS).lex().unwrap_or_default();
    let defs = Parser::new(&tokens).parse(|parser| parser.defs());
    defs.unwrap_or_default().into_iter()
}
