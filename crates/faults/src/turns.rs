//! Where each list of steps stands while the server runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::script::{Afterwards, Route, Script, Steps};
use crate::step::{Hold, Step};

pub(crate) struct Turns {
    state: Mutex<State>,
}

struct State {
    default: Cursor,
    routes: Vec<(Route, Cursor)>,
}

impl Turns {
    pub(crate) fn new(script: Script) -> Self {
        let Script { steps, routes } = script;
        let routes = routes
            .into_iter()
            .map(|mut route| {
                let cursor = Cursor::new(std::mem::take(&mut route.steps));
                (route, cursor)
            })
            .collect();
        Self { state: Mutex::new(State { default: Cursor::new(steps), routes }) }
    }

    /// The step for a request that has arrived.
    pub(crate) fn take(&self, method: &str, target: &str, now: Instant) -> Arc<Step> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { default, routes } = &mut *state;
        let routed = routes.iter_mut().find(|(route, _)| {
            route.method.as_deref().is_none_or(|wanted| wanted == method) && target.starts_with(&route.prefix)
        });
        routed.map_or(default, |(_, cursor)| cursor).take(now)
    }

    /// The step for a connection that was just accepted, if the next one wants it that early.
    pub(crate) fn take_before_request(&self, now: Instant) -> Option<Arc<Step>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.default.settle(now).acts_before_request().then(|| state.default.take(now))
    }
}

struct Cursor {
    steps: Vec<Arc<Step>>,
    then: Option<Arc<Step>>,
    repeat: Repeat,
    at: usize,
    given: u32,
    opened: Option<Instant>,
}

enum Repeat {
    Never,
    Last,
    All,
}

impl Cursor {
    fn new(steps: Steps) -> Self {
        let Steps { steps, afterwards } = steps;
        // A step that is given to nobody would make a script that begins again turn for ever.
        let steps: Vec<_> =
            steps.into_iter().filter(|step| !matches!(step.hold, Hold::Times(0))).map(Arc::new).collect();
        let (then, repeat) = match afterwards {
            Afterwards::Then(step) => (Some(Arc::new(*step)), Repeat::Never),
            Afterwards::RepeatLast => (None, Repeat::Last),
            Afterwards::RepeatAll => (None, Repeat::All),
        };
        Self { steps, then, repeat, at: 0, given: 0, opened: None }
    }

    /// The step whose turn it is, after leaving those whose time is over.
    fn settle(&mut self, now: Instant) -> Arc<Step> {
        if let Some(step) = self.steps.get(self.at) {
            let over = match step.hold {
                Hold::Times(times) => self.given >= times,
                Hold::Window(window) => {
                    self.opened.is_some_and(|opened| now.saturating_duration_since(opened) >= window)
                }
            };
            if over {
                self.leave();
            }
        }
        match (self.steps.get(self.at), &self.then, &self.repeat) {
            (Some(step), _, _) => Arc::clone(step),
            (None, Some(then), _) => Arc::clone(then),
            (None, None, Repeat::Last) => self.steps.last().map_or_else(empty_answer, Arc::clone),
            (None, None, _) => empty_answer(),
        }
    }

    fn leave(&mut self) {
        self.at += 1;
        self.given = 0;
        self.opened = None;
        if self.at == self.steps.len() && matches!(self.repeat, Repeat::All) {
            self.at = 0;
        }
    }

    fn take(&mut self, now: Instant) -> Arc<Step> {
        let step = self.settle(now);
        self.given = self.given.saturating_add(1);
        self.opened.get_or_insert(now);
        step
    }
}

fn empty_answer() -> Arc<Step> {
    Arc::new(Step::status(200).into())
}
