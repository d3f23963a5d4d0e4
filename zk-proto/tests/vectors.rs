//! The vectors hold, and the checker that says so can also say no.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};

#[path = "../examples/vectors/check/mod.rs"]
mod check;

use check::{Outcome, check_folder, check_text};

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors");

#[test]
fn every_vector_holds() {
    let report = check_folder(Path::new(VECTORS));

    assert_eq!(report.failed, []);
    assert_eq!(report.others, [] as [PathBuf; 0]);
    assert_eq!(report.passed, frames().len() + json_files("transcripts").len());
    assert!(frames().len() > 250, "{} frames", frames().len());
    assert!(json_files("transcripts").len() > 5);
}

#[test]
fn every_flipped_byte_of_every_vector_is_found() {
    for (path, vector) in frames() {
        let digits = text(&vector["hex"]);
        for at in (0..digits.len()).step_by(2) {
            let byte = u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            let mut flipped = vector.clone();
            flipped["hex"] = format!("{}{:02x}{}", &digits[..at], !byte, &digits[at + 2..]).into();
            assert!(failure(&flipped).is_some(), "{}: byte {} may be {:02x}", path.display(), at / 2, !byte);
        }
    }
}

#[test]
fn every_wrong_field_of_every_vector_is_named() {
    for (path, vector) in frames() {
        for field in leaves(&vector) {
            let mut wrong = vector.clone();
            let value = wrong.pointer_mut(&field).unwrap();
            *value = another(value);
            assert_named(&path, &wrong, &field);
        }
    }
}

#[test]
fn every_missing_field_of_every_vector_is_named() {
    for (path, vector) in frames() {
        for (object, key) in members(&vector) {
            let mut shorter = vector.clone();
            shorter.pointer_mut(&object).unwrap().as_object_mut().unwrap().remove(&key);
            assert_named(&path, &shorter, &format!("{object}/{key}"));
        }
    }
}

#[test]
fn every_extra_field_of_every_vector_is_named() {
    for (path, vector) in frames() {
        for object in objects(&vector) {
            let mut longer = vector.clone();
            longer.pointer_mut(&object).unwrap()["unheardOf"] = 1.into();
            assert_named(&path, &longer, &format!("{object}/unheardOf"));
        }
    }
}

#[test]
fn an_item_too_many_or_too_few_is_named() {
    let vector = frame("create_with_two_acls_request");
    let acl = "/fields/body/acl";

    let mut longer = vector.clone();
    let items = longer.pointer_mut(acl).unwrap().as_array_mut().unwrap();
    items.push(items[0].clone());
    assert_eq!(failure(&longer).unwrap(), "body.acl: expected 3 items, found 2");

    let mut shorter = vector;
    shorter.pointer_mut(acl).unwrap().as_array_mut().unwrap().pop();
    assert_eq!(failure(&shorter).unwrap(), "body.acl: expected 1 items, found 2");
}

#[test]
fn a_wrong_length_is_named() {
    let mut vector = frame("ping_request");
    vector["hex"] = "00000009fffffffe0000000b".into();
    assert_eq!(failure(&vector).unwrap(), "hex: the length says 9, 8 bytes follow");
    vector["hex"] = "00000007fffffffe0000000b".into();
    assert_eq!(failure(&vector).unwrap(), "hex: the length says 7, 8 bytes follow");
    vector["hex"] = "fffffffffffffffe0000000b".into();
    assert_eq!(failure(&vector).unwrap(), "hex: frame of negative length -1");

    let mut vector = frame("ping_request");
    vector["fields"]["len"] = 9.into();
    assert_eq!(failure(&vector).unwrap(), "len: expected 9, found 8");
}

#[test]
fn bytes_left_over_must_be_described() {
    let mut vector = frame("ping_request");
    vector["hex"] = "0000000afffffffe0000000b0102".into();
    vector["fields"]["len"] = 10.into();
    assert_eq!(failure(&vector).unwrap(), "2 bytes are left over: 0102");
    vector["fields"]["rest"] = "0102".into();
    assert_eq!(failure(&vector), None);
    vector["fields"]["rest"] = "0103".into();
    assert!(failure(&vector).unwrap().contains("rest: expected \"0103\""));
}

