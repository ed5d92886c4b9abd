//! `ValueSelector`, `PropertySelector` and `Fn::Jq`: jq programs over API answers.
//!
//! Templates come from strangers, so programs are held to what cannot run away: no definitions of
//! their own, none of the unbounded generators, nothing that reads the process or its clock.

mod cost;
mod regex;
mod words;

pub(super) use cost::weight;
#[cfg(test)]
pub(super) use words::all as builtins;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader, lex, parse};
use jaq_core::{Compiler, Ctx, Vars, unwrap_valr};
use jaq_json::{Val, read};
use serde_json::Value;

/// Longest program, in bytes. Real selectors have some dozens.
const MAX_PROGRAM: usize = 4096;
/// Most values that one program may yield.
const MAX_OUTPUTS: usize = 10_000;
/// Compiled programs kept. A template holds few; the bound is for callers that send many.
const MAX_CACHED: usize = 512;

type Filter = jaq_core::Filter<JustLut<Val>>;

/// A compiled program and the largest input that it was found harmless for.
#[derive(Clone)]
struct Program {
    filter: Arc<Filter>,
    harmless_up_to: usize,
}

/// Compiled programs by text, for all engines of the process: what a program does depends on
/// nothing but its text, and compiling the standard definitions takes far longer than running.
static PROGRAMS: Mutex<BTreeMap<String, Program>> = Mutex::new(BTreeMap::new());

/// All values that `program` yields for `input`. A program that is a bare path
/// (`Instances.Instance[].Status`, as the OOS documentation writes selectors) gets its
/// leading dot.
pub(super) fn run(program: &str, input: &Value) -> Result<Vec<Value>, String> {
    let text = with_leading_dot(program.trim(), input);
    let filter = compiled(&text, cost::weight(input))?;
    let input = read::parse_single(input.to_string().as_bytes())
        .map_err(|e| format!("jq {text:?}: input: {e}"))?;
    let ctx = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut outputs = Vec::new();
    regex::begin();
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

/// The compiled program, if it is harmless for an input of weight `size`.
fn compiled(text: &str, size: usize) -> Result<Arc<Filter>, String> {
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = programs.get_mut(text) {
        if size > program.harmless_up_to {
            check(text, size)?;
            program.harmless_up_to = size;
        }
        return Ok(Arc::clone(&program.filter));
    }
    check(text, size)?;
    let filter = Arc::new(compile(text)?);
    if programs.len() >= MAX_CACHED {
        programs.clear();
    }
    let program = Program {
        filter: Arc::clone(&filter),
        harmless_up_to: size,
    };
    programs.insert(text.to_owned(), program);
    Ok(filter)
}

/// Reads a program and bounds its work.
fn check(text: &str, size: usize) -> Result<(), String> {
    if text.len() > MAX_PROGRAM {
        return Err(format!("the jq program is longer than {MAX_PROGRAM} bytes"));
    }
    let invalid = || format!("jq {text:?} is not a valid program");
    let tokens = lex::Lexer::new(text).lex().map_err(|_| invalid())?;
    too_deep(&tokens, 0).map_err(|e| format!("jq {text:?}: {e}"))?;
    let term = parse::Parser::new(&tokens)
        .parse(|parser| parser.term())
        .map_err(|_| invalid())?;
    cost::check(&term, size).map_err(|e| format!("jq {text:?}: {e}"))
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
    if words::is_builtin(word) && !names_a_field {
        return program.to_owned();
    }
    format!(".{program}")
}

fn compile(text: &str) -> Result<Filter, String> {
    let defs = jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
        .chain(words::definitions());
    let funs = jaq_core::funs()
        .chain(jaq_std::funs().filter(|(name, ..)| !regex::NAMES.contains(name)))
        .chain(regex::functions())
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
        .map_err(|_| format!("jq {text:?} calls something that is not supported"))
}

/// Nesting of brackets, and tokens on one level: the parser recurses on both.
const MAX_NESTING: usize = 32;
const MAX_TOKENS: usize = 500;

fn too_deep(tokens: &[lex::Token<&str>], depth: usize) -> Result<(), String> {
    if depth > MAX_NESTING {
        return Err(format!("more than {MAX_NESTING} nested brackets"));
    }
    if tokens.len() > MAX_TOKENS {
        return Err(format!("more than {MAX_TOKENS} words"));
    }
    for lex::Token(_, kind) in tokens {
        match kind {
            lex::Tok::Block(inner) => too_deep(inner, depth + 1)?,
            lex::Tok::Str(parts) => {
                for part in parts {
                    if let lex::StrPart::Term(inner) = part {
                        too_deep(std::slice::from_ref(inner), depth + 1)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}
