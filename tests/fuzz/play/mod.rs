//! The whole relay core as the fuzzer plays it: a script of clients, peers, sockets and time goes in, and after every step it is
//! asserted what must hold whatever came before.
//!
//! A script is bytes: the first says how the relay is set up, then each step is its number and what it needs, a byte each. Bytes
//! that are not there end the script. So every input is a script, a small change of it is a small change of the story, and the
//! corpus keeps its meaning as long as the numbers below keep theirs: add steps at the end.

mod policy;
mod request;
mod script;
mod told;
mod ways;
mod world;

use script::Script;
use world::World;

/// Plays a script, and in every second setup plays it again: the same inputs must give the same outputs.
pub fn core(bytes: &[u8]) {
    let Some((setup, script)) = bytes.split_first() else { return };
    let outputs = World::new(*setup).play(Script::new(script));
    if setup & 0x80 != 0 {
        assert_eq!(World::new(*setup).play(Script::new(script)), outputs, "the same inputs gave other outputs");
    }
}
