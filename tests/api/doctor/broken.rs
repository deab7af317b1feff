//! One thing after the other is broken, and the doctor finds exactly that. Each test stands in a module that is named for the check
//! that must find it; `o10_every_check_has_a_test_that_breaks_exactly_that_thing` looks whether there is one for each.

use super::certificate;
use super::world::{CONFIG, World, before, configured, during, finds, other_program_at};
use crate::harness::{can, can_trace};

/// The check that a test breaks: the module in which it stands is named for it.
macro_rules! check {
    () => {
        module_path!().rsplit("::").next().expect("a path ends with something")
    };
}

/// Whether a tool is there without which a test can't break its thing; otherwise the test is skipped.
fn has(tool: &str) -> bool {
    can(tool, &["--version"])
}

/// Lets the packets of the world that match this rule be dropped.
fn dropping(rule: &str) -> String {
    format!(
        "nft add table inet t\nnft 'add chain inet t in {{ type filter hook input priority 0; }}'\nnft add rule inet t in {rule} drop"
    )
}

/// The machine has this address in place of the public one, and the name leads to it.
fn moved_to(address: &str, prefix: u8, router: &str) -> String {
    format!(
        "ip addr del 203.0.113.7/24 dev eth0\nip addr add {address}/{prefix} dev eth0\nip route add default via {router}\n\
         hosts 's/^203.0.113.7 /{address} /'\n"
    )
}

mod server {
    use super::*;

    #[test]
    fn o10_one_that_hangs_is_found() {
        finds(&during("kill -STOP $hearth"), &[(check!(), "bad", "sudo systemctl restart hearth")]);
    }

    #[test]
    fn o10_one_that_was_killed_is_found() {
        let killed = "kill -KILL $hearth\nwait $hearth || true\nends=";
        finds(&during(killed), &[(check!(), "warning", "sudo systemctl start hearth")]);
    }
}

mod dns {
    use super::*;

    #[test]
    fn o10_a_name_that_leads_elsewhere_is_found() {
        let hosts = "hosts 's/^203.0.113.7 .*/198.51.100.9 meet.hearth.lan/'";
        finds(&before(hosts), &[(check!(), "bad", "let the A record of meet.hearth.lan say 203.0.113.7")]);
    }

    #[test]
    fn o10_a_name_that_leads_elsewhere_by_ipv6_alone_is_found() {
        let hosts = "hosts 's/^2a0e:beef::7 .*/2a0e:beef::99 meet.hearth.lan/'";
        finds(&before(hosts), &[(check!(), "bad", "let the AAAA record of meet.hearth.lan say 2a0e:beef::7")]);
    }

    #[test]
    fn o10_a_name_that_leads_nowhere_is_found() {
        let world = World { config: CONFIG.replace("meet.hearth.lan", "other.hearth.lan"), ..World::well() };
        finds(&world, &[(check!(), "bad", "let the A record of other.hearth.lan say 203.0.113.7")]);
    }
}

mod https_port {
    use super::*;

    #[test]
    fn o10_one_that_another_program_has_is_found() {
        let world = World { server: false, ..before(&other_program_at("127.0.0.1", 8443)) };
        finds(&world, &[(check!(), "bad", "sudo ss -lptn 'sport = :8443'")]);
    }

    #[test]
    fn o10_one_that_the_firewall_stops_is_found() {
        if has("nft") {
            finds(&during(&dropping("tcp dport 8443")), &[(check!(), "bad", "sudo ufw allow 8443/tcp")]);
        }
    }
}

mod http_port {
    use super::*;

    #[test]
    fn o10_one_that_another_program_has_is_found() {
        let other = World { server: false, ..before(&other_program_at("127.0.0.1", 8080)) };
        finds(&other, &[(check!(), "bad", "choose another port in server.listen_http")]);
    }
}

mod relay_udp_port {
    use super::*;

    #[test]
    fn o10_one_that_the_firewall_stops_is_found() {
        // By which the relay can't be tried either.
        let expected = [(check!(), "bad", "sudo ufw allow 3478/udp"), ("relay", "bad", "sudo ufw allow 3478")];
        if has("nft") {
            finds(&during(&dropping("udp dport 3478")), &expected);
        }
    }
}

mod relay_tcp_port {
    use super::*;

    #[test]
    fn o10_one_that_the_firewall_stops_is_found() {
        if has("nft") {
            finds(&during(&dropping("tcp dport 3478")), &[(check!(), "bad", "sudo ufw allow 3478/tcp")]);
        }
    }

