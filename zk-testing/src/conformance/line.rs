//! A way to a server that a scenario can break.

use zk_proto::client::Client;

use super::{Ground, soon};
use crate::ensemble::{Direction, Proxy};

/// The scenario's own chroot, and two ways to it.
pub struct Line {
    /// What stands in the way.
    pub proxy: Proxy,
    /// The connect string that leads through the proxy.
    pub through: String,
    /// The connect string that does not.
    pub direct: String,
    ground: Ground,
}

impl Line {
    pub(super) fn new(ground: Ground) -> Self {
        let proxy = ground.proxy();
        let through = ground.below(&proxy.connect_string());
        Self { proxy, through, direct: ground.servers(), ground }
    }

    /// Breaks the link and lets no other come about.
    pub fn sever(&self) {
        self.proxy.black_hole(Direction::Both);
        self.proxy.cut();
    }

    /// Lets links come about again.
    pub fn mend(&self) {
        self.proxy.allow().unwrap();
    }

    /// Ends a session on the server as expiry would, but at once: another client takes it up and closes it, while its owner
    /// is kept away. Leaves the line severed.
    pub async fn expire(&self, client: &Client) {
        self.sever();
        let credentials = client.credentials().unwrap();
        let thief = soon(self.ground.builder(&self.direct).credentials(credentials).connect()).await.unwrap();
        assert_eq!(thief.session(), client.session(), "taken up");
        soon(thief.close()).await;
    }
}
