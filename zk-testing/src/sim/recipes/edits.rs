//! Changing a tree at random, for those who follow it.

use zk_proto::client::{Client, Error};

use super::common::is_over;
use crate::sim::{Phase, Process};

/// Changes these nodes and what is below them until there is peace, or the client is over.
///
/// `names` are those of the children that nodes get, and `depth` is how far down they get some.
pub(super) async fn edit(process: Process, client: Client, roots: &[&str], names: &[&str], depth: usize) {
    let mut number = 0;
    while process.phase() == Phase::Trouble && !is_over(&client) {
        let path = process.dice(|dice| {
            let mut path = dice.choose(roots).to_owned();
            for _ in 0..dice.between(0, depth) {
                path = format!("{path}/{}", dice.choose(names));
            }
            path
        });
        for _ in 0..process.dice(|dice| dice.between(1, 4)) {
            number += 1;
            let data = format!("{}.{number}", process.number());
            _ = change(&process, &client, &path, names, data.as_bytes()).await;
        }
        let pause = process.dice(|dice| dice.millis(0, 1_500));
        if client.sleep(pause).await.is_err() {
            return;
        }
    }
}

/// Does one thing to a node, which fails where it cannot be.
async fn change(process: &Process, client: &Client, path: &str, names: &[&str], data: &[u8]) -> Result<(), Error> {
    match process.dice(|dice| dice.below(10)) {
        0..=2 => {
            _ = client.create(path, data).await?;
        }
        3 => {
            _ = client.create(path, data).ephemeral().await?;
        }
        4 | 5 => {
            _ = client.set_data(path, data).await?;
        }
        6 => delete_all(client, path).await?,
        7 => client.delete(path).await?,
        8 => {
            // Another node, of the same version.
            _ = client.multi().delete(path, None).create(path, data).await?;
        }
        _ => {
            // Another node with another child, but the same number of changes.
            let [old, new] = process.dice(|dice| [dice.choose(names), dice.choose(names)]);
            let (old, new) = (format!("{path}/{old}"), format!("{path}/{new}"));
            let multi = client.multi().delete(&old, None).delete(path, None).create(path, data);
            _ = multi.create(&new, data).await?;
        }
    }
    Ok(())
}

/// Deletes a node with all that is below it.
async fn delete_all(client: &Client, path: &str) -> Result<(), Error> {
    let mut found = vec![path.to_owned()];
    let mut looked_at = 0;
    while let Some(next) = found.get(looked_at).cloned() {
        looked_at += 1;
        let (children, _) = client.get_children(&next).await?;
        found.extend(children.iter().map(|name| format!("{next}/{name}")));
    }
    for path in found.iter().rev() {
        client.delete(path).await?;
    }
    Ok(())
}
