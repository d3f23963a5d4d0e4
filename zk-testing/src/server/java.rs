//! What shows that the real server is written in Java: its strings, its splitting of them, its random numbers.

use std::borrow::Cow;

use bytes::Bytes;
use zk_proto::wire::Text;

/// Returns a string of the wire as the server reads it: what is not UTF-8 becomes U+FFFD, surrogates included.
pub(super) fn read(text: &Text) -> Cow<'_, str> {
    match std::str::from_utf8(text.as_wire()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(read_lossy(text.as_wire())),
    }
}

/// Reads bytes as the server reads them.
pub(super) fn read_lossy(mut raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len());
    loop {
        match std::str::from_utf8(raw) {
            Ok(rest) => {
                text.push_str(rest);
                return text;
            }
            Err(error) => {
                let (valid, rest) = raw.split_at(error.valid_up_to());
                text.push_str(std::str::from_utf8(valid).unwrap_or_default());
                text.push(char::REPLACEMENT_CHARACTER);
                // Java takes the three bytes of a lone surrogate as one mistake, where Rust sees three.
                let skipped = match *rest {
                    [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => 3,
                    _ => error.error_len().unwrap_or(rest.len()),
                };
                raw = &rest[skipped..];
            }
        }
    }
}

/// Returns a string as the server writes it: characters above U+FFFF as two surrogates of three bytes each.
pub(super) fn write(text: &str) -> Text {
    if text.chars().all(|character| character <= '\u{FFFF}') {
        return Text::from(text);
    }
    let mut raw = Vec::with_capacity(text.len() + text.len() / 2);
    for character in text.chars() {
        let mut units = [0; 2];
        match character.encode_utf16(&mut units) {
            [_] => raw.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            units => units.iter().for_each(|unit| raw.extend_from_slice(&surrogate(*unit))),
        }
    }
    Text::from_wire(Bytes::from(raw))
}

fn surrogate(unit: u16) -> [u8; 3] {
    let low_six = |bits: u16| 0x80 | u8::try_from(bits & 0x3F).unwrap_or_default();
    [0xED, low_six(unit >> 6), low_six(unit)]
}

/// Returns the parts between colons, without the empty ones at the end: `String.split`.
pub(super) fn split_colons(text: &str) -> impl Iterator<Item = &str> {
    let kept = text.trim_end_matches(':');
    // A text without any colon is one part, even an empty one.
    let is_nothing = kept.is_empty() && !text.is_empty();
    kept.split(':').skip(usize::from(is_nothing))
}

/// Returns a session's password: sixteen bytes of `java.util.Random`, seeded by the session's id.
pub(super) fn password(session: i64) -> [u8; 16] {
    const SECRET: u64 = 0xB341_5C00;
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut state = (session as u64 ^ SECRET ^ MULTIPLIER) & MASK;
    let mut password = [0; 16];
    for word in password.chunks_exact_mut(4) {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(11) & MASK;
        word.copy_from_slice(&(state >> 16).to_le_bytes()[..4]);
    }
    password
}

/// Returns a point in time as `java.util.Date` prints it, in UTC: `Thu Jan 01 00:00:00 UTC 1970`.
pub(super) fn date(ms: i64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years begin in March here, which puts the odd day at the end of the last of 400 years, 100, 4 and 1.
    let from_march = days + 719_468;
    let (era, day) = (from_march.div_euclid(146_097), from_march.rem_euclid(146_097));
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year_of_era + i64::from(month >= 10);
    let name =
        |names: &[&'static str], index: i64| usize::try_from(index).ok().and_then(|index| names.get(index).copied());
    let weekday = name(&WEEKDAYS, days.rem_euclid(7)).unwrap_or_default();
    let month = name(&MONTHS, month).unwrap_or_default();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday} {month} {day_of_month:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_as_java_prints_them() {
        let table = [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (-1, "Wed Dec 31 23:59:59 UTC 1969"),
            (951_782_400_000, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_709_251_199_999, "Thu Feb 29 23:59:59 UTC 2024"),
            (1_798_761_599_000, "Thu Dec 31 23:59:59 UTC 2026"),
        ];
        for (ms, expected) in table {
            assert_eq!(date(ms), expected, "{ms}");
        }
    }

    #[test]
    fn passwords_are_those_of_real_servers() {
        let seen = [
            (0x0100_0010_6D82_0037, "b7cc771ac8ae0c853eba87998f0a21d6"),
            (0x0100_0010_6D82_0038, "16725a1ae82869dd08098c72b1b687d7"),
        ];
        for (session, expected) in seen {
            let hex: String = password(session).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "0x{session:x}");
        }
    }

    #[test]
    fn characters_beyond_the_first_plane_are_written_as_surrogates() {
        assert_eq!(&write("/😀").as_wire()[..], b"/\xED\xA0\xBD\xED\xB8\x80");
        assert_eq!(&write("/é").as_wire()[..], "/é".as_bytes());
    }

    #[test]
    fn what_is_no_text_reads_as_java_reads_it() {
        let table: [(&[u8], &str); 4] = [
            (b"a\xFFb", "a\u{FFFD}b"),
            (b"\xED\xA0\xBD\xED\xB8\x80", "\u{FFFD}\u{FFFD}"),
            (b"\xF0\x9F", "\u{FFFD}"),
            ("é".as_bytes(), "é"),
        ];
        for (raw, expected) in table {
            assert_eq!(read_lossy(raw), expected, "{raw:x?}");
        }
    }

    #[test]
    fn splitting_drops_empty_parts_at_the_end_alone() {
        let table: [(&str, &[&str]); 7] = [
            ("", &[""]),
            (":", &[]),
            ("a", &["a"]),
            ("a:", &["a"]),
            (":b", &["", "b"]),
            ("a:b::", &["a", "b"]),
            ("a::b", &["a", "", "b"]),
        ];
        for (text, parts) in table {
            assert_eq!(split_colons(text).collect::<Vec<_>>(), parts, "{text:?}");
        }
    }
}
