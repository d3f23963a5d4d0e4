//! What holds for every record, tried on all that were captured and on what comes of changing them.

use std::{fmt::Debug, panic};

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use zk_proto::{
    code::{AddWatchMode, CreateMode, ErrorCode, EventType, KeeperState, OpCode, WatcherType},
    record::{
        Acl, AddWatchRequest, CheckWatchesRequest, ConnectRequest, ConnectResponse, CreateRequest, ExistsRequest,
        GetChildrenResponse, MultiHeader, MultiResponse, RECORDS, RecordType, ReplyHeader, RequestHeader, SetWatches2,
        Value, WatcherEvent,
    },
    wire::{DecodeError, DecodeErrorKind, Decoder, Encoder, Jute, Text, reserve_frame, split_frame},
};

mod samples;

use samples::{Sample, encode, frames, samples};

#[test]
fn every_record_was_captured() {
    let samples = samples();
    for record in RECORDS {
        assert!(samples.iter().any(|sample| sample.record.name == record.name), "no sample of {}", record.name);
    }
}

#[test]
fn every_record_survives_any_value_in_any_field() {
    let mut tried = 0;
    for sample in samples() {
        for leaf in leaves(&sample) {
            for value in replacements(at(&sample.value, &leaf)) {
                let mut changed = sample.value.clone();
                *at_mut(&mut changed, &leaf) = value;
                if fits(&sample, &changed, &leaf) {
                    assert_survives(sample.record, &changed);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 10_000, "{tried} values");
}

#[test]
fn every_record_survives_any_values_in_all_fields() {
    let mut dice = Dice(1);
    for sample in samples() {
        let leaves = leaves(&sample);
        for _ in 0..20 {
            let mut changed = sample.value.clone();
            for leaf in &leaves {
                let before = changed.clone();
                // An outer vector may have gone or become shorter by now.
                let Some(value) = find_mut(&mut changed, leaf) else { continue };
                *value = dice.choose(replacements(value));
                if !fits(&sample, &changed, leaf) {
                    changed = before;
                }
            }
            assert_survives(sample.record, &changed);
        }
    }
}

#[test]
fn every_truncation_is_an_error_that_says_where() {
    for sample in samples() {
        for len in 0..sample.bytes.len() {
            match decode(sample.record, &sample.bytes.slice(..len)) {
                Err(error) => {
                    assert!(error.at <= len, "{sample:?} cut at {len}: {error}");
                    assert_ne!(error.record, "", "{sample:?} cut at {len}: {error}");
                }
                // The one field that may be absent.
                Ok(value) => {
                    assert!(value.get("readOnly").is_none() && sample.value.get("readOnly").is_some());
                    assert_eq!(len, sample.bytes.len() - 1);
                }
            }
        }
    }
}

#[test]
fn no_changed_byte_panics_or_allocates_more_than_the_frame_could_hold() {
    for sample in samples() {
        let mut bytes = sample.bytes.to_vec();
        for at in 0..bytes.len() {
            let original = bytes[at];
            for change in 1..=u8::MAX {
                bytes[at] = original ^ change;
                assert_total(&sample, &Bytes::copy_from_slice(&bytes));
            }
            bytes[at] = original;
        }
    }
}

#[test]
fn no_length_anywhere_allocates_what_it_claims() {
    for sample in samples() {
        for at in 0..sample.bytes.len().saturating_sub(3) {
            for claim in [i32::MAX, 0x00FF_FFFF, 0x0001_0000, i32::MIN, -2, -1] {
                let mut bytes = sample.bytes.to_vec();
                bytes[at..at + 4].copy_from_slice(&claim.to_be_bytes());
                assert_total(&sample, &Bytes::from(bytes));
            }
        }
    }
}

#[test]
fn a_count_beyond_the_frame_fails_before_anything_is_allocated() {
    for rest in [0, 3, 400] {
        let bytes = Bytes::from([&i32::MAX.to_be_bytes()[..], &vec![0; rest]].concat());
        let possible =
            |min_bytes| DecodeErrorKind::CountBeyondFrame { claimed: 0x7FFF_FFFF, possible: rest / min_bytes };

        assert_eq!(kind_without_allocation::<Option<Vec<Acl>>>(&bytes), possible(12));
        assert_eq!(kind_without_allocation::<Option<Vec<Option<Text>>>>(&bytes), possible(4));
        assert_eq!(kind_without_allocation::<GetChildrenResponse>(&bytes), possible(4));
        assert!(matches!(kind_without_allocation::<Option<Text>>(&bytes), DecodeErrorKind::Truncated { .. }));
        assert!(matches!(kind_without_allocation::<Option<Bytes>>(&bytes), DecodeErrorKind::Truncated { .. }));
    }
}

#[test]
fn a_count_that_the_frame_could_hold_costs_no_more_than_a_multiple_of_it() {
    const LEN: usize = 1 << 20;
    let bytes = |prefix: &[u8], count: usize, item: &[u8]| {
        let count = i32::try_from(count).unwrap().to_be_bytes();
        Bytes::from([prefix, &count, &item.repeat(LEN / item.len())].concat())
    };
    let nulls = bytes(&[], LEN / 4, &[0xFF; 4]);
    let acl = bytes(&[0xFF; 8], LEN / 12, &[0xFF; 12]);
    let results = Bytes::from([0, 0, 0, 2, 0, 0, 0, 0, 0].repeat(LEN / 9));

    for (name, peak) in [
        ("GetChildrenResponse", peak::<GetChildrenResponse>(&nulls)),
        ("CreateRequest", peak::<CreateRequest>(&acl)),
        ("MultiResponse", peak::<MultiResponse>(&results)),
    ] {
        assert!(peak < 64 * LEN as u64, "{name}: {} times the frame", peak / LEN as u64);
    }
}

#[test]
fn a_length_below_minus_one_is_malformed() {
    for length in [-2, i32::MIN] {
        let bytes = Bytes::from([&length.to_be_bytes()[..], &[0; 100]].concat());
        let negative = DecodeErrorKind::NegativeLength(length);

        assert_eq!(kind_without_allocation::<Option<Text>>(&bytes), negative);
        assert_eq!(kind_without_allocation::<Option<Bytes>>(&bytes), negative);
        assert_eq!(kind_without_allocation::<Option<Vec<Acl>>>(&bytes), negative);
    }
}

#[test]
fn null_and_empty_stay_apart() {
    let create = CreateRequest { path: None, data: None, acl: None, mode: CreateMode::Persistent };
    assert_eq!(to_bytes(&create), [&[0xFF; 12][..], &[0; 4]].concat());
    assert_eq!(from_bytes::<CreateRequest>(&to_bytes(&create)), create);

    let empty =
        CreateRequest { path: Some("".into()), data: Some(Bytes::new()), acl: Some(Vec::new()), ..create.clone() };
    assert_eq!(to_bytes(&empty), [0; 16][..]);
    assert_eq!(from_bytes::<CreateRequest>(&to_bytes(&empty)), empty);
    assert_ne!(empty, create);
}

#[test]
fn a_code_without_a_name_survives() {
    for code in [-999, 77, i32::MIN, i32::MAX] {
        assert_keeps(&RequestHeader { xid: 1, op: OpCode::Unknown(code) });
        assert_keeps(&ReplyHeader { err: ErrorCode::Unknown(code), ..ReplyHeader::default() });
        assert_keeps(&CreateRequest { mode: CreateMode::Unknown(code), ..CreateRequest::default() });
        assert_keeps(&AddWatchRequest { path: None, mode: AddWatchMode::Unknown(code) });
        assert_keeps(&CheckWatchesRequest { path: None, watcher_type: WatcherType::Unknown(code) });
        assert_keeps(&WatcherEvent {
            event_type: EventType::Unknown(code),
            state: KeeperState::Unknown(code),
            path: None,
        });
        assert_keeps(&MultiHeader { op: OpCode::Unknown(code), done: true, err: ErrorCode::Unknown(code) });
    }
}

#[test]
fn a_boolean_is_true_unless_it_is_0() {
    for (byte, watch) in [(0, false), (1, true), (2, true), (0x80, true), (0xFF, true)] {
        let request = from_bytes::<ExistsRequest>(&Bytes::from([&[0xFF; 4][..], &[byte]].concat()));
        assert_eq!(request, ExistsRequest { path: None, watch });
        assert_eq!(to_bytes(&request)[4], u8::from(watch));
    }
}

#[test]
fn what_follows_a_record_is_left_alone() {
    for sample in samples() {
        let may_grow = sample.record.name.starts_with("Connect") && sample.value.get("readOnly").is_none();
        if may_grow {
            continue;
        }
        let mut input = Decoder::new(Bytes::from([&sample.bytes[..], b"\xFF\xFE\xFD"].concat()));
        assert_eq!(sample.record.decode(&mut input).as_ref(), Ok(&sample.value), "{}", sample.vector);
        assert_eq!(input.remaining(), 3, "{}", sample.vector);
    }
}

#[test]
fn a_greeting_has_the_read_only_byte_or_does_not() {
    let response = |read_only| ConnectResponse {
        timeout_ms: 6000,
        passwd: Bytes::from_static(&[7; 16]).into(),
        read_only,
        ..ConnectResponse::default()
    };
    for (read_only, len) in [(None, 36), (Some(false), 37), (Some(true), 37)] {
        assert_eq!(to_bytes(&response(read_only)).len(), len);
        assert_keeps(&response(read_only));
        assert_keeps(&ConnectRequest { read_only, ..ConnectRequest::default() });
    }
}

#[test]
fn strings_of_any_bytes_survive() {
    for raw in [&b""[..], b"\0", b"/\xED\xA0\xBD\xED\xB8\x80", b"\xED\xA0\xBD", b"\xFF\xC0\x80", "/😀中é".as_bytes()]
    {
        let path = Some(Text::from_wire(Bytes::copy_from_slice(raw)));
        let paths = Some(vec![path.clone(), None, path]);
        let request = SetWatches2 { persistent_watches: paths.clone(), child_watches: paths, ..SetWatches2::default() };
        assert_keeps(&request);
        let path = from_bytes::<SetWatches2>(&to_bytes(&request)).child_watches.unwrap()[2].clone().unwrap();
        assert_eq!(path.as_wire(), raw);
    }
}

#[test]
fn frames_come_out_whole_whatever_the_pieces() {
    let frames: Vec<Bytes> = frames().into_iter().map(|(_, frame, _)| frame).collect();
    let longest = frames.iter().map(Bytes::len).max().unwrap();
    let stream: Vec<u8> = frames.iter().flat_map(|frame| [&len_field(frame)[..], frame].concat()).collect();

    for piece in [1, 2, 3, 5, 7, 16, 1000, stream.len()] {
        let (mut input, mut found) = (BytesMut::new(), Vec::new());
        for bytes in stream.chunks(piece) {
            input.extend_from_slice(bytes);
            while let Some(frame) = split_frame(&mut input, longest).unwrap() {
                found.push(frame);
            }
            reserve_frame(&mut input, longest).unwrap();
        }
        assert!(input.is_empty() && found == frames, "in pieces of {piece}");
    }
}

fn len_field(frame: &Bytes) -> [u8; 4] {
    i32::try_from(frame.len()).expect("a short frame").to_be_bytes()
}

/// Asserts that a value encodes, and that its bytes give it back.
fn assert_survives(record: &RecordType, value: &Value) {
    let bytes = encode(record, value);
    let mut input = Decoder::new(bytes.clone());
    let decoded = record.decode(&mut input).unwrap_or_else(|error| panic!("{}: {error} in {value:?}", record.name));
    assert_eq!(input.remaining(), 0, "{}", record.name);
    assert_eq!(&decoded, value, "{}", record.name);
    assert_eq!(encode(record, &decoded), bytes, "{}", record.name);
}

/// Asserts that bytes decode or do not, but neither panic nor allocate absurdly; what they decode to must survive.
fn assert_total(sample: &Sample, bytes: &Bytes) {
    let mut outcome = None;
    let peak = measure(|| {
        outcome = panic::catch_unwind(|| decode(sample.record, bytes)).ok();
    });
    let outcome = outcome.unwrap_or_else(|| panic!("{} panics on {bytes:x?}", sample.record.name));
    // Most of it is the tree: an entry of a multi is nine bytes, and several records and names in there.
    let limit = 128 * bytes.len() as u64 + 1024;
    assert!(peak.bytes_max < limit, "{}: {} bytes for {bytes:x?}", sample.record.name, peak.bytes_max);
    if let Ok(value) = outcome {
        assert_survives(sample.record, &value);
    }
}

/// Returns how much was allocated at most while a record was decoded, or was found not to be one.
fn peak<T: Jute>(bytes: &Bytes) -> u64 {
    measure(|| drop(Decoder::new(bytes.clone()).get::<T>())).bytes_max
}

fn kind_without_allocation<T: Jute + Debug>(bytes: &Bytes) -> DecodeErrorKind {
    let mut input = Decoder::new(bytes.clone());
    let mut outcome = None;
    let allocated = measure(|| outcome = Some(input.get::<T>()));
    assert_eq!(allocated.bytes_total, 0);
    outcome.expect("measured").expect_err("malformed").kind
}

fn assert_keeps<T: Jute + PartialEq + Debug>(record: &T) {
    assert_eq!(&from_bytes::<T>(&to_bytes(record)), record);
}

fn to_bytes<T: Jute>(record: &T) -> Bytes {
    let mut out = BytesMut::new();
    Encoder::new(&mut out).put(record);
    out.freeze()
}

fn from_bytes<T: Jute>(bytes: &Bytes) -> T {
    let mut input = Decoder::new(bytes.clone());
    let record = input.get().unwrap_or_else(|error| panic!("{error} in {bytes:x?}"));
    assert_eq!(input.remaining(), 0);
    record
}

fn decode(record: &RecordType, bytes: &Bytes) -> Result<Value, DecodeError> {
    record.decode(&mut Decoder::new(bytes.clone()))
}

/// A field or an item: the index in each record or vector on the way to it.
type Place = Vec<usize>;

/// Returns every place that can be changed on its own, outer ones first. The headers inside of a multi cannot: they say what
/// the entry is and where the list ends.
fn leaves(sample: &Sample) -> Vec<Place> {
    fn walk(value: &Value, place: &mut Place, found: &mut Vec<Place>) {
        let is_entry = matches!(value, Value::Record(fields) if fields[0].0 == "header");
        if !matches!(value, Value::Record(_)) {
            found.push(place.clone());
        }
        for index in usize::from(is_entry)..child_count(value) {
            let is_name_of_record = is_entry && index == 1;
            if !is_name_of_record {
                place.push(index);
                walk(child(value, index), place, found);
                place.pop();
            }
        }
    }
    let mut found = Vec::new();
    walk(&sample.value, &mut Vec::new(), &mut found);
    found.retain(|place| !(sample.record.name.starts_with("Multi") && place.len() <= 1));
    found
}

/// Returns values to try in the place of another, which is among them where nothing else fits.
fn replacements(value: &Value) -> Vec<Value> {
    let long = "x".repeat(70_000);
    let raw: [&[u8]; 7] =
        [b"", b"/", b"\0", b"/\xED\xA0\xBD\xED\xB8\x80", b"\xED\xA0\xBD", b"\xFF\xFE", long.as_bytes()];
    match value {
        Value::Null => vec![Value::Null],
        Value::Boolean(boolean) => vec![Value::Boolean(!boolean), Value::Boolean(*boolean)],
        Value::Number(_) => {
            let numbers = [0, 1, -1, i32::MAX.into(), i32::MIN.into(), i64::MAX, i64::MIN, 1 << 40, 0x0102_0304];
            numbers.map(Value::Number).to_vec()
        }
        Value::Text(_) => {
            let texts = raw.map(|raw| Value::Text(Text::from_wire(Bytes::copy_from_slice(raw))));
            [&texts[..], &[Value::Null]].concat()
        }
        Value::Buffer(_) => {
            let buffers = raw.map(|raw| Value::Buffer(Bytes::copy_from_slice(raw)));
            [&buffers[..], &[Value::Null]].concat()
        }
        Value::Vector(items) => {
            let times = |count: usize| Value::Vector(items.iter().cycle().take(items.len() * count).cloned().collect());
            vec![Value::Null, times(0), times(2), times(300)]
        }
        Value::Record(_) => vec![value.clone()],
    }
}

/// Returns whether a changed value still is such a record: a number may be too large for its place, and nothing else wrong.
fn fits(sample: &Sample, changed: &Value, leaf: &Place) -> bool {
    match sample.record.encode(changed, &mut Encoder::new(&mut BytesMut::new())) {
        Ok(()) => true,
        Err(error) => {
            let value = at(changed, leaf);
            let is_long = matches!(value, Value::Number(number) if i32::try_from(*number).is_err());
            assert!(
                is_long && error.expected == "a number of 32 bits",
                "{}: {error} for {value:?}",
                sample.record.name
            );
            false
        }
    }
}

fn child_count(value: &Value) -> usize {
    match value {
        Value::Vector(items) => items.len(),
        Value::Record(fields) => fields.len(),
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::Text(_) | Value::Buffer(_) => 0,
    }
}

fn child(value: &Value, index: usize) -> &Value {
    match value {
        Value::Vector(items) => &items[index],
        Value::Record(fields) => &fields[index].1,
        _ => panic!("{value:?} has no items"),
    }
}

fn at<'a>(value: &'a Value, place: &[usize]) -> &'a Value {
    place.iter().fold(value, |value, &index| child(value, index))
}

fn find_mut<'a>(value: &'a mut Value, place: &[usize]) -> Option<&'a mut Value> {
    place.iter().try_fold(value, |value, &index| match value {
        Value::Vector(items) => items.get_mut(index),
        Value::Record(fields) => fields.get_mut(index).map(|(_, value)| value),
        _ => None,
    })
}

fn at_mut<'a>(value: &'a mut Value, place: &[usize]) -> &'a mut Value {
    find_mut(value, place).expect("a place in this value")
}

/// SplitMix64: enough to choose by, and the same in every run.
struct Dice(u64);

impl Dice {
    fn choose<T>(&mut self, mut options: Vec<T>) -> T {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let count = u64::try_from(options.len()).expect("a length");
        options.swap_remove(usize::try_from((mixed ^ (mixed >> 31)) % count).expect("less than a length"))
    }
}
