//! Whole trees of nodes.

use zk_proto::{
    code::ErrorCode,
    recipes::{delete_recursive, ensure_path},
};

use crate::conformance::{Ground, losing_replies, soon};

pub async fn a_node_is_deleted_with_all_that_is_below_it_and_nothing_else(ground: Ground) {
    let client = ground.client().await;
    for path in ["/tree/a/b/c", "/tree/a/d", "/tree/e", "/tree-top"] {
        ensure_path(&client, path, None).await.unwrap();
    }
    assert_eq!(soon(delete_recursive(&client, "/tree/a")).await.unwrap(), 4);
    assert!(client.exists("/tree/e").await.unwrap().is_some());

    assert_eq!(soon(delete_recursive(&client, "/tree")).await.unwrap(), 2);
    assert_eq!(soon(delete_recursive(&client, "/tree")).await.unwrap(), 0, "that there is none is fine");
    assert!(client.exists("/tree-top").await.unwrap().is_some());
}

pub async fn more_nodes_than_one_transaction_takes_are_deleted(ground: Ground) {
    const NODES: usize = 600;
    let client = ground.client().await;
    client.create("/wide", b"").await.unwrap();
    let made: Vec<_> = (0..NODES).map(|number| client.create(&format!("/wide/{number}"), b"").send()).collect();
    for made in made {
        soon(made).await.unwrap();
    }
    assert_eq!(soon(delete_recursive(&client, "/wide")).await.unwrap(), NODES + 1);
}

pub async fn nodes_that_are_made_meanwhile_are_deleted_too(ground: Ground) {
    let (client, other) = (ground.client().await, ground.client().await);
    client.create("/busy", b"").await.unwrap();
    let making = ground.spawn(async move {
        let mut made = 0;
        while made < 30 {
            match other.create("/busy/node-", b"").sequential().await {
                Ok(_) => made += 1,
                Err(error) => {
                    assert_eq!(error.code(), Some(ErrorCode::NoNode), "the parent has gone");
                    break;
                }
            }
        }
        made
    });

    let deleted = soon(delete_recursive(&client, "/busy")).await.unwrap();
    let made = soon(making).await;
    assert!(client.exists("/busy").await.unwrap().is_none());
    assert_eq!(deleted, made + 1);
}

pub async fn whichever_reply_is_lost_a_tree_is_deleted(ground: Ground) {
    losing_replies(&ground, async |client, path, _| {
        let tree = format!("{path}/tree");
        soon(ensure_path(&client, &format!("{tree}/a/b"), None)).await.unwrap();
        soon(delete_recursive(&client, &tree)).await.unwrap();
        assert!(client.exists(&tree).await.unwrap().is_none());
        assert!(client.exists(&path).await.unwrap().is_some());
    })
    .await;
}
