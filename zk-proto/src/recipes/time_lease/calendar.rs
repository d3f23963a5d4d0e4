//! Points in time as kazoo writes them: `2026-11-22T19:00:00`, in UTC and to the second.

use std::time::{Duration, SystemTime};

const DAY: u64 = 86_400;

/// Days before 1970-03-01 of an era's first day, 0000-03-01, in the calendar that counts years from March, so that the leap day is
/// the last of its year.
const DAYS_TO_1970: u64 = 719_468;

const DAYS_OF_ERA: u64 = 146_097;

/// The last second that has four digits for its year.
const LAST: u64 = 253_402_300_799;

/// Returns the whole second that is so long after `now`, in the years that can be written.
pub(super) fn end(now: SystemTime, duration: Duration) -> SystemTime {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.saturating_add(duration).as_secs().min(LAST))
}

/// Writes a time, without the part of a second; times before 1970 as 1970.
pub(super) fn write(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3_600, seconds % 3_600 / 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Reads a time from 1970 to 9999.
pub(super) fn read(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let is_in_form = bytes.len() == 19
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
    if !is_in_form {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(days * DAY + hour * 3_600 + minute * 60 + second))
}

/// Returns the date of a day, counted from 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

/// Returns the day of a date, counted from 1970-01-01; `None` where there is no such date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year_from_march = year - u64::from(month <= 2);
    let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * DAYS_OF_ERA + day_of_era).checked_sub(DAYS_TO_1970)?;
    // The 30th of February is a day in March.
    (date(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn known_times_are_written_and_read() {
        let table = [
            (0, "1970-01-01T00:00:00"),
            (68_169_599, "1972-02-28T23:59:59"),
            (68_169_600, "1972-02-29T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_000_000_000, "2001-09-09T01:46:40"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ];
        for (seconds, text) in table {
            assert_eq!(write(at(seconds)), text);
            assert_eq!(read(text), Some(at(seconds)), "{text}");
        }
        assert_eq!(write(at(1) + Duration::from_millis(999)), "1970-01-01T00:00:01", "the part of a second is dropped");
        assert_eq!(write(SystemTime::UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00");
    }

    #[test]
    fn every_day_of_four_centuries_is_read_as_it_is_written() {
        for day in 0..DAYS_OF_ERA {
            let time = at(day * DAY + day % DAY);
            assert_eq!(read(&write(time)), Some(time));
        }
    }

    #[test]
    fn an_end_is_a_whole_second_that_can_be_written() {
        assert_eq!(end(at(5) + Duration::from_millis(900), Duration::from_millis(200)), at(6));
        assert_eq!(read(&write(end(at(5), Duration::MAX))), Some(at(LAST)));
        assert_eq!(end(SystemTime::UNIX_EPOCH - Duration::from_secs(9), Duration::from_secs(2)), at(2));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "1970-01-01",
            "1969-12-31T23:59:59",
            "2001-02-29T00:00:00",
            "2001-13-01T00:00:00",
            "2001-00-01T00:00:00",
            "2001-01-00T00:00:00",
            "2001-01-01T24:00:00",
            "2001-01-01T00:60:00",
            "2001-01-01T00:00:60",
            "2001-01-01 00:00:00",
            "2001-01-01T00:00:00.5",
            "+001-01-01T00:00:00",
            "２00-01-01T00:00:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
