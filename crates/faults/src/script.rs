//! Which step which request gets.

use crate::answer::Answer;
use crate::error::Error;
use crate::step::Step;

/// What a server does, request by request.
///
/// Requests take the default steps in the order of their arrival, unless a [route](Self::on) claims
/// them. After the last step every request is answered with an empty 200, or with what
/// [`then`](Self::then), [`repeat_last`](Self::repeat_last) or [`repeat_all`](Self::repeat_all) say.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Script {
    pub(crate) steps: Steps,
    pub(crate) routes: Vec<Route>,
}

/// Steps in an order, and what comes after the last of them.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Steps {
    pub(crate) steps: Vec<Step>,
    pub(crate) afterwards: Afterwards,
}

#[derive(Clone, Debug)]
pub(crate) enum Afterwards {
    Then(Box<Step>),
    RepeatLast,
    RepeatAll,
}

impl Default for Afterwards {
    fn default() -> Self {
        Self::Then(Box::new(Answer::status(200).into()))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) method: Option<String>,
    pub(crate) prefix: String,
    pub(crate) steps: Steps,
}

impl Script {
    /// A script that answers every request with an empty 200.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a script file; the [crate's documentation](crate#script-files) shows every key.
    ///
    /// # Errors
    ///
    /// The file is not JSON, has an unknown key, or asks for what cannot be: one line that says where.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        crate::json::parse(text)
    }

    /// One more step.
    pub fn step(mut self, step: impl Into<Step>) -> Self {
        self.steps = self.steps.step(step);
        self
    }

    /// What every request after the last step gets.
    pub fn then(mut self, step: impl Into<Step>) -> Self {
        self.steps = self.steps.then(step);
        self
    }

    /// Stays at the last step.
    pub fn repeat_last(mut self) -> Self {
        self.steps = self.steps.repeat_last();
        self
    }

    /// Begins again after the last step.
    pub fn repeat_all(mut self) -> Self {
        self.steps = self.steps.repeat_all();
        self
    }

    /// Gives requests with this method, to a path that begins with `prefix`, steps of their own.
    ///
    /// `"*"` stands for every method. The first route that fits is taken. The target of a `CONNECT`
    /// is its authority, e.g. `example.com:443`.
    pub fn on(mut self, method: &str, prefix: &str, steps: impl Into<Steps>) -> Self {
        let method = (method != "*").then(|| method.to_owned());
        self.routes.push(Route { method, prefix: prefix.to_owned(), steps: steps.into() });
        self
    }
}

impl Steps {
    /// No steps yet: an empty 200 for every request.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more step.
    pub fn step(mut self, step: impl Into<Step>) -> Self {
        self.steps.push(step.into());
        self
    }

    /// What every request after the last step gets.
    pub fn then(mut self, step: impl Into<Step>) -> Self {
        self.afterwards = Afterwards::Then(Box::new(step.into()));
        self
    }

    /// Stays at the last step.
    pub fn repeat_last(mut self) -> Self {
        self.afterwards = Afterwards::RepeatLast;
        self
    }

    /// Begins again after the last step.
    pub fn repeat_all(mut self) -> Self {
        self.afterwards = Afterwards::RepeatAll;
        self
    }
}

/// The same step for every request.
impl From<Step> for Steps {
    fn from(step: Step) -> Self {
        Self::new().then(step)
    }
}

/// The same answer for every request.
impl From<Answer> for Steps {
    fn from(answer: Answer) -> Self {
        Self::new().then(answer)
    }
}

impl<S: Into<Steps>> From<S> for Script {
    fn from(steps: S) -> Self {
        Self { steps: steps.into(), routes: Vec::new() }
    }
}
