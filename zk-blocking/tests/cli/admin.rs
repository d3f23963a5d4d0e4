//! Four-letter words, and what the ensemble tells of itself.

use zk_testing::TestServer;

use crate::support::{Zk, in_memory, values};
use zk_testing::ensemble::shared;

/// Words of which a real server says the same each time.
fn on_both(test: impl Fn(&Zk)) {
    let (_server, zk) = in_memory();
    test(&zk);
    test(&Zk::on(shared().connect_string()));
}

#[test]
fn words_stand_for_themselves_or_behind_admin() {
    on_both(|zk| {
        assert_eq!(zk.ok("ruok"), "imok\n");
        assert_eq!(zk.ok("admin ruok"), "imok\n");
        assert_eq!(zk.ok("isro"), "rw\n");
        assert!(zk.ok("mntr").starts_with("zk_version\t"));
        zk.run("admin nope").fails(2, &["invalid value 'nope'", "srvr"]);
    });
}

#[test]
fn a_word_and_a_command_of_one_name_do_not_meet() {
    on_both(|zk| {
        assert!(zk.ok("admin stat").contains("Clients:\n"));
        assert!(zk.ok("stat /zookeeper").starts_with("czxid: "));
        zk.run("stat").fails(2, &["<PATH>"]);
        assert!(zk.run("stat --help").text().contains("zk admin stat"));
    });
}

#[test]
fn answers_in_json_have_types() {
    on_both(|zk| {
        let answer = |word: &str| zk.json(&format!("admin {word}")).remove(0)["answer"].take();

        let status = answer("srvr");
        assert_eq!((status["mode"].as_str(), status["readOnly"].as_bool()), (Some("standalone"), Some(false)));
        assert!(status["nodeCount"].as_i64().is_some_and(|count| count >= 5), "{status}");
        assert!(status["latency"]["avg"].is_number(), "{status}");
        assert!(status["zxid"].as_str().unwrap().starts_with("0x"));
        assert!(!answer("stat")["clients"].as_array().unwrap().is_empty());
        assert_eq!(answer("mntr")["zk_server_state"], "standalone");
        assert!(answer("mntr")["zk_znode_count"].as_i64().is_some_and(|count| count >= 5));
        assert!(answer("conf")["clientPort"].is_number());
        assert!(answer("envi")["zookeeper.version"].is_string());
        assert!(answer("dirs")["datadir_size"].is_number());
        assert!(answer("wchs")["watches"].is_number());
        assert!(answer("wchc").is_object() && answer("wchp").is_object() && answer("dump").is_object());
        assert_eq!(answer("isro")["readOnly"], false);
        assert_eq!(answer("ruok"), "imok");
    });
}

#[test]
fn connections_and_ephemeral_nodes_are_told_by_session() {
    on_both(|zk| {
        let mut holder = zk.start("create -e -p /cli-dump-test");
        assert_eq!(holder.line(), "/cli-dump-test");
        let owner = zk.json("stat /cli-dump-test")[0]["stat"]["ephemeralOwner"].as_str().unwrap().to_string();

        let dump = zk.json("dump").remove(0);
        let connections = zk.json("cons").remove(0);

        assert_eq!(dump["answer"][&owner], serde_json::json!(["/cli-dump-test"]));
        let mut sessions = connections["answer"].as_array().unwrap().iter().map(|connection| &connection["sid"]);
        assert!(sessions.any(|session| *session == owner.as_str()), "{connections}");
        drop(holder.stdin.take());
        holder.end();
    });
}

#[test]
fn every_server_of_the_list_is_asked_and_named() {
    let (one, two) = (TestServer::start().unwrap(), TestServer::start().unwrap());
    let (first, second) = (one.connect_string(), two.connect_string());
    let zk = Zk::on(format!("{first},{second}"));

    assert_eq!(zk.ok("ruok"), format!("{first}\timok\n{second}\timok\n"));
    let servers: Vec<_> = zk.json("ruok").iter().map(|line| line["server"].as_str().unwrap().to_string()).collect();
    assert_eq!(servers, [first.clone(), second.clone()]);

    drop(two);
    let outcome = zk.run("ruok");
    assert_eq!((outcome.code, outcome.text()), (Some(6), format!("{first}\timok\n").as_str()));
    assert!(outcome.stderr.contains(&second), "{outcome}");
    let outcome = zk.run("--json ruok");
    assert_eq!((outcome.code, values(&outcome.stderr)[0]["server"].as_str()), (Some(6), Some(second.as_str())));
}

#[test]
fn a_word_that_is_not_allowed_says_what_to_change() {
    let server = TestServer::builder().options(|options| options.four_letter_words = Some(vec!["srvr".into()]));
    let server = server.start().unwrap();
    let zk = Zk::on(server.connect_string());

    assert!(zk.ok("srvr").contains("Mode: standalone\n"));
    zk.run("mntr")
        .fails(1, &["mntr: the server's 4lw.commands.whitelist does not allow the word", &server.connect_string()]);
}

#[test]
fn the_configuration_is_that_of_the_ensemble_whatever_the_chroot() {
    on_both(|zk| {
        let text = zk.ok("config");
        let json = &zk.json("config")[0];
        assert_eq!(json["stat"]["dataLength"].as_u64(), Some(text.len() as u64));
        assert_eq!(json["config"].as_object().unwrap().len(), text.lines().filter(|line| line.contains('=')).count());
    });
}
