use super::*;

const WINDOW: Duration = Duration::from_millis(300);

fn machine() -> Machine<&'static str> {
    Machine::new(Rules { max_held: 2, window: WINDOW })
}

fn awake() -> (Machine<&'static str>, WakingId) {
    let mut machine = machine();
    assert_eq!(machine.demand(Instant::now()), Some(Command::Wake));
    let Woke::Released { waking, .. } = machine.woke(Ok("here")) else { panic!("it woke") };
    (machine, waking)
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
    assert_eq!(command, Some(Command::Wake));
    let (second, command) = machine.arrive(now, Patience::Wait);
    assert_eq!(command, None);
    assert_eq!(machine.arrive(now, Patience::Wait), (Admission::Full, None));
    let tickets = vec![held(first), held(second)];
    let waking = WakingId(1);
    assert_eq!(machine.woke(Ok("here")), Woke::Released { tickets, agent: "here", waking });
    assert_eq!(machine.arrive(now, Patience::Wait), (Admission::Forward("here", waking), None));
}

#[test]
fn who_does_not_wait_is_told_how_long_it_takes_at_least() {
    let (mut machine, now) = (machine(), Instant::now());
    let (refused, command) = machine.arrive(now, Patience::Leave);
    assert_eq!((refused, command), (Admission::Refused { left: WINDOW }, Some(Command::Wake)));
    let left = Duration::from_millis(50);
    let later = now + Duration::from_millis(250);
    assert_eq!(machine.arrive(later, Patience::Leave), (Admission::Refused { left }, None));
    let late = now + Duration::from_secs(9);
    assert_eq!(machine.arrive(late, Patience::Leave), (Admission::Refused { left: Duration::ZERO }, None));
}

#[test]
fn who_arrives_while_it_goes_to_sleep_wakes_it_again() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    assert_eq!(machine.sleep(), Some(Command::Sleep));
    let (waiting, command) = machine.arrive(now, Patience::Wait);
    assert_eq!(command, None, "a sleep that is out cannot be called back");
    assert_eq!(machine.slept(now, Slept::Asleep), Some(Command::Wake));
    let tickets = vec![held(waiting)];
    let there = Woke::Released { tickets, agent: "there", waking: WakingId(2) };
    assert_eq!(machine.woke(Ok("there")), there);
}

#[test]
fn who_was_refused_while_it_went_to_sleep_has_woken_it_too() {
    let ((mut machine, _), now) = (awake(), Instant::now());
    machine.sleep();
    assert_eq!(machine.arrive(now, Patience::Leave), (Admission::Refused { left: WINDOW }, None));
    assert_eq!(machine.slept(now, Slept::Asleep), Some(Command::Wake));
}

#[test]
fn a_failed_waking_is_told_to_all_and_the_next_request_tries_again() {
    let (mut machine, now) = (machine(), Instant::now());
    let first = held(machine.arrive(now, Patience::Wait).0);
    assert_eq!(machine.woke(Err(())), Woke::Failed(vec![first]));
    assert_eq!(machine.arrive(now, Patience::Wait).1, Some(Command::Wake));
}

#[test]
fn a_sleep_that_failed_leaves_it_awake() {
    let ((mut machine, before), now) = (awake(), Instant::now());
    machine.sleep();
    assert_eq!(machine.slept(now, Slept::StillAwake("here")), None);
    let (_, after) = machine.agent().unwrap();
    assert!(after > before);
}

#[test]
fn a_waking_that_others_overtake_is_done_again_but_not_for_ever() {
    let (mut machine, now) = (machine(), Instant::now());
    let first = held(machine.arrive(now, Patience::Wait).0);
    for _ in 1..MAX_ROUNDS {
        machine.overtaken();
        assert_eq!(machine.woke(Ok("here")), Woke::Again);
    }
    machine.overtaken();
    assert_eq!(machine.woke(Ok("here")), Woke::Failed(vec![first]));
}

#[test]
fn a_late_report_of_a_lost_agent_does_not_touch_the_next_waking() {
    let ((mut machine, first), now) = (awake(), Instant::now());
    machine.sleep();
    machine.slept(now, Slept::Asleep);
    machine.demand(now);
    machine.woke(Ok("there"));
    machine.lost(first);
    assert_eq!(machine.phase(), Phase::Awake);
    let (_, second) = machine.agent().unwrap();
    machine.lost(second);
    assert_eq!(machine.phase(), Phase::Resting);
}

#[test]
fn nobody_is_let_in_while_it_is_deleted_unless_that_fails() {
    let (mut machine, now) = (machine(), Instant::now());
    let first = held(machine.arrive(now, Patience::Wait).0);
    assert_eq!(machine.remove(), [first]);
    assert_eq!(machine.arrive(now, Patience::Wait), (Admission::Gone, None));
    assert_eq!(machine.woke(Ok("here")), Woke::Ignored);
    machine.restore();
    assert_eq!(machine.arrive(now, Patience::Wait).1, Some(Command::Wake));
}
