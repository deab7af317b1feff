//! What the relay is to reach, as ratios of one run.

use crate::extras::{ALLOCATE_P99, IDLE_MEMORY, SECOND_THREAD};
use crate::generator::Load;
use crate::pair::Mode;
use crate::report::{Extra, Goal, Row};
use crate::servers::Kind;

/// The goals for which there are figures. Where several rows belong to a goal, the worst of them decides.
pub fn judge(rows: &[Row], extras: &[Extra]) -> Vec<Goal> {
    let ours: Vec<&Row> = rows.iter().filter(|row| row.kind == Kind::Hearth).collect();
    let mut goals = Vec::new();
    for mode in [Mode::RelayRelay, Mode::ClientPeer, Mode::Tcp, Mode::Tls] {
        let saturated = |row: &&&Row| row.case.mode == mode && matches!(row.case.load, Load::Saturated(_));
        goals.extend(costs(mode, &ours.iter().filter(saturated).copied().collect::<Vec<_>>()));
    }
    for row in &ours {
        let coturn = rows.iter().find(|other| other.kind == Kind::Coturn && other.case == row.case);
        match (row.case.load, coturn) {
            (Load::Paced { per_second }, Some(coturn)) => goals.extend(paced(per_second, row, coturn)),
            (Load::Saturated(_) | Load::Paced { .. }, _) => {}
        }
    }
    goals.extend(extras.iter().filter(|extra| extra.kind == Kind::Hearth).filter_map(other));
    goals
}

/// The goals of saturated traffic in one mode.
fn costs(mode: Mode, rows: &[&Row]) -> Vec<Goal> {
    let name = mode.name();
    let worst =
        |of: fn(&Row) -> Option<f64>, rows: &mut dyn Iterator<Item = &&Row>| rows.filter_map(|row| of(row)).reduce(f64::min);
    let at_least = |what: String, least: f64, measured: Option<f64>| {
        measured.map(|measured| Goal {
            wanted: format!("{name}, {what} needs at least {least} times as much"),
            measured: format!("{measured:.2} times"),
            met: measured >= least,
        })
    };
    let coturn = |least, allocations: Option<usize>| {
        let mut chosen = rows.iter().filter(|row| allocations.is_none_or(|allocations| allocations == row.allocations));
        let flows = allocations.map_or_else(String::new, |allocations| format!(" with {allocations} allocations"));
        at_least(format!("coturn{flows}"), least, worst(|row| row.coturn_ratio, &mut chosen))
    };
    let goals = match mode {
        Mode::RelayRelay => {
            let turn_server = worst(|row| row.turn_server_ratio, &mut rows.iter());
            vec![coturn(5.0, None), at_least("turn-server".to_owned(), 2.5, turn_server)]
        }
        Mode::ClientPeer => {
            let floor = worst(|row| row.floor_ratio, &mut rows.iter());
            let floor = floor.map(|ratio| Goal {
                wanted: format!("{name}, at most 10 % above the bare forwarder"),
                measured: format!("{:+.0} %", (1.0 / ratio - 1.0) * 100.0),
                met: ratio * 1.1 >= 1.0,
            });
            vec![coturn(3.0, Some(10)), coturn(1.6, Some(100)), floor]
        }
        Mode::Tcp | Mode::Tls => vec![coturn(1.0, None)],
    };
    goals.into_iter().flatten().collect()
}

/// The rate at which a relay may trade some delay for processor time.
const BUSY_PPS: u64 = 10_000;
/// The rate at which it must not.
const QUIET_PPS: u64 = 2_000;
/// How far two medians of the same delay lie apart on a machine that does other things as well.
const NOISE: f64 = 1.1;

fn paced(per_second: u64, row: &Row, coturn: &Row) -> Vec<Goal> {
    let (Some(delay), Some(theirs)) = (row.rtt_p50_us, coturn.rtt_p50_us) else { return Vec::new() };
    let goal = |what: &str, measured: String, met| Goal { wanted: format!("{per_second} packets/s, {what}"), measured, met };
    let mut goals = vec![goal("none lost", format!("{:.3} %", row.loss * 100.0), row.loss <= 0.0)];
    if per_second == BUSY_PPS {
        let share = row.us_per_packet / coturn.us_per_packet;
        goals.push(goal("at most 0.7 times coturn's processor time", format!("{share:.2} times"), share <= 0.7));
        let later = delay - theirs;
        goals.push(goal("round trip at most 1 ms above coturn's", format!("{later:+.0} µs"), later <= 1000.0));
    } else if per_second == QUIET_PPS {
        let measured = format!("{delay:.0} µs beside {theirs:.0}");
        goals.push(goal("round trip not above coturn's", measured, delay <= theirs * NOISE));
    }
    goals
}

fn other(extra: &Extra) -> Option<Goal> {
    let (wanted, met) = match extra.mode {
        IDLE_MEMORY => ("at most 4096 bytes for an idle allocation", extra.value <= 4096.0),
        SECOND_THREAD => ("two threads carry at least 1.8 times what one does", extra.value >= 1.8),
        ALLOCATE_P99 => ("Allocate takes at most 1 ms at p99 while 100 Mbit/s flow", extra.value <= 1000.0),
        _ => return None,
    };
    Some(Goal { wanted: wanted.to_owned(), measured: format!("{:.1} {}", extra.value, extra.unit), met })
}