#[test]
fn a_greeting_goes_by_the_name_of_its_form() {
    for (name, other) in [
        ("connect_new_request", "ConnectRequestPre34"),
        ("connect_new_response", "ConnectResponsePre34"),
        ("connect_without_readonly_flag_request", "ConnectRequest"),
        ("connect_without_readonly_flag_response", "ConnectResponse"),
    ] {
        let mut vector = frame(name);
        vector["record"] = other.into();
        assert!(failure(&vector).unwrap().contains(&format!("readOnly is no {other}")));
    }
}

#[test]
fn null_and_empty_are_not_the_same() {
    for (name, pointer, other) in [
        ("create_null_data_request", "/fields/body/data", json!("")),
        ("create_empty_path_request", "/fields/body/path", json!(null)),
        ("create_empty_path_request", "/fields/body/data", json!(null)),
        ("create_empty_acl_request", "/fields/body/acl", json!(null)),
    ] {
        let mut vector = frame(name);
        *vector.pointer_mut(pointer).unwrap() = other;
        assert_named(Path::new(name), &vector, pointer);
    }
}

#[test]
fn what_is_malformed_is_a_failure() {
    let failure = |text: &[u8]| match check_text(text) {
        Outcome::Failed(failure) => failure,
        outcome => panic!("{outcome:?} for {}", text.escape_ascii()),
    };
    let vector = |change: &dyn Fn(&mut Json)| {
        let mut vector = frame("get_data_request");
        change(&mut vector);
        failure(vector.to_string().as_bytes())
    };

    assert!(failure(b"").starts_with("not JSON"));
    assert!(failure(b"{\"hex\": \"00").starts_with("not JSON"));
    assert!(failure(b"\"\\").starts_with("not JSON"));
    assert!(failure("\"\\ü".as_bytes()).starts_with("not JSON"));
    assert!(failure("[".repeat(100_000).as_bytes()).starts_with("not JSON"));
    assert!(failure(b"\xFF").starts_with("not UTF-8"));
    assert_eq!(vector(&|json| json["hex"] = "00000000f".into()), r#"hex: expected hex digits, found "00000000f""#);
    assert_eq!(vector(&|json| json["hex"] = "+0".into()), r#"hex: expected hex digits, found "+0""#);
    assert_eq!(vector(&|json| json["hex"] = 5.into()), "hex: expected hex digits, found 5");
    assert_eq!(vector(&|json| json["hex"] = "".into()), "hex: 0 bytes, not even a length");
    assert_eq!(vector(&|json| json["record"] = "Nothing".into()), r#"record: there is no record named "Nothing""#);
    assert_eq!(vector(&|json| json["record"] = Json::Null), "record: expected a string, found null");
    assert_eq!(vector(&|json| json["fields"] = 1.into()), "fields: expected an object, found 1");
    for key in ["hex", "record", "fields"] {
        let line = vector(&|json| drop(json.as_object_mut().and_then(|vector| vector.remove(key))));
        assert_eq!(line, format!("{key}: missing"));
    }
    let does_not_decode = vector(&|json| json["hex"] = "000000080000000100000004".into());
    assert!(does_not_decode.contains("GetDataRequest.path"), "{does_not_decode}");
}

#[test]
fn what_is_no_vector_is_left_alone() {
    for text in ["{}", "[]", "null", r#"{"records": {}, "opcodes": {}}"#, r#"[{"hex": "00"}]"#] {
        assert_eq!(check_text(text.as_bytes()), Outcome::Other, "{text}");
    }
}

#[test]
fn strings_may_be_of_any_bytes_and_in_any_notation() {
    let holds = |hex: &str, text: &str| {
        let len = hex.len() / 2;
        let vector = format!(
            r#"{{"record": "SyncResponse", "hex": "{:08x}{len:08X}{hex}",
                "fields": {{"len": {}, "body": {{"path": {text}}}}}}}"#,
            len + 4,
            len + 4
        );
        check_text(vector.as_bytes()) == Outcome::Passed
    };

    assert!(holds("2f", r#""\/""#) && holds("2F", r#""\u002f""#) && !holds("2f", r#""\\/""#));
    assert!(holds("5c7564383364", r#""\\ud83d""#), "an escaped backslash begins no escape");
    for readable in ["f09f9880", "eda0bdedb880"] {
        assert!(holds(readable, "\"😀\"") && holds(readable, r#""\ud83d\uDE00""#));
        assert!(!holds(readable, "\"😁\"") && !holds(readable, r#""""#));
    }
    assert!(!holds("f09f9880", r#""\ufffd""#), "UTF-8 has one reading only");
    // Half a pair, as read with and without regard for surrogates.
    for reading in [r#""a\ufffd/""#, r#""a\ufffd\ufffd\ufffd/""#, r#""a\ud83d/""#, r#""a\udced\udca0\udcbd/""#] {
        assert!(holds("61eda0bd2f", reading), "{reading}");
    }
    assert!(!holds("61eda0bd2f", r#""a/""#) && !holds("61eda0bd2f", r#""b\ufffd/""#));
}

#[test]
fn a_transcript_must_be_a_conversation() {
    let transcript = |name: &str| read(&Path::new(VECTORS).join("transcripts").join(name)).1;
    let pipelined = transcript("pipelined_requests.json");
    let changed = |change: &dyn Fn(&mut Vec<Json>)| {
        let mut transcript = pipelined.clone();
        change(transcript["frames"].as_array_mut().unwrap());
        failure(&transcript).unwrap_or_default()
    };

    assert_eq!(changed(&|_| ()), "");
    assert_eq!(changed(&|frames| frames.clear()), "frames: none");
    assert!(changed(&|frames| frames[3] = Json::Null).contains("frames[3]: expected an object"));
    assert!(changed(&|frames| frames[3]["hex"] = "00".into()).contains("frames[3]: hex"));
    assert!(changed(&|frames| frames[3]["direction"] = "up".into()).contains("frames[3]: direction"));
    assert!(changed(&|frames| drop(frames.remove(0))).contains("frames[0]"));
    assert!(changed(&|frames| drop(frames.remove(2))).contains("which nothing waits for"));
    assert!(changed(&|frames| frames.swap(7, 8)).contains("before the reply to xid"));
    let cut = |frames: &mut Vec<Json>| {
        let hex = text(&frames[8]["hex"]);
        frames[8]["hex"] = format!("{:08x}{}", hex.len() / 2 - 5, &hex[8..hex.len() - 2]).into();
    };
    assert!(changed(&cut).contains("frames[8]: "), "{}", changed(&cut));
    let padded = |frames: &mut Vec<Json>| {
        let hex = text(&frames[8]["hex"]);
        frames[8]["hex"] = format!("{:08x}{}00", hex.len() / 2 - 3, &hex[8..]).into();
    };
    assert!(changed(&padded).contains("frames[8]: 1 bytes are left over"), "{}", changed(&padded));
}

#[test]
fn a_request_that_the_server_could_not_read_either_is_no_failure() {
    let conversation = |error: &str| {
        let client = |hex: &str| json!({"direction": "client_to_server", "hex": hex});
        let server = |hex: &str| json!({"direction": "server_to_client", "hex": hex});
        failure(&json!({"frames": [
            client(text(&frame("connect_new_request")["hex"])),
            server(text(&frame("connect_new_response")["hex"])),
            client("00000009000000010000000400"),
            server(&format!("00000010000000010000000000000005{error}")),
            {"direction": "server_closes"},
            client(text(&frame("connect_read_only_server_without_local_sessions_request")["hex"])),
            server(text(&frame("connect_read_only_server_without_local_sessions_response")["hex"])),
        ]}))
    };

    assert_eq!(conversation("fffffffb"), None);
    assert!(conversation("ffffff9b").unwrap().contains("GetDataRequest"));
}

#[test]
fn a_folder_is_searched_to_its_ends_and_failures_name_the_file() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors-folder");
    let deep = folder.join("a/b");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&deep).unwrap();
    assert_eq!(check_folder(&folder).passed, 0);

    let mut wrong = frame("ping_request");
    fs::write(deep.join("right.json"), wrong.to_string()).unwrap();
    wrong["fields"]["header"]["xid"] = 7.into();
    fs::write(deep.join("wrong.JSON"), wrong.to_string()).unwrap();
    fs::write(folder.join("schema.json"), "{}").unwrap();
    fs::write(folder.join("broken.json"), "{").unwrap();
    fs::write(folder.join("broken.txt"), "{").unwrap();
    let report = check_folder(&folder);

    assert_eq!(report.passed, 1);
    assert_eq!(report.others, [folder.join("schema.json")]);
    let failed: Vec<_> = report.failed.iter().map(|(path, failure)| (path.as_path(), failure.as_str())).collect();
    assert_eq!(failed[0], (deep.join("wrong.JSON").as_path(), "header.xid: expected 7, found -2"));
    assert_eq!(failed[1].0, folder.join("broken.json"));
    assert_eq!(failed.len(), 2);

    let nowhere = folder.join("nowhere");
    assert_eq!(check_folder(&nowhere).failed[0].0, nowhere);
}

/// Asserts that the vector fails, and that the line says where.
fn assert_named(path: &Path, vector: &Json, pointer: &str) {
    let failure = failure(vector).unwrap_or_else(|| panic!("{}: {pointer} may be anything", path.display()));
    let place = place(pointer);
    assert!(failure.contains(&format!("{place}: ")), "{}: no {place} in {failure}", path.display());
}

/// From `/fields/body/acl/0` to `body.acl[0]`.
fn place(pointer: &str) -> String {
    let steps = pointer.trim_start_matches("/fields").split('/').skip(1);
    let place = steps.map(|step| if step.parse::<usize>().is_ok() { format!("[{step}]") } else { format!(".{step}") });
    place.collect::<String>().trim_start_matches('.').to_owned()
}

/// Returns a value of the same kind that is not equal.
fn another(value: &Json) -> Json {
    match value {
        Json::Null => "00".into(),
        Json::Bool(boolean) => (!boolean).into(),
        Json::Number(number) => number.as_i64().map(|number| number.wrapping_add(1)).into(),
        Json::String(text) if text.is_empty() => Json::Null,
        Json::String(text) => format!("{text}00").into(),
        Json::Array(_) | Json::Object(_) => Json::Null,
    }
}

/// Returns pointers to every field that has no fields of its own.
fn leaves(vector: &Json) -> Vec<String> {
    let is_leaf = |pointer: &String| !matches!(vector.pointer(pointer), Some(Json::Object(_)));
    members(vector).into_iter().map(|(object, key)| format!("{object}/{key}")).filter(is_leaf).collect()
}

/// Returns a pointer to the object and the key for every field, of records inside of others too.
fn members(vector: &Json) -> Vec<(String, String)> {
    let keys = |pointer: String| {
        let object = vector.pointer(&pointer).and_then(Json::as_object).expect("a pointer to an object");
        object.keys().map(|key| (pointer.clone(), key.clone())).collect::<Vec<_>>()
    };
    objects(vector).into_iter().flat_map(keys).collect()
}

/// Returns pointers to every object in the fields, the fields included.
fn objects(vector: &Json) -> Vec<String> {
    fn walk(json: &Json, pointer: &str, found: &mut Vec<String>) {
        match json {
            Json::Object(object) => {
                found.push(pointer.to_owned());
                object.iter().for_each(|(key, json)| walk(json, &format!("{pointer}/{key}"), found));
            }
            Json::Array(items) => {
                items.iter().enumerate().for_each(|(index, json)| walk(json, &format!("{pointer}/{index}"), found));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    let mut found = Vec::new();
    walk(&vector["fields"], "/fields", &mut found);
    found
}

fn failure(vector: &Json) -> Option<String> {
    match check_text(vector.to_string().as_bytes()) {
        Outcome::Failed(failure) => Some(failure),
        Outcome::Passed => None,
        Outcome::Other => panic!("no vector: {vector}"),
    }
}

fn frames() -> Vec<(PathBuf, Json)> {
    json_files("").iter().map(|path| read(path)).collect()
}

fn frame(name: &str) -> Json {
    read(&Path::new(VECTORS).join(name).with_extension("json")).1
}

fn read(path: &Path) -> (PathBuf, Json) {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path.to_path_buf(), serde_json::from_slice(&text).expect("a vector is JSON"))
}

fn json_files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(VECTORS).join(folder)).expect("the folder of vectors is there");
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn text(json: &Json) -> &str {
    json.as_str().expect("a string")
}
