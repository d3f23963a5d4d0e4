//! The end of the exchange: which protection there will be from now on (RFC 4752, 3.1).
//!
//! The server offers a set of layers and the largest message that it takes; the client chooses one, and says who it wants to be.
//! ZooKeeper's protocol goes on in the clear whatever is chosen, so the only choice is none.

/// The bit of "no security layer".
const NONE: u8 = 1;

/// Returns the answer to the server's offer, or why there is none. No authorization id: we are who the ticket says.
pub(crate) fn choose(offer: &[u8]) -> Result<[u8; 4], &'static str> {
    let [layers, ..] =
        *<&[u8; 4]>::try_from(offer).map_err(|_| "the server's offer of security layers is malformed")?;
    if layers & NONE == 0 {
        return Err("the server insists on signing or encryption, which ZooKeeper's protocol has no place for");
    }
    // Without a layer the largest message is zero.
    Ok([NONE, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_layer_is_chosen_where_it_is_offered() {
        let table: [(&[u8], bool); 7] = [
            (&[1, 0, 0, 0], true),
            (&[7, 0, 255, 255], true),
            (&[1, 1, 0, 0], true),
            (&[6, 0, 255, 255], false),
            (&[0, 0, 0, 0], false),
            (&[1, 0, 0], false),
            (&[1, 0, 0, 0, 0], false),
        ];
        for (offer, is_taken) in table {
            assert_eq!(choose(offer).ok(), is_taken.then_some([1, 0, 0, 0]), "{offer:?}");
        }
    }
}
