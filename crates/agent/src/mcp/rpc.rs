//! JSON-RPC 2.0: what a message is, and how one is refused.

use serde_json::{Value, json};

/// A message that wants an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) parameters: Value,
}

impl Call {
    /// Reads a message; nothing when it wants no answer.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn read(mut message: Value) -> Result<Option<Self>, Problem> {
        let is_message = message.is_object() && message["jsonrpc"] == "2.0";
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        match (is_message, method, message.get("id")) {
            // An answer to something that was never asked.
            (true, None, Some(_)) if message.get("result").or(message.get("error")).is_some() => Ok(None),
            (true, Some(_), None) => Ok(None),
            (true, Some(method), Some(Value::String(_) | Value::Number(_))) => {
                let id = message["id"].take();
                Ok(Some(Self { id, method, parameters: message["params"].take() }))
            }
            _ => Err(Problem::new(-32600, "this is no JSON-RPC 2.0 request")),
        }
    }
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    code: i32,
    sentence: String,
}

impl Problem {
    fn new(code: i32, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }

    /// It is no JSON.
    pub(crate) fn unreadable(sentence: String) -> Self {
        Self::new(-32700, sentence)
    }

    /// There is no such method.
    pub(crate) fn unknown_method(method: &str) -> Self {
        Self::new(-32601, format!("there is no method {method:?}"))
    }

    /// The parameters make no sense.
    pub(crate) fn bad_parameters(sentence: impl Into<String>) -> Self {
        Self::new(-32602, sentence)
    }

    /// The refusal of the call `id`.
    pub(crate) fn answer(&self, id: &Value) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": self.code, "message": self.sentence}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_with_an_id_is_answered() {
        let read = |message: Value| Call::read(message).map(|call| call.map(|call| call.method));
        assert_eq!(read(json!({"jsonrpc": "2.0", "id": "a", "method": "m"})), Ok(Some("m".to_owned())));
        assert_eq!(read(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})), Ok(None));
        assert_eq!(read(json!({"jsonrpc": "2.0", "id": 1, "result": {}})), Ok(None));
        for bad in [
            json!(1),
            json!({}),
            json!({"id": 1, "method": "m"}),
            json!({"jsonrpc": "2.0", "id": null, "method": "m"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
