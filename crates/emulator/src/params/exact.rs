//! JSON that a parameter or a template carries as a text, read so that nothing of it is lost: a key
//! that is there twice would count once, and a number that is too large would be another one.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// From here on two whole numbers that follow each other are the same.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// Why a number is not taken, for messages. `place` says where it stands.
pub(crate) fn too_large(place: &str) -> String {
    format!(
        "the number {place} is too large to be kept exactly: it must be from -9223372036854775808 to \
         18446744073709551615; give it as a text if it is none to count with"
    )
}

/// Whether a number was read that JSON of 64 bits does not hold exactly.
pub(crate) fn is_too_large(number: &Number) -> bool {
    number.is_f64() && number.as_f64().is_some_and(|x| x.abs() >= TOO_LARGE)
}

/// The value that a text spells. The error names the key that is there twice, or the place of the
/// number.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let reading = Reading::default();
    let mut from = serde_json::Deserializer::from_str(text);
    let value = Any(&reading).deserialize(&mut from);
    let whole = value.and_then(|value| from.end().map(|()| value));
    whole.map_err(|error| {
        let why = reading.why.take();
        why.unwrap_or_else(|| error.to_string())
    })
}

#[derive(Default)]
struct Reading {
    /// Keys down to what is being read.
    path: RefCell<Vec<String>>,
    why: RefCell<Option<String>>,
}

impl Reading {
    fn refuse<E: Error>(&self, why: String) -> E {
        let error = E::custom("refused");
        *self.why.borrow_mut() = Some(why);
        error
    }

    /// Where what is being read stands.
    fn place(&self) -> String {
        let path = self.path.borrow();
        match path.is_empty() {
            true => "in it".to_owned(),
            false => format!("of {}", path.join(".")),
        }
    }
}

#[derive(Clone, Copy)]
struct Any<'r>(&'r Reading);

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        match Number::from_f64(number) {
            Some(number) if !is_too_large(&number) => Ok(Value::Number(number)),
            _ => Err(self.0.refuse(too_large(&self.0.place()))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            self.0.path.borrow_mut().push(key.clone());
            if map.contains_key(&key) {
                let path = self.0.path.borrow().join(".");
                return Err(self.0.refuse(format!("the key {path} is there twice")));
            }
            let value = from.next_value_seed(self)?;
            self.0.path.borrow_mut().pop();
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_read_as_it_is_written() {
        for text in [
            r#"{"a": [1, -2, 1.5, true, null, "x\n"], "b": {"a": {}}, "": 18446744073709551615}"#,
            "[-9223372036854775808, 0.1, 1e18]",
            "\"text\"",
            "null",
        ] {
            let plain: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text), Ok(plain), "{text}");
        }
    }

    #[test]
    fn what_would_be_lost_is_refused_with_its_place() {
        for (text, why) in [
            (
                r#"{"a": 1, "b": {"c": 1, "c": 2}}"#,
                "the key b.c is there twice",
            ),
            (
                r#"[{"a": 1}, {"a": 1, "a": 1}]"#,
                "the key a is there twice",
            ),
            (
                r#"{"a": {"n": [18446744073709551616]}}"#,
                "the number of a.n is too large",
            ),
            ("-9223372036854775809", "the number in it is too large"),
            ("1e20", "too large"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        for text in ["{", "[1] 2", "", "1e400", "{1: 2}", &"[".repeat(500)] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read("[1]"), Ok(json!([1])));
    }
}