    #[test]
    fn o10_one_that_another_program_has_is_found() {
        let other = World { server: false, ..before(&other_program_at("127.0.0.1", 3478)) };
        finds(&other, &[(check!(), "bad", "sudo ss -lptn 'sport = :3478'")]);
    }
}

mod relay_tls_port {
    use super::*;

    #[test]
    fn o10_one_that_the_firewall_stops_is_found() {
        if has("nft") {
            finds(&during(&dropping("tcp dport 5349")), &[(check!(), "bad", "sudo ufw allow 5349/tcp")]);
        }
    }

    #[test]
    fn o10_one_that_another_program_has_is_found() {
        let other = World { server: false, ..before(&other_program_at("127.0.0.1", 5349)) };
        finds(&other, &[(check!(), "bad", "choose another port in relay.listen_tls")]);
    }
}

mod firewall {
    use super::*;

    #[test]
    fn o10_what_ufw_stops_is_found_with_the_commands_that_let_it_in() {
        let etc = "cp -a /etc \"$WORLD/etc\" 2>/dev/null || true\nmkdir -p \"$WORLD/etc/ufw\"\necho ENABLED=yes > \"$WORLD/etc/ufw/ufw.conf\"\n\
                   for port in 'tcp 8443,8080' 'any 3478' 'tcp 5349'; do\n\
                   echo \"### tuple ### allow $port 0.0.0.0/0 any 0.0.0.0/0 in\" >> \"$WORLD/etc/ufw/user.rules\"\ndone\n\
                   cp \"$WORLD/hosts\" \"$WORLD/nsswitch.conf\" \"$WORLD/etc\"\nmount --bind \"$WORLD/etc\" /etc";
        finds(&during(etc), &[(check!(), "bad", "sudo ufw allow 49152:65535/udp")]);
    }
}

mod clock {
    use super::*;

    #[test]
    fn o10_one_that_nothing_keeps_is_found() {
        let no = "printf '#!/bin/sh\\necho no\\n' > \"$WORLD/bin/timedatectl\"";
        finds(&before(no), &[(check!(), "warning", "sudo timedatectl set-ntp true")]);
    }

    #[test]
    fn o10_one_that_stands_behind_what_the_server_wrote_is_found() {
        let later = "touch -d '+3 days' \"$WORLD/data/keys/relay\"";
        finds(&during(later), &[(check!(), "bad", "sudo timedatectl set-ntp true")]);
    }
}

/// The outcomes of the three checks of a certificate with these names, that is good from one day to another, when the public name is
/// `name`; days are counted from today.
async fn certificates(name: &str, names: &[&str], first: i64, last: i64) -> [String; 3] {
    let judged = certificate::judged(name, certificate::show(names, first, last).await).await;
    ["certificate_dates", "certificate_names", "certificate_chain"].map(|check| judged[check].0.clone())
}

mod certificate_dates {
    use super::*;

    #[tokio::test]
    async fn o10_one_out_of_its_time_is_found_and_one_late_in_it() {
        let shown = async |first, last| certificates("hearth.localhost", &["hearth.localhost"], first, last).await;
        assert_eq!(shown(-1, 80).await, ["good", "good", "good"]);
        assert_eq!(shown(-90, -1).await, ["bad", "good", "good"]);
        assert_eq!(shown(-80, 10).await, ["warning", "good", "good"]);
        assert_eq!(shown(2, 90).await, ["bad", "good", "good"]);
    }
}

mod certificate_names {
    use super::*;

    #[tokio::test]
    async fn o10_one_for_another_name_is_found() {
        assert_eq!(certificates("hearth.localhost", &["other.localhost"], -1, 80).await, ["good", "bad", "good"]);
    }
}

mod certificate_chain {
    use super::*;

    #[test]
    fn o10_one_that_browsers_do_not_know_is_found_where_people_outside_come() {
        let config = format!("{}[tls]\nmode = \"local\"\n", CONFIG.replace("meet.hearth.lan", "meet.hearth.one"));
        let world = World { config, ..before("hosts s/meet.hearth.lan/meet.hearth.one/") };
        finds(&world, &[(check!(), "warning", "mode = \"acme\" in [tls]")]);
    }
}

mod relay {
    use super::*;

