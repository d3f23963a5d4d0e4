//! Whatever a server answers to a four-letter word, it is read or it is not, and what was read is in the text.
//!
//! The first byte of the input chooses the word, the others are the answer.

use std::str;

use zk_proto::admin::{Answer, NoAnswer, Word};

/// Checks one input.
pub fn check(data: &[u8]) {
    let Some((&choice, received)) = data.split_first() else { return };
    let word = Word::ALL[usize::from(choice) % Word::ALL.len()];
    assert_eq!(word.as_str().parse(), Ok(word));

    let answer = match word.answer(received) {
        Ok(answer) => answer,
        Err(NoAnswer::NotText) => return assert!(str::from_utf8(received).is_err()),
        Err(NoAnswer::Silence) => return assert!(received.is_empty()),
        Err(refused) => return assert!(!refused.to_string().is_empty()),
    };
    let text = str::from_utf8(received).expect("an answer is text");
    assert_eq!(word.text(received), Ok(text));
    match answer {
        Answer::Text(found) => assert_eq!(found, text),
        Answer::Pairs(pairs) => {
            for (name, value) in pairs.iter() {
                assert!(text.contains(name) && text.contains(value), "{name:?} and {value:?} in {text:?}");
                assert!(pairs.get(name).is_some());
            }
        }
        Answer::PathsBySession(lists) => {
            assert!(lists.iter().flat_map(|(_, paths)| paths).all(|path| text.contains(path.as_str())), "{text:?}");
        }
        Answer::SessionsByPath(lists) => {
            assert!(lists.iter().all(|(path, _)| text.contains(path.as_str())), "{text:?}");
        }
        Answer::Status(status) => assert!(!format!("{status:?}").is_empty()),
        Answer::Connections(connections) => assert!(connections.len() <= text.lines().count()),
        Answer::WatchSummary(summary) => assert!(!format!("{summary:?}").is_empty()),
        Answer::ReadOnly(read_only) => assert!(text.contains(if read_only { "ro" } else { "rw" }), "{text:?}"),
        other => panic!("what is {other:?}?"),
    }
}
