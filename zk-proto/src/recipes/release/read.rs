//! Reading a release, all of it or nothing.

use super::{
    super::{janitor::child, together::all, value::Unreadable},
    Settings,
    layout::{self, Manifest, Standing},
};
use crate::{
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
};

/// How many settings are asked for at once.
const WINDOW: usize = 64;

/// Reads a release, or says why there is none to be read.
///
/// # Errors
///
/// The client's, and the server's but that a node is missing.
pub(super) async fn read(client: &Client, release: &str) -> Result<Result<Settings, Unreadable>, Error> {
    match read_whole(client, release).await {
        Err(Error::Server(ErrorCode::NoNode)) => {
            Ok(Err(Unreadable::new(format!("{release} is gone, or was never there"))))
        }
        result => result,
    }
}

async fn read_whole(client: &Client, release: &str) -> Result<Result<Settings, Unreadable>, Error> {
    let unreadable = |why: String| Ok(Err(Unreadable::new(format!("{release} {why}"))));
    let (data, _) = client.get_data(release).resend().await?;
    let manifest = match Standing::read(&data) {
        Some(Standing::Published(manifest)) => manifest,
        Some(Standing::Writing) => return unreadable("is not complete".into()),
        Some(Standing::Leaving) => return unreadable("is being deleted".into()),
        None => return unreadable("says nothing of what it contains".into()),
    };
    let (names, _) = client.get_children(release).resend().await?;
    let (names, mut settings) = (Vec::from_iter(&names), Settings::new());
    for names in names.chunks(WINDOW) {
        let paths: Vec<_> = names.iter().map(|name| child(release, name)).collect();
        let reads = paths.iter().map(|path| client.get_data(path).resend().into_future());
        for (name, read) in names.iter().zip(all(reads).await) {
            let Some(key) = layout::key(name) else {
                return unreadable(format!("contains {name:?}, which is no setting"));
            };
            if matches!(read, Err(Error::Server(ErrorCode::NoNode)))
                && broken!("releases: takes what it finds of a release for all of it")
            {
                continue;
            }
            settings.insert(key, read?.0);
        }
    }
    if Manifest::of(&settings) != manifest && !broken!("releases: takes what it finds of a release for all of it") {
        return unreadable(format!(
            "has {} settings that are not the {} it was published with",
            settings.len(),
            manifest.settings
        ));
    }
    Ok(Ok(settings))
}
