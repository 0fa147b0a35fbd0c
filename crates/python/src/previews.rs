//! The previews of a sandbox.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use reveille::{CreatePreview, RetryPolicy};

use crate::call::Call;
use crate::sandbox::Sandbox;
use crate::value::{Options, json, nothing, tuned};

/// Doors to the ports of a sandbox.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Previews {
    previews: reveille::Previews,
    policy: RetryPolicy,
}

/// What is said of a preview that is to be made.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Wanted {
    public: bool,
    prefix: Option<String>,
    ttl: Option<String>,
    expires: Option<String>,
    request_headers: BTreeMap<String, String>,
    response_headers: BTreeMap<String, String>,
}

impl Wanted {
    fn of(self, mut make: CreatePreview) -> CreatePreview {
        if self.public {
            make = make.public();
        }
        make = self.prefix.into_iter().fold(make, CreatePreview::prefix);
        make = self.ttl.into_iter().fold(make, CreatePreview::ttl);
        make = self.expires.into_iter().fold(make, CreatePreview::expires);
        make = self
            .request_headers
            .into_iter()
            .fold(make, |make, (name, value)| make.request_header(name, value));
        self.response_headers.into_iter().fold(make, |make, (name, value)| make.response_header(name, value))
    }
}

#[pymethods]
impl Previews {
    #[new]
    fn new(sandbox: &Sandbox) -> Self {
        Self { previews: sandbox.sandbox.previews(), policy: sandbox.policy }
    }

    fn list(&self, options: Options) -> Call {
        json(tuned!(self.previews.list(), options, self.policy))
    }

    fn get(&self, name: &str, options: Options) -> Call {
        json(tuned!(self.previews.get(name), options, self.policy))
    }

    fn create(&self, name: &str, port: u16, wanted: Wanted, options: Options) -> Call {
        json(tuned!(wanted.of(self.previews.create(name, port)), options, self.policy))
    }

    fn delete(&self, name: &str, options: Options) -> Call {
        nothing(tuned!(self.previews.delete(name), options, self.policy))
    }

    fn tokens(&self, preview: &str, options: Options) -> Call {
        json(tuned!(self.previews.tokens(preview), options, self.policy))
    }

    fn create_token(&self, preview: &str, expires: &str, options: Options) -> Call {
        json(tuned!(self.previews.create_token(preview, expires), options, self.policy))
    }

    fn delete_token(&self, preview: &str, token: &str, options: Options) -> Call {
        nothing(tuned!(self.previews.delete_token(preview, token), options, self.policy))
    }
}