    #[test]
    fn o10_one_that_finds_none_of_its_ports_free_is_found() {
        let world = configured("[relay]", "[relay]\nports = \"20000-20003\"");
        let taken = "perl -MIO::Socket::INET -e \
                     '@s = map { IO::Socket::INET->new(LocalAddr => \"203.0.113.7:$_\", Proto => \"udp\") } 20000..20003; sleep 60' &\n\
                     ends=\"$ends $!\"\nuntil ss -lun | grep -q ':20003 '; do sleep 0.05; done\n";
        finds(&World { during: taken.into(), ..world }, &[(check!(), "bad", "widen relay.ports")]);
    }

    #[test]
    fn o10_root_tries_the_relay_of_another_user() {
        // In a user namespace there is nobody else to give it to.
        let of_another_user = "chown -R 65534 \"$WORLD/data/keys\" 2> \"$WORLD/chown\" || true";
        let Some(examined) = during(of_another_user).examine() else { return };
        assert_eq!(examined.findings["relay"].0, "good", "{:?}", examined.findings["relay"]);
    }

    #[test]
    fn o10_a_key_that_the_server_would_not_take_is_told_with_its_mend() {
        let Some(examined) = during("chmod 644 \"$WORLD/data/keys/relay\"").examine() else { return };
        let (outcome, told) = &examined.findings["relay"];
        assert!(outcome == "bad" && told.contains("run `chmod 600 "), "{told}");
    }
}

mod relay_address {
    use super::*;

    #[test]
    fn o10_an_external_address_that_is_not_the_one_outside_is_found() {
        // The server of the test's own is Hearth's own STUN listener: what it sees is the address of the only interface.
        let stun = "[[ice.servers]]\nurls = [\"stun:203.0.113.7:3478\"]\n";
        let world = |relay: &str| World { config: format!("{CONFIG}{relay}\n{stun}"), ..World::well() };
        finds(&world(""), &[]);
        let wrong = world("external_address = \"198.51.100.9\"");
        finds(&wrong, &[(check!(), "bad", "write external_address = \"203.0.113.7\" into [relay]")]);
    }
}

mod hairpin {
    use super::*;

    /// Puts a router with these rules between the machine, at 192.168.1.5, and the address outside, 203.0.113.7.
    fn behind(rules: &str) -> World {
        let router = r#"
ip addr del 203.0.113.7/24 dev eth0
ip addr add 192.168.1.5/24 dev eth0
unshare --net sleep 600 &
router=$!
ends="$ends $router"
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set far netns $router
nsenter --target $router --net sh -e <<'END'
ip link set lo up
ip link set far up
ip addr add 192.168.1.1/24 dev far
ip link add wan type veth peer name internet
ip link set wan up
ip link set internet up
ip addr add 203.0.113.7/24 dev wan
echo 1 > /proc/sys/net/ipv4/ip_forward
nft -f - <<'RULES'
"#;
        let world = configured("[relay]", "[relay]\nexternal_address = \"203.0.113.7\"");
        World { before: format!("{router}{rules}RULES\nEND\nip route add default via 192.168.1.1\n"), ..world }
    }

