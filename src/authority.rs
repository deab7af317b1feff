//! The authority of an HTTPS address (RFC 3986 §3.2): a host and a port in one text, as browsers write them.

/// The port of an address that names none (RFC 9110 §4.2.2).
pub const HTTPS_PORT: u16 = 443;

/// The text for a name or an address, and a port: IPv6 in brackets, and the port only where it is not that of HTTPS.
pub fn written(host: &str, port: u16) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    if port == HTTPS_PORT { host } else { format!("{host}:{port}") }
}

/// Host and port of such a text: the host with the brackets of IPv6, and the port of HTTPS where none stands there.
pub fn parts_of(authority: &str) -> (&str, u16) {
    let with_port = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    // Without a port, the last colon of an IPv6 address stands inside of its brackets.
    with_port.filter(|_| !authority.ends_with(']')).unwrap_or((authority, HTTPS_PORT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_written_as_browsers_do_and_read_again() {
        for (host, port, text) in [
            ("meet.example.org", HTTPS_PORT, "meet.example.org"),
            ("meet.example.org", 8443, "meet.example.org:8443"),
            ("192.0.2.7", HTTPS_PORT, "192.0.2.7"),
            ("2001:db8::1", HTTPS_PORT, "[2001:db8::1]"),
            ("2001:db8::1", 8443, "[2001:db8::1]:8443"),
        ] {
            assert_eq!(written(host, port), text);
            let (read, port_read) = parts_of(text);
            assert_eq!((read.trim_matches(['[', ']']), port_read), (host, port));
        }
        assert_eq!(parts_of("meet.example.org:pay-here"), ("meet.example.org:pay-here", HTTPS_PORT));
    }
}
