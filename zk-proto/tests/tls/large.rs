//! Requests and replies of many records.

use allocation_counter::measure;
use bytes::Bytes;
use zk_proto::{Machine, session::RequestError};

use crate::{
    certified, trusting,
    world::{World, showing},
};

/// A world that is connected.
fn connected() -> World {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let mut world = World::new("zk1:2281", Some(trusting(&authority)), showing(&identity, None));
    world.run();
    assert!(world.is_connected, "{:?}", world.failure);
    world
}

fn large() -> Bytes {
    (0..300_000_u32).flat_map(|number| number.to_le_bytes()).take(900_000).collect()
}

#[test]
fn what_is_large_goes_to_and_fro_in_pieces_of_any_size() {
    for piece in [1000, 16_406, 100_000, usize::MAX] {
        let mut world = connected();
        world.piece = piece;
        world.submit_write(1, &large());
        (2..6).for_each(|number| world.submit_read(number));

        world.run();

        let numbers: Vec<u32> = world.read.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 3, 4, 5], "pieces of {piece}: {:?}", world.failure);
        assert!(world.read.iter().all(|(_, data)| *data == large()), "pieces of {piece}");
    }
}

#[test]
fn what_is_large_is_encrypted_as_it_is_taken() {
    let mut world = connected();
    world.submit_write(1, &large());

    let encrypted = measure(|| world.machine.poll_transmit(world.link(), world.now).map(drop).expect("the first bite"));
    assert!(encrypted.bytes_max < 96 << 10, "{} bytes for one bite", encrypted.bytes_max);
    let link = world.link();
    let rest = measure(|| while world.machine.poll_transmit(link, world.now).is_some() {});
    // Nearly all of it is rustls' own, record by record.
    assert!(rest.bytes_total < 1_000_000, "{} bytes for all others", rest.bytes_total);
    assert!(rest.bytes_current < 0, "the memory for it is not given back");
}

#[test]
fn memory_for_what_is_large_is_used_again_and_given_back_when_it_is_quiet() {
    let mut world = connected();
    world.submit_write(1, &large());
    let read = |world: &mut World| {
        world.submit_read(2);
        world.run();
        assert!(world.read.pop().is_some_and(|(_, data)| data == large()));
    };
    (0..3).for_each(|_| read(&mut world));

    let more = measure(|| (0..10).for_each(|_| read(&mut world)));
    let quiet = measure(|| {
        for _ in 0..4 {
            world.now = world.machine.poll_timeout().expect("a heartbeat is due");
            world.run();
        }
    });

    assert!(more.bytes_current.abs() < 10_000, "ten more leave {} bytes", more.bytes_current);
    // That of the last one, and that of the one which might have come.
    assert!(quiet.bytes_current <= -2 * 900_000, "{} bytes are given back", -quiet.bytes_current);
}

#[test]
fn small_requests_leave_together() {
    let mut world = connected();
    (0..100).for_each(|number| world.submit_read(number));

    let link = world.link();
    let transmits = std::iter::from_fn(|| world.machine.poll_transmit(link, world.now)).count();

    assert_eq!(transmits, 1);
}

#[test]
fn keys_are_changed_amid_a_large_request() {
    let mut world = connected();
    world.transmits_a_turn = 1;
    world.submit_write(1, &large());
    for _ in 0..5 {
        world.change_keys();
        world.turn();
        world.turn();
    }
    assert!(world.longest_transmit < 68 << 10, "{} bytes at once", world.longest_transmit);
    world.submit_read(2);
    world.run();

    assert_eq!(world.server_complaint, None);
    assert_eq!(world.read, [(2, large())], "{:?}", world.failure);
}

#[test]
fn what_was_half_handed_out_is_lost_with_its_link() {
    let mut world = connected();
    world.submit_write(1, &large());
    world.machine.poll_transmit(world.link(), world.now).expect("the first bite");
    world.submit_read(2);
    world.machine.handle_disconnected(world.link(), world.now);
    world.now = world.machine.poll_timeout().expect("it dials again");
    world.run();

    // Nothing of the first link is said on the second one.
    assert_eq!(world.server_complaint, None);
    assert!(matches!(world.failed[..], [(1, RequestError::Lost)]), "{:?}", world.failed);
    assert!(matches!(&world.read[..], [(2, data)] if *data != large()), "{:?}", world.read);
}

#[test]
fn a_length_that_is_merely_claimed_reserves_little() {
    let mut world = connected();
    let claim = [&(3_u32 << 20).to_be_bytes()[..], &[0; 10]].concat();

    let claimed = measure(|| {
        world.say(&claim);
        world.run();
    });

    assert!(claimed.bytes_max < 200 << 10, "{} bytes for a claim", claimed.bytes_max);
}
