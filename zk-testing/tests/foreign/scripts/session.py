# A session of kazoo's: sys.argv[1] is the server. Prints each step that it has done, and asks for faults by lines that begin
# with a question mark, answered by a line each.
import queue
import sys

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, NoAuthError
from kazoo.security import make_digest_acl

PATIENCE = 20


def ok(step):
    print("ok:", step, flush=True)


def ask(what):
    print("?", what, flush=True)
    assert sys.stdin.readline() == "done\n"


def client(**options):
    zk = KazooClient(hosts=sys.argv[1], timeout=10, **options)
    zk.start(timeout=PATIENCE)
    return zk


zk = client()
states = queue.Queue()
zk.add_listener(states.put)

assert zk.create("/kazoo", b"one") == "/kazoo"
data, stat = zk.get("/kazoo")
assert (data, stat.version, stat.dataLength, stat.ephemeralOwner) == (b"one", 0, 3, 0)
ok("create")

assert zk.create("/kazoo/s-", sequence=True) == "/kazoo/s-0000000000"
assert zk.create("/kazoo/s-", sequence=True, ephemeral=True) == "/kazoo/s-0000000001"
ok("sequential")

assert zk.create("/kazoo/e", ephemeral=True) == "/kazoo/e"
assert zk.exists("/kazoo/e").ephemeralOwner == zk.client_id[0]
ok("ephemeral")

assert sorted(zk.get_children("/kazoo")) == ["e", "s-0000000000", "s-0000000001"]
ok("children")

events = queue.Queue()
zk.get("/kazoo", watch=events.put)
zk.get_children("/kazoo", watch=events.put)
assert zk.exists("/kazoo/new", watch=events.put) is None
zk.set("/kazoo", b"two")
event = events.get(timeout=PATIENCE)
assert (event.type, event.path) == ("CHANGED", "/kazoo")
zk.create("/kazoo/new")
heard = sorted((event.type, event.path) for event in [events.get(timeout=PATIENCE), events.get(timeout=PATIENCE)])
assert heard == [("CHILD", "/kazoo"), ("CREATED", "/kazoo/new")], heard
ok("watches")

try:
    zk.set("/kazoo", b"three", version=0)
    raise AssertionError("the version was wrong")
except BadVersionError:
    assert zk.set("/kazoo", b"three", version=1).version == 2
ok("bad version")

transaction = zk.transaction()
transaction.check("/kazoo", 2)
transaction.create("/kazoo/m", b"m")
transaction.set_data("/kazoo/m", b"n")
transaction.delete("/kazoo/new")
results = transaction.commit()
assert results[:2] == [True, "/kazoo/m"] and results[2].version == 1 and results[3] is True, results
ok("multi")

transaction = zk.transaction()
transaction.create("/kazoo/undone")
transaction.create("/kazoo/m")
transaction.delete("/kazoo/m")
results = [type(result).__name__ for result in transaction.commit()]
assert results == ["RolledBackError", "NodeExistsError", "RuntimeInconsistency"], results
assert zk.exists("/kazoo/undone") is None
ok("multi that fails")

zk.add_auth("digest", "alice:secret")
zk.create("/kazoo/acl", b"hidden", acl=[make_digest_acl("alice", "secret", all=True)])
other = client()
try:
    other.get("/kazoo/acl")
    raise AssertionError("the node is not for everybody")
except NoAuthError:
    other.add_auth("digest", "alice:secret")
    assert other.get("/kazoo/acl")[0] == b"hidden"
ok("access list")

assert zk.sync("/kazoo") == "/kazoo"
ok("sync")

# Plain watches do not outlive a connection of kazoo's. This kind looks again, and watches anew.
seen = queue.Queue()
zk.DataWatch("/kazoo", lambda data, stat: seen.put(data))
assert seen.get(timeout=PATIENCE) == b"three"
session = zk.client_id[0]
ask("cut")
assert states.get(timeout=PATIENCE) == KazooState.SUSPENDED
assert states.get(timeout=PATIENCE) == KazooState.CONNECTED
assert zk.client_id[0] == session and zk.exists("/kazoo/e") is not None
other.retry(other.set, "/kazoo", b"four")
assert seen.get(timeout=PATIENCE) == b"four"
ok("reconnect")

other.create("/kazoo/other", ephemeral=True)
gone = queue.Queue()
assert zk.exists("/kazoo/other", watch=gone.put) is not None
other.stop()
other.close()
event = gone.get(timeout=PATIENCE)
assert (event.type, event.path) == ("DELETED", "/kazoo/other")
ok("close")

ask("expire")
while states.get(timeout=PATIENCE) != KazooState.LOST:
    pass
while states.get(timeout=PATIENCE) != KazooState.CONNECTED:
    pass
assert zk.client_id[0] != session and zk.exists("/kazoo/e") is None
ok("expiry")

zk.stop()
zk.close()
ok("end")