    const RETURNS: &str = "table ip nat {
  chain in {
    type nat hook prerouting priority -100
    ip daddr 203.0.113.7 tcp dport { 8443, 3478, 5349 } dnat to 192.168.1.5
    ip daddr 203.0.113.7 udp dport { 3478, 49152-65535 } dnat to 192.168.1.5
  }
  chain out {
    type nat hook postrouting priority 100
    ip saddr 192.168.1.0/24 ip daddr 192.168.1.5 masquerade
    oifname \"wan\" masquerade
  }
}
";

    #[test]
    fn o10_a_router_that_does_not_return_what_is_sent_to_its_own_address_is_found() {
        if !has("nft") {
            return;
        }
        finds(&behind(RETURNS), &[]);
        let from_outside_alone = RETURNS.replace("ip daddr 203.0.113.7 ", "iifname \"wan\" ");
        let rule = "in the router, forward TCP 8443, UDP 3478, TCP 3478 and UDP 49152-65535 to 192.168.1.5";
        finds(&behind(&from_outside_alone), &[(check!(), "warning", rule)]);
    }

    #[test]
    fn o10_nothing_is_found_where_the_name_and_the_address_have_certificates_of_their_own() {
        if !has("nft") || !can("openssl", &["version"]) {
            return;
        }
        let world = behind(RETURNS);
        let files = "[tls]\ncertificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n";
        let before = "cd \"$WORLD\"\nopenssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj /CN=Hearth \
                      -addext subjectAltName=DNS:meet.hearth.lan -keyout key.pem -out cert.pem 2>&-\nchmod 600 key.pem\n";
        finds(&World { config: world.config.clone() + files, before: world.before.clone() + before, ..world }, &[]);
    }

    #[test]
    fn o10_a_router_that_leads_elsewhere_is_found() {
        if !has("nft") {
            return;
        }
        let world = behind(&RETURNS.replace("{ 8443, 3478, 5349 }", "{ 3478, 5349 }"));
        // The page of the router itself.
        let page = other_program_at("203.0.113.7", 8443);
        let before = format!("{}inside=\"nsenter --target $router --net\"\n{page}inside=\n", world.before);
        finds(&World { before, ..world }, &[(check!(), "bad", "to 192.168.1.5")]);
    }

    #[test]
    fn o10_an_address_outside_that_nobody_has_is_found() {
        let world = configured("[relay]", "[relay]\nexternal_address = \"198.51.100.9\"");
        let away = "hosts 's/^203.0.113.7 .*/198.51.100.9 meet.hearth.lan/'";
        let rule = "in the router, forward TCP 8443, UDP 3478, TCP 3478 and UDP 49152-65535 to 203.0.113.7";
        finds(&World { before: away.into(), ..world }, &[(check!(), "warning", rule)]);
    }
}

mod provider_nat {
    use super::*;

    /// Such an address is told to people, and reaches nobody.
    fn is_told(world: &World, words: &str) {
        let Some(mut examined) = world.examine() else { return };
        // Where the tests run in a container, its address is none of the internet either.
        examined.findings.remove("container");
        examined.found(&[(check!(), "warning", words), ("relay_address", "warning", "external_address")]);
    }

    #[test]
    fn o10_an_address_that_the_provider_shares_is_found() {
        is_told(&before(&moved_to("100.64.3.7", 24, "100.64.3.1")), "public IPv4 address");
    }

    #[test]
    fn o10_ipv4_through_a_tunnel_of_ds_lite_is_found() {
        let tunnel = format!("{}hosts '/^192.0.0.2 /d'", moved_to("192.0.0.2", 29, "192.0.0.1"));
        is_told(&before(&tunnel), "DS-Lite");
    }
}

mod container {
    use super::*;

    #[test]
    fn o10_one_that_keeps_its_ports_to_itself_is_found() {
        let marked = "mount -t tmpfs none /run\ntouch /run/.containerenv";
        let inner = format!("{}{marked}", moved_to("172.17.0.2", 24, "172.17.0.1"));
        let expected =
            [(check!(), "warning", "-p 49152-65535:49152-65535/udp"), ("relay_address", "warning", "external_address")];
        finds(&before(&inner), &expected);
    }
}

mod open_files {
    use super::*;

    #[test]
    fn o10_too_few_are_found() {
        let few = |by| World { doctor_by: by, ..World::well() };
        finds(&few("prlimit --nofile=256:256"), &[(check!(), "bad", "LimitNOFILE=65536")]);
        finds(&few("prlimit --nofile=1024:1024"), &[(check!(), "warning", "LimitNOFILE=65536")]);
    }
}

mod disk {
    use super::*;

    #[test]
    fn o10_one_that_is_nearly_full_is_found() {
        let small = "mount -t tmpfs -o size=100m,mode=700 none \"$WORLD/data\"\n";
        finds(&before(small), &[(check!(), "warning", "du -xh")]);
        let full = World { during: "head -c 60m /dev/zero > \"$WORLD/data/large\"".into(), ..before(small) };
        finds(&full, &[(check!(), "bad", "below 64 MiB nothing is stored")]);
    }
}

mod ipv6 {
    use super::*;

    #[test]
    fn o10_a_machine_without_it_is_found() {
        let none = "ip -6 addr flush dev eth0\necho 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6\nhosts '/^2a0e/d'";
        finds(&before(none), &[(check!(), "warning", "switch IPv6 on")]);
    }

    #[test]
    fn o10_a_relay_that_leaves_it_out_is_found() {
        finds(&configured("[relay]", "[relay]\nipv6 = false"), &[(check!(), "warning", "write ipv6 = true into [relay]")]);
    }

