//! The figures as tables for `docs/PERFORMANCE.md`.

use crate::report::{self, Row};

/// A table for each mode: a line for each server, a column for each number of allocations and size, or for each pace.
pub fn print(rows: &[Row]) {
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let belongs = |row: &Row| row.mode == first.mode && row.paced_pps.is_some() == first.paced_pps.is_some();
        let (table, after) = rest.split_at(rest.iter().take_while(|row| belongs(row)).count());
        print_table(table);
        rest = after;
    }
}

fn print_table(rows: &[Row]) {
    let (mut columns, mut servers) = (Vec::new(), Vec::new());
    for row in rows {
        if !columns.contains(&heading(row)) {
            columns.push(heading(row));
        }
        if !servers.contains(&row.server) {
            servers.push(row.server);
        }
    }
    report::line(&format!("| {} | {} |", rows[0].mode, columns.join(" | ")));
    report::line(&format!("|---|{}", "---|".repeat(columns.len())));
    for server in servers {
        let cells = columns.iter().map(|column| {
            let row = rows.iter().find(|row| row.server == server && heading(row) == *column);
            row.map_or_else(|| "–".to_owned(), cell)
        });
        report::line(&format!("| {server} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
    report::line("");
}

fn heading(row: &Row) -> String {
    let pace = row.paced_pps.map(|pps| format!(", {pps}/s")).unwrap_or_default();
    format!("{} × {} B{pace}", row.allocations, row.payload)
}

fn cell(row: &Row) -> String {
    let delay = row.rtt_p50_us.map(|micros| format!(", {micros:.0} µs")).unwrap_or_default();
    format!("{:.1}{delay}", row.us_per_packet)
}
