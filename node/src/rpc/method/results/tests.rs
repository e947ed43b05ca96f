//! Whether what is answered is what the schemas say: every answer in any test of the interface is looked at.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{super::METHODS, *};

/// Why this is no answer of the method, if it is none. Stricter than the schemas: what they do not name must not be there.
pub(crate) fn conforms(method: &str, answer: &Value) -> Result<(), String> {
    check(&schema(method), answer).map_err(|(path, reason)| format!("{method}: {path} {reason}"))
}

/// Where, and what.
type Fault = (String, String);

fn check(schema: &Value, value: &Value) -> Result<(), Fault> {
    let wrong = |what: &str| Err((String::new(), format!("is {value}, expected {what}")));
    if schema == &json!(true) {
        return Ok(());
    }
    if let Some(part) = schema["$ref"].as_str() {
        let part = part.strip_prefix("#/components/schemas/").unwrap();
        let written = PARTS.iter().find(|(name, _)| *name == part).unwrap().1;
        return check(&Notation::read(written), value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return if value.is_null() { Ok(()) } else { check(&choices[0], value) };
    }
    if let Some(words) = schema["enum"].as_array() {
        return if words.contains(value) { Ok(()) } else { wrong("one of the words") };
    }
    match (schema["type"].as_str().unwrap(), value) {
        ("null", Value::Null) | ("boolean", Value::Bool(_)) => Ok(()),
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(()),
        ("string", Value::String(text)) => {
            let is_so =
                match (schema["pattern"].as_str(), schema.get("format"), schema.get("contentEncoding")) {
                    (Some(INT), ..) => text.parse::<i128>().is_ok(),
                    (Some(HEX), ..) => {
                        hex::decode(text).is_ok() && !text.contains(|c: char| c.is_lowercase())
                    }
                    (_, Some(_), _) => text.ends_with('Z') && text.contains('T'),
                    (.., Some(_)) => BASE64.decode(text).is_ok(),
                    _ => true,
                };
            if is_so { Ok(()) } else { wrong(&schema.to_string()) }
        }
        ("array", Value::Array(items)) => {
            let under = |(index, item)| check(&schema["items"], item).map_err(within(format!("[{index}]")));
            items.iter().enumerate().try_for_each(under)
        }
        ("object", Value::Object(fields)) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !fields.contains_key(name.as_str().unwrap()) {
                    return wrong(&format!("one with {name}"));
                }
            }
            fields.iter().try_for_each(|(name, field)| {
                let of = schema["properties"].get(name).or(schema.get("additionalProperties"));
                let Some(of) = of else { return wrong(&format!("one without {name}")) };
                check(of, field).map_err(within(format!(".{name}")))
            })
        }
        (kind, _) => wrong(kind),
    }
}

fn within(step: String) -> impl FnOnce(Fault) -> Fault {
    move |(path, reason)| (step + &path, reason)
}

#[test]
fn every_method_has_a_schema_and_every_part_is_used() {
    let names = |rows: &[(&'static str, &str)]| rows.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(names(RESULTS), METHODS.iter().map(|method| method.name).collect::<Vec<_>>());
    let all = RESULTS.iter().chain(PARTS).map(|(_, written)| Notation::read(written).to_string());
    let all: String = all.collect();
    for part in names(PARTS) {
        assert!(all.contains(&format!("/{part}\"")), "{part}");
    }
}

#[test]
fn an_answer_of_another_shape_is_noticed() {
    let status = |status: &str| json!({ "hash": "AB", "status": status, "final": true, "height": "7", "index": null, "code": 0, "codespace": "", "reason": "" });
    assert_eq!(conforms("althing_tx_status", &status("committed")), Ok(()));
    let changed = |name: &str, value: Value| {
        let mut answer = status("failed");
        answer[name] = value;
        conforms("althing_tx_status", &answer).unwrap_err()
    };
    assert!(changed("height", json!(7)).contains(".height is 7"));
    assert!(changed("height", json!("seven")).contains(".height is"));
    assert!(changed("hash", json!("ab")).contains(".hash is"));
    assert!(changed("status", json!("lost")).contains(".status is"));
    assert!(changed("code", Value::Null).contains(".code is null"));
    assert!(changed("more", json!(1)).contains("one without more"));
    assert!(conforms("header", &json!({})).unwrap_err().contains("one with \"header\""));
    assert!(conforms("health", &json!({ "extra": 1 })).is_err());
}
