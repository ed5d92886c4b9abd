//! `ValueSelector`, `PropertySelector` and `Fn::Jq`: jq programs over API answers.
//!
//! Templates come from strangers, so programs are held to what cannot run away: no definitions of
//! their own, none of the unbounded generators, nothing that reads the process or its clock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader, lex};
use jaq_core::{Compiler, Ctx, Vars, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;

/// Longest program, in bytes. Real selectors have some dozens.
const MAX_PROGRAM: usize = 4096;
/// Most values that one program may yield.
const MAX_OUTPUTS: usize = 10_000;
/// Compiled programs kept. A template holds few; the bound is for callers that send many.
const MAX_CACHED: usize = 512;

/// Words that could loop without end, grow without bound, or look outside the program.
const REFUSED: &[&str] = &[
    "def",
    "repeat",
    "recurse",
    "while",
    "until",
    "range",
    "limit",
    "infinite",
    "label",
    "foreach",
    "reduce",
    "input",
    "inputs",
    "env",
    "$ENV",
    "now",
    "halt",
    "halt_error",
    "debug",
    "stderr",
    "import",
    "include",
    "combinations",
    "walk",
    "setpath",
];

/// jq words that take no argument, so that a lone one of them is a call and not a field name.
const BARE_CALLS: &[&str] = &[
    "length",
    "keys",
    "values",
    "not",
    "add",
    "first",
    "last",
    "unique",
    "sort",
    "min",
    "max",
    "tostring",
    "tonumber",
    "type",
    "reverse",
    "flatten",
    "any",
    "all",
    "empty",
    "null",
    "true",
    "false",
    "fromjson",
    "tojson",
    "to_entries",
    "from_entries",
    "ascii_downcase",
    "ascii_upcase",
];

type Filter = jaq_core::Filter<JustLut<Val>>;

/// Compiled programs by text.
#[derive(Default, Clone)]
pub(super) struct Jq {
    programs: BTreeMap<String, Arc<Filter>>,
}

impl fmt::Debug for Jq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jq")
            .field("programs", &self.programs.len())
            .finish()
    }
}

impl Jq {
    /// All values that `program` yields for `input`. A program that is a bare path
    /// (`Instances.Instance[].Status`, as the OOS documentation writes selectors) gets its
    /// leading dot.
    pub(super) fn run(&mut self, program: &str, input: &Value) -> Result<Vec<Value>, String> {
        let text = with_leading_dot(program.trim(), input);
        let filter = match self.programs.get(&text) {
            Some(filter) => Arc::clone(filter),
            None => {
                let filter = Arc::new(compile(&text)?);
                if self.programs.len() >= MAX_CACHED {
                    self.programs.clear();
                }
                self.programs.insert(text.clone(), Arc::clone(&filter));
                filter
            }
        };
        let input = read::parse_single(input.to_string().as_bytes())
            .map_err(|e| format!("jq {text:?}: input: {e}"))?;
        let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
        let mut outputs = Vec::new();
        for output in filter.id.run((ctx, input)).map(unwrap_valr) {
            let output = output.map_err(|e| format!("jq {text:?}: {e}"))?;
            if outputs.len() == MAX_OUTPUTS {
                return Err(format!("jq {text:?} yields more than {MAX_OUTPUTS} values"));
            }
            outputs.push(
                serde_json::from_str(&output.to_string())
                    .map_err(|e| format!("jq {text:?} yields no JSON: {e}"))?,
            );
        }
        Ok(outputs)
    }
}

fn with_leading_dot(program: &str, input: &Value) -> String {
    let word: &str = program
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .next()
        .unwrap_or("");
    let starts_like_a_field = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = &program[word.len()..];
    let is_path = rest.is_empty() || rest.starts_with('.') || rest.starts_with('[');
    if !starts_like_a_field || !is_path {
        return program.to_owned();
    }
    let names_a_field = input.get(word).is_some();
    if BARE_CALLS.contains(&word) && !names_a_field {
        return program.to_owned();
    }
    format!(".{program}")
}

fn compile(text: &str) -> Result<Filter, String> {
    if text.len() > MAX_PROGRAM {
        return Err(format!("the jq program is longer than {MAX_PROGRAM} bytes"));
    }
    let tokens = lex::Lexer::new(text)
        .lex()
        .map_err(|_| format!("jq {text:?} cannot be read"))?;
    refuse(&tokens, 0)
        .map_err(|word| format!("jq {text:?} uses {word}, which is not supported"))?;
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs());
    let funs = jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(defs)
        .load(
            &arena,
            File {
                code: text,
                path: (),
            },
        )
        .map_err(|_| format!("jq {text:?} is not a valid program"))?;
    Compiler::default()
        .with_funs(funs)
        .compile(modules)
        .map_err(|_| format!("jq {text:?} calls something that is not defined"))
}

/// Nesting of brackets in a program: the parser recurses on it.
const MAX_NESTING: usize = 32;

fn refuse(tokens: &[lex::Token<&str>], depth: usize) -> Result<(), String> {
    if depth > MAX_NESTING {
        return Err(format!("more than {MAX_NESTING} nested brackets"));
    }
    for (i, lex::Token(text, kind)) in tokens.iter().enumerate() {
        let is_field = i > 0 && tokens[i - 1].0.ends_with('.');
        let is_key = tokens.get(i + 1).is_some_and(|next| next.0 == ":");
        match kind {
            lex::Tok::Block(inner) => refuse(inner, depth + 1)?,
            lex::Tok::Str(parts) => {
                for part in parts {
                    if let lex::StrPart::Term(inner) = part {
                        refuse(std::slice::from_ref(inner), depth + 1)?;
                    }
                }
            }
            // Multiplying a string repeats it: a short program could fill the memory.
            lex::Tok::Sym if text.starts_with('*') => return Err(format!("{text:?}")),
            _ if !is_field && !is_key && REFUSED.contains(text) => {
                return Err(format!("{text:?}"));
            }
            _ => {}
        }
    }
    Ok(())
}
