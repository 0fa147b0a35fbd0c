//! The native half of the Python package `reveille_sandbox`: calls of the SDK as objects that Python waits for, in a
//! thread or in an event loop. What a Python person sees is written in Python, beside it.
#![forbid(unsafe_code)]

mod answer;
mod bell;
mod body;
mod call;
mod client;
mod error;
mod history;
mod send;

use pyo3::prelude::*;

/// The native half of `reveille_sandbox`.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::answer::Answer;
    #[pymodule_export]
    use super::bell::Bell;
    #[pymodule_export]
    use super::body::BodySender;
    #[pymodule_export]
    use super::call::Call;
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::history::{Attempt, History};
    #[pymodule_export]
    use super::send::send;
}