    #[test]
    fn o10_a_name_without_it_is_found() {
        finds(
            &before("hosts '/^2a0e/d'"),
            &[(check!(), "warning", "add an AAAA record for meet.hearth.lan that says 2a0e:beef::7")],
        );
    }
}

mod data_dir {
    use super::*;

    #[test]
    fn o10_one_that_can_not_be_written_is_found() {
        let read_only = "mount --bind \"$WORLD/data\" \"$WORLD/data\"\nmount -o remount,bind,ro \"$WORLD/data\"";
        finds(&during(read_only), &[(check!(), "bad", "ReadWritePaths=")]);
    }

    #[test]
    fn o10_one_that_others_may_read_is_found() {
        finds(&during("chmod 755 \"$WORLD/data\""), &[(check!(), "warning", "sudo chmod 700")]);
    }
}

mod interfaces {
    use super::*;

    #[test]
    fn o10_a_sandbox_that_hides_the_addresses_is_found() {
        if !can_trace() {
            return;
        }
        // As under RestrictAddressFamilies= without netlink, and for all families, for a tracer does not tell them apart.
        let by = "strace -f -qq -o /dev/null -e inject=bind:error=EAFNOSUPPORT -e trace=bind";
        let world = configured("[relay]", "[relay]\naddress = \"203.0.113.7\"\naddress_ipv6 = \"2a0e:beef::7\"");
        let Some(examined) = (World { doctor_by: by, ..world }).examine() else { return };
        let (outcome, told) = &examined.findings[check!()];
        assert_eq!(outcome, "bad", "{told}");
        assert!(told.contains("AF_NETLINK"), "{told}");
        assert_eq!(examined.status, Some(1));
    }
}

/// What the administrator reads when a phone outside got through on every way but `broken`.
async fn seen_from_outside(broken: &str) -> Vec<(String, String, String)> {
    use crate::harness::{Person, TestServer};
    use serde_json::json;

    let server = TestServer::start();
    let (admin, phone) = (Person::admin(&server).await, Person::guest(&server));
    let link = admin.post_empty("/api/admin/doctor/outside").await.ok();
    let (_, token) = link["link"].as_str().unwrap().split_once('#').unwrap();
    let ways = phone.post("/api/check/begin", &json!({"token": token})).await.ok();
    for lane in ways["lanes"].as_array().unwrap() {
        let well = format!("outside_{}", lane["transport"].as_str().unwrap()) != broken;
        let reason = (!well).then_some("701: no answer");
        let transport = &lane["transport"];
        let report =
            json!({"token": token, "transport": transport, "host": true, "reflexive": well, "relayed": well, "reason": reason});
        phone.post("/api/check/report", &report).await.ok();
    }
    let found = admin.get("/api/admin/doctor").await.ok()["outside"]["findings"].clone();
    let wrong = found.as_array().unwrap().iter().filter(|finding| finding["outcome"] != "good");
    let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let told = wrong.map(|finding| (text(finding, "check"), text(finding, "outcome"), text(finding, "mend")));
    told.map(|(check, outcome, mend)| {
        (check, outcome, mend.replace(&server.relay_port().to_string(), "RELAY").replace(&server.port().to_string(), "PAGE"))
    })
    .collect()
}

#[track_caller]
fn is_alone(found: &[(String, String, String)], check: &str, outcome: &str, mend: &str) {
    let [(found, so, told)] = found else { panic!("not one thing alone: {found:?}") };
    assert_eq!((found.as_str(), so.as_str()), (check, outcome));
    assert!(told.starts_with(mend), "{told}");
}

mod outside_udp {
    use super::*;

    #[tokio::test]
    async fn o10_a_way_that_a_phone_does_not_get_through_is_found() {
        is_alone(&seen_from_outside(check!()).await, check!(), "bad", "sudo ufw allow RELAY/udp; and in the router, forward");
    }
}

mod outside_tcp {
    use super::*;

    #[tokio::test]
    async fn o10_a_way_that_a_phone_does_not_get_through_is_found() {
        is_alone(&seen_from_outside(check!()).await, check!(), "warning", "sudo ufw allow RELAY/tcp; and in the router, forward");
    }
}

mod outside_tls {
    use super::*;

    #[tokio::test]
    async fn o10_a_way_that_a_phone_does_not_get_through_is_found() {
        is_alone(&seen_from_outside(check!()).await, check!(), "warning", "sudo ufw allow PAGE/tcp; and in the router, forward");
    }
}
