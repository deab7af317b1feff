//! QR codes, for cameras of other devices.

use fast_qr::{ECL, QRBuilder};

use crate::wire::doctor::QrCode;

/// Empty squares around a code, as cameras need them.
const QUIET_ZONE: usize = 4;

/// Draws a text, one rectangle for each run of dark squares in a row. `None` when it is longer than the largest code holds.
pub(super) fn draw(text: &str) -> Option<QrCode> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let mut path = String::new();
    for y in 0..code.size {
        let mut x = 0;
        while x < code.size {
            let run = code[y][x..].iter().take_while(|module| module.value()).count();
            if run > 0 {
                path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE));
            }
            x += run.max(1);
        }
    }
    Some(QrCode { size: u32::try_from(code.size + 2 * QUIET_ZONE).expect("a code has at most 177 squares"), path })
}

/// The same as a picture, black on white whatever lies behind it.
pub(super) fn picture(QrCode { size, path }: &QrCode) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\"{path}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_quiet_zone_and_its_three_corners() {
        let code = draw("https://meet.example.org/check#0123456789abcdef").unwrap();
        let side = code.size - 2 * 4;
        assert!(side >= 21 && (side - 17).is_multiple_of(4), "{side}");
        let picture = picture(&code);
        for corner in [String::from("M4 4h7v1h-7z"), format!("M{} 4h7v1h-7z", side - 3), format!("M4 {}h7v1h-7z", side - 3)] {
            assert!(code.path.contains(&corner) && picture.contains(&corner), "{corner}");
        }
        assert!(picture.contains(&format!("viewBox=\"0 0 {0} {0}\"", code.size)), "{picture}");
    }

    #[test]
    fn the_longest_link_fits_and_a_book_does_not() {
        assert!(draw(&format!("https://{}/check#{}", "a".repeat(255), "b".repeat(32))).is_some());
        assert_eq!(draw(&"a".repeat(4000)), None);
    }
}
