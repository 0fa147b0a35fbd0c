//! Bodies of JSON, which routes change.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::egress::Route;
use crate::egress::routing::{Made, PLACEHOLDER, Text, resolve};

/// A body with the secrets and the fields of these routes in it. What is no JSON stays as it is; only an object gets
/// fields.
///
/// What nobody changes is byte by byte as it was sent: numbers keep their digits, and fields their order.
pub(super) fn rewritten(body: Bytes, routes: &[&Route], made: &mut Made) -> Bytes {
    let resolved = match serde_json::from_slice::<&RawValue>(&body) {
        Ok(_) if body.windows(PLACEHOLDER.len()).any(|window| window == PLACEHOLDER) => {
            // In JSON such a word can stand within a string only, so what replaces it is written as a part of one.
            let known = |name: &str| routes.iter().find_map(|route| route.in_json(name));
            resolve(&body, known).text
        }
        Ok(_) => Cow::Borrowed(&body[..]),
        Err(_) => return body,
    };
    let fields: Vec<(&str, &Text)> = routes.iter().flat_map(|route| route.fields()).collect();
    if !fields.is_empty()
        && let Ok(object) = serde_json::from_slice::<Object<'_>>(&resolved)
    {
        return Bytes::from(object.with(&fields, made));
    }
    match resolved {
        Cow::Owned(resolved) => Bytes::from(resolved),
        Cow::Borrowed(_) => body,
    }
}

/// The fields of an object, in their order.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl Object<'_> {
    /// The object in text, with those of these fields that it has not itself. The first of a name counts.
    fn with(&self, fields: &[(&str, &Text)], made: &mut Made) -> String {
        let own = self.0.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.get())));
        let is_own = |name: &str| self.0.iter().any(|(other, _)| other == name);
        let first = |at: usize, name: &str| fields[..at].iter().all(|(other, _)| *other != name);
        let added = fields.iter().enumerate().filter(|(at, (name, _))| !is_own(name) && first(*at, name));
        let added = added.map(|(_, (name, value))| (*name, Cow::Owned(made.write(name, value))));
        let written =
            own.chain(added).map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)));
        format!("{{{}}}", written.collect::<Vec<_>>().join(","))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use serde_json::json;

    fn routes() -> [Route; 2] {
        let first = Route::default().with_secret("k", "t\"\n\u{e4}").unwrap();
        let second = Route::default().with_secret("k", "other").unwrap().with_secret("j", "J").unwrap();
        [
            first.with_field("added", &json!("pre-{{SECRET:k}}")),
            second.with_field("added", &json!("never")).with_field("n", &json!(1)),
        ]
    }

    fn sent(body: &str, routes: &[Route]) -> String {
        let routes: Vec<&Route> = routes.iter().collect();
        let body = Bytes::copy_from_slice(body.as_bytes());
        String::from_utf8(rewritten(body, &routes, &mut Made::at(SystemTime::now())).to_vec()).unwrap()
    }

    #[test]
    fn an_object_gets_fields_that_it_has_not_and_the_earlier_route_counts() {
        assert_eq!(sent("{}", &routes()), r#"{"added":"pre-t\"\nä","n":1}"#);
        assert_eq!(sent(r#"{"n":2,"x":3}"#, &routes()), r#"{"n":2,"x":3,"added":"pre-t\"\nä"}"#);
    }

    #[test]
    fn what_nobody_changes_stays_byte_by_byte() {
        let odd = r#"{"big":12345678901234567890123,"f":1.10,"z":[ 1 ],"a":{"b":1e400}}"#;
        assert_eq!(sent(odd, &[]), odd);
        let added = sent(odd, &routes());
        assert!(added.starts_with(
            odd.trim_end_matches('}').trim_end_matches("1e400").split(",\"a\"").next().unwrap()
        ));
        assert!(added.contains("1e400"), "{added}");
    }

    #[test]
    fn secrets_stand_wherever_a_string_names_them() {
        let routes = &routes()[..1];
        assert_eq!(
            sent(r#"[{"a":"x{{SECRET:k}}y"},"{{SECRET:j}}"]"#, routes),
            r#"[{"a":"xt\"\näy"},"{{SECRET:j}}"]"#
        );
    }

    #[test]
    fn what_is_no_json_stays_as_it_is() {
        for odd in ["", "{{SECRET:k}}", "{\"a\":1", "text {{SECRET:k}}", "{\"a\":1} {\"b\":2}", "\u{feff}{}"]
        {
            assert_eq!(sent(odd, &routes()), odd);
        }
        let routes = routes();
        let routes: Vec<&Route> = routes.iter().collect();
        let binary = Bytes::from_static(b"{\"a\":\"\xff\"}");
        let made = &mut Made::at(SystemTime::now());
        assert_eq!(rewritten(binary.clone(), &routes, made), binary);
        let deep = Bytes::from("[".repeat(100_000));
        assert_eq!(rewritten(deep.clone(), &routes, made), deep);
    }
}
