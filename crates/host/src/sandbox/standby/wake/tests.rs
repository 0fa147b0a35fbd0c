use super::*;

const WINDOW: Duration = Duration::from_millis(300);

fn number(number: u64) -> Generation {
    Generation::new(number, Issuer::new(1))
}

/// One of somebody else.
fn others(number: u64) -> Generation {
    Generation::new(number, Issuer::new(2))
}

fn machine() -> Machine<&'static str> {
    Machine::new(Rules { max_held: 2, window: WINDOW, issuer: Issuer::new(1) }, Generation::NONE)
}

fn awake() -> (Machine<&'static str>, WakingId) {
    let mut machine = machine();
    let command = machine.demand(Instant::now());
    let Woke::Released { waking, .. } = machine.woke(generation(command), Ok("here")) else {
        panic!("it woke")
    };
    (machine, waking)
}

/// The generation of a command that has to be carried out.
fn generation(command: Option<Command>) -> Generation {
    match command {
        Some(Command::Wake(generation) | Command::Sleep(generation)) => generation,
        None => panic!("nothing is to be done"),
    }
}

fn wake(of: u64) -> Option<Command> {
    Some(Command::Wake(number(of)))
}

fn sleep(of: u64) -> Option<Command> {
    Some(Command::Sleep(number(of)))
}

fn held(admission: Admission<&'static str>) -> Ticket {
    match admission {
        Admission::Held(ticket) => ticket,
        other => panic!("{other:?} is no place to wait"),
    }
}

#[test]
fn the_first_wakes_and_the_others_wait() {
    let (mut machine, now) = (machine(), Instant::now());
    let (first, command) = machine.arrive(now, Patience::Wait);
    assert_eq!(command, wake(1));
    let (second, command) = machine.arrive(now, Patience::Wait);
    assert_eq!(command, None);
    assert_eq!(machine.arrive(now, Patience::Wait), (Admission::Full, None));
    let tickets = vec![held(first), held(second)];
    let waking = WakingId(1);
    let released = machine.woke(number(1), Ok("here"));
    assert_eq!(released, Woke::Released { tickets, agent: "here", waking });
    assert_eq!(machine.arrive(now, Patience::Wait), (Admission::Forward("here", waking), None));
}

#[test]
fn who_does_not_wait_is_told_how_long_it_takes_at_least() {
    let (mut machine, now) = (machine(), Instant::now());
    let (refused, command) = machine.arrive(now, Patience::Leave);
    assert_eq!((refused, command), (Admission::Refused { left: WINDOW }, wake(1)));
    let left = Duration::from_millis(50);
    let later = now + Duration::from_millis(250);
    assert_eq!(machine.arrive(later, Patience::Leave), (Admission::Refused { left }, None));
    let late = now + Duration::from_secs(9);
    assert_eq!(machine.arrive(late, Patience::Leave), (Admission::Refused { left: Duration::ZERO }, None));
}

#[test]
fn who_arrives_while_it_goes_to_sleep_wakes_it_again() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    assert_eq!(machine.sleep(), sleep(2));
    let (waiting, command) = machine.arrive(now, Patience::Wait);
    assert_eq!(command, None, "a sleep that is out cannot be called back");
    assert_eq!(machine.slept(now, number(2), Slept::Asleep), wake(3));
    let tickets = vec![held(waiting)];
    let there = Woke::Released { tickets, agent: "there", waking: WakingId(2) };
    assert_eq!(machine.woke(number(3), Ok("there")), there);
}

#[test]
fn who_was_refused_while_it_went_to_sleep_has_woken_it_too() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    machine.sleep();
    assert_eq!(machine.arrive(now, Patience::Leave), (Admission::Refused { left: WINDOW }, None));
    assert_eq!(machine.slept(now, number(2), Slept::Asleep), wake(3));
}

#[test]
fn a_failed_waking_is_told_to_all_and_the_next_request_tries_again() {
    let (mut machine, now) = (machine(), Instant::now());
    let first = held(machine.arrive(now, Patience::Wait).0);
    assert_eq!(machine.woke(number(1), Err(NotWoken::Failed)), Woke::Failed(vec![first]));
    assert_eq!(machine.phase(), Phase::Resting);
    assert_eq!(machine.arrive(now, Patience::Wait).1, wake(2));
}

#[test]
fn a_waking_that_was_given_up_on_may_have_woken_it_until_a_later_command_settles_that() {
    let (mut machine, now) = (machine(), Instant::now());
    machine.demand(now);
    machine.woke(number(1), Err(NotWoken::Unknown));
    assert_eq!(machine.phase(), Phase::Unsure(Doubt::Command));
    machine.hear(number(1), News::Resting);
    assert_eq!(machine.phase(), Phase::Unsure(Doubt::Command), "it may still wake");
    assert_eq!(machine.sleep(), sleep(2));
    machine.slept(now, number(2), Slept::Asleep);
    assert_eq!(machine.phase(), Phase::Resting);
}

