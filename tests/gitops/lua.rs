//! The interpreter of Argo CD: Lua 5.1 with the base functions, `table`, and of `os` the time alone, which `require` gives. There is
//! no `string`, not even as methods of texts, no `math` and no `io`. A script that takes a second is ended.
//!
//! JSON goes in and out as in Argo CD: null is nil, a number is a float, and an empty table is an empty list.

use std::time::{Duration, Instant};

use mlua::{HookTriggers, Lua, LuaOptions, StdLib, VmState};
use serde_json::{Map, Number, Value};

const LIMIT: Duration = Duration::from_secs(1);

/// Runs a script on an object.
///
/// # Errors
/// What it says, when it fails or gives no table.
pub fn run(script: &str, object: &Value, parameters: &Value) -> Result<Value, String> {
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default()).unwrap();
    restrict(&lua).unwrap();
    let globals = lua.globals();
    globals.set("obj", decode(&lua, object).unwrap()).unwrap();
    globals
        .set("actionParams", decode(&lua, parameters).unwrap())
        .unwrap();
    let began = Instant::now();
    let every = HookTriggers::new().every_nth_instruction(10_000);
    lua.set_hook(every, move |_, _| match began.elapsed() < LIMIT {
        true => Ok(VmState::Continue),
        false => Err(mlua::Error::runtime("context deadline exceeded")),
    })
    .unwrap();
    let given: mlua::Value = lua.load(script).eval().map_err(|error| error.to_string())?;
    match given {
        mlua::Value::Table(_) => encode(&given),
        other => Err(format!(
            "expect table output from Lua script, not {}",
            other.type_name()
        )),
    }
}

/// Takes away what Argo CD does not open, and gives `os` as it does.
fn restrict(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    for name in [
        "dofile",
        "loadfile",
        "package",
        "io",
        "os",
        "string",
        "math",
        "debug",
        "coroutine",
    ] {
        globals.set(name, mlua::Value::Nil)?;
    }
    let require = lua.create_function(|lua, name: String| {
        if name != "os" {
            return Err(mlua::Error::runtime(format!("module {name} not found")));
        }
        let os = lua.create_table()?;
        os.set(
            "time",
            lua.create_function(|_, ()| Ok(jiff::Timestamp::now().as_second()))?,
        )?;
        os.set(
            "date",
            lua.create_function(|_, format: String| {
                let format = format.trim_start_matches('!').to_owned();
                Ok(jiff::Timestamp::now().strftime(&format).to_string())
            })?,
        )?;
        Ok(os)
    })?;
    globals.set("require", require)
}

fn decode(lua: &Lua, value: &Value) -> mlua::Result<mlua::Value> {
    Ok(match value {
        Value::Null => mlua::Value::Nil,
        Value::Bool(flag) => mlua::Value::Boolean(*flag),
        Value::Number(number) => mlua::Value::Number(number.as_f64().unwrap()),
        Value::String(text) => mlua::Value::String(lua.create_string(text)?),
        Value::Array(items) => {
            let table = lua.create_table()?;
            for item in items {
                table.raw_push(decode(lua, item)?)?;
            }
            mlua::Value::Table(table)
        }
        Value::Object(fields) => {
            let table = lua.create_table()?;
            for (name, field) in fields {
                table.raw_set(name.as_str(), decode(lua, field)?)?;
            }
            mlua::Value::Table(table)
        }
    })
}

fn encode(value: &mlua::Value) -> Result<Value, String> {
    Ok(match value {
        mlua::Value::Nil => Value::Null,
        mlua::Value::Boolean(flag) => Value::Bool(*flag),
        mlua::Value::Integer(number) => Value::from(*number),
        mlua::Value::Number(number) => encode_number(*number)?,
        mlua::Value::String(text) => Value::String(
            text.to_str()
                .map_err(|error| error.to_string())?
                .to_string(),
        ),
        mlua::Value::Table(table) => encode_table(table)?,
        other => return Err(format!("cannot encode {} to JSON", other.type_name())),
    })
}

fn encode_number(number: f64) -> Result<Value, String> {
    // A float prints whole numbers without a fraction.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "it is a whole number of less than 2^53"
    )]
    let whole = (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    match whole {
        Some(whole) => Ok(Value::from(whole)),
        None => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("cannot encode {number} to JSON")),
    }
}

fn encode_table(table: &mlua::Table) -> Result<Value, String> {
    let (mut items, mut fields) = (Vec::new(), Map::new());
    for pair in table.pairs::<mlua::Value, mlua::Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        match key {
            mlua::Value::String(name) => {
                let name = name
                    .to_str()
                    .map_err(|error| error.to_string())?
                    .to_string();
                fields.insert(name, encode(&value)?);
            }
            mlua::Value::Integer(_) | mlua::Value::Number(_) => items.push(encode(&value)?),
            other => {
                return Err(format!(
                    "cannot encode a table with {} for a key",
                    other.type_name()
                ));
            }
        }
    }
    match (items.is_empty(), fields.is_empty()) {
        (false, false) => Err("cannot encode mixed or invalid key types".to_owned()),
        (false, true) if items.len() != table.raw_len() => {
            Err("cannot encode sparse array".to_owned())
        }
        (_, true) => Ok(Value::Array(items)),
        (true, false) => Ok(Value::Object(fields)),
    }
}

#[test]
fn a_script_has_what_argo_cd_gives_it_and_no_more() {
    let run = |script: &str| {
        run(
            script,
            &serde_json::json!({"a": [1, null], "b": {}}),
            &serde_json::json!({}),
        )
    };
    assert_eq!(
        run("return {obj.a[1] + 1, {}}"),
        Ok(serde_json::json!([2, []]))
    );
    for (script, error) in [
        ("return {string.upper('a')}", "'string'"),
        ("return {('a'):upper()}", "index"),
        ("return {os.time()}", "'os'"),
        ("return {io.open('/etc/passwd')}", "'io'"),
        ("return {math.random()}", "'math'"),
        ("return {require('io')}", "not found"),
        ("while true do end", "deadline"),
        ("return 'Healthy'", "expect table"),
        ("return {1, a = 2}", "mixed"),
        ("error('no', 0)", "no"),
    ] {
        let said = run(script).unwrap_err();
        assert!(said.contains(error), "{script}: {said}");
    }
    let time = run("return {require('os').time(), require('os').date('!%Y-%m-%d')}").unwrap();
    assert!(
        time[0].as_i64() > Some(1_700_000_000)
            && time[1].as_str().is_some_and(|date| date.len() == 10),
        "{time}"
    );
}