#[test]
fn a_sleep_that_failed_leaves_it_awake() {
    let ((mut machine, before), now) = (awake(), Instant::now());
    machine.sleep();
    assert_eq!(machine.slept(now, number(2), Slept::StillAwake("here")), None);
    let (_, after) = machine.agent().unwrap();
    assert!(after > before);
}

#[test]
fn the_outcome_of_a_command_that_nobody_waits_for_changes_nothing() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    machine.sleep();
    machine.slept(now, number(2), Slept::Unknown);
    machine.demand(now);
    assert_eq!(machine.slept(now, number(2), Slept::Asleep), None);
    assert_eq!(machine.woke(number(1), Ok("old")), Woke::Ignored);
    assert_eq!(machine.phase(), Phase::Waking);
    assert!(matches!(machine.woke(number(3), Ok("new")), Woke::Released { agent: "new", .. }));
    machine.sleep();
    assert_eq!(machine.slept(now, number(2), Slept::Asleep), None);
    assert_eq!(machine.phase(), Phase::Settling);
}

#[test]
fn what_somebody_wakes_while_it_falls_asleep_is_not_taken_for_asleep() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    machine.sleep();
    machine.hear(others(3), News::Awake("there"));
    machine.slept(now, number(2), Slept::Asleep);
    assert_eq!(machine.phase(), Phase::Unsure(Doubt::News));
}

#[test]
fn a_waking_that_others_overtake_is_done_again_but_not_for_ever() {
    let (mut machine, now) = (machine(), Instant::now());
    let first = held(machine.arrive(now, Patience::Wait).0);
    let mut out = number(1);
    for _ in 1..MAX_ROUNDS {
        let latest = out.next(Issuer::new(2));
        let Woke::Again(command) = machine.woke(out, Err(NotWoken::Overtaken(latest))) else {
            panic!("it is done again")
        };
        out = generation(Some(command));
        assert!(out > latest, "later than what overtook it");
    }
    let latest = out.next(Issuer::new(2));
    assert_eq!(machine.woke(out, Err(NotWoken::Overtaken(latest))), Woke::Failed(vec![first]));
}

#[test]
fn a_waking_that_news_overtake_is_done_again() {
    let (mut machine, now) = (machine(), Instant::now());
    machine.demand(now);
    machine.hear(others(7), News::Resting);
    assert_eq!(machine.woke(number(1), Ok("here")), Woke::Again(Command::Wake(number(8))));
}

#[test]
fn news_from_before_the_last_command_are_none() {
    let ((mut machine, waking), now) = (awake(), Instant::now());
    machine.hear(Generation::NONE, News::Resting);
    assert_eq!(machine.agent(), Some((&"here", waking)));
    machine.sleep();
    machine.slept(now, number(2), Slept::Asleep);
    machine.hear(number(1), News::Awake("here"));
    assert_eq!(machine.phase(), Phase::Resting);
}

#[test]
fn awake_elsewhere_is_adopted_and_can_be_put_to_sleep_from_here() {
    let ((mut machine, before), _) = (awake(), Instant::now());
    machine.hear(others(5), News::Awake("there"));
    let (agent, after) = machine.agent().unwrap();
    assert_eq!(*agent, "there");
    assert!(after > before);
    assert_eq!(machine.sleep(), sleep(6));
}

#[test]
fn missed_news_leave_everything_open() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    machine.doubt();
    assert_eq!(machine.phase(), Phase::Unsure(Doubt::News));
    machine.hear(number(1), News::Awake("here"));
    assert_eq!(machine.phase(), Phase::Awake);
    machine.doubt();
    assert_eq!(machine.demand(now), wake(2));
}

#[test]
fn a_late_report_of_a_lost_agent_does_not_touch_the_next_waking() {
    let ((mut machine, first), now) = (awake(), Instant::now());
    machine.sleep();
    machine.slept(now, number(2), Slept::Asleep);
    machine.demand(now);
    machine.woke(number(3), Ok("there"));
    machine.lost(first);
    assert_eq!(machine.phase(), Phase::Awake);
    let (_, second) = machine.agent().unwrap();
    machine.lost(second);
    assert_eq!(machine.phase(), Phase::Unsure(Doubt::News));
}

#[test]
fn nobody_is_let_in_while_it_is_deleted_unless_that_fails() {
    let (mut machine, now) = (machine(), Instant::now());
    let first = held(machine.arrive(now, Patience::Wait).0);
    assert_eq!(machine.remove(), (vec![first], number(2)));
    assert_eq!(machine.arrive(now, Patience::Wait), (Admission::Gone, None));
    assert_eq!(machine.woke(number(1), Ok("here")), Woke::Ignored);
    machine.restore();
    assert_eq!(machine.phase(), Phase::Unsure(Doubt::Command), "the delete may still have its effect");
    assert_eq!(machine.arrive(now, Patience::Wait).1, wake(3));
}
