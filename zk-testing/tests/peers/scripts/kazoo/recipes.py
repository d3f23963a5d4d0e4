"""What can be asked of kazoo: functions named RECIPE_VERB, which take a worker and the words that follow. A list is an answer's words."""

import datetime
import threading

from kazoo.recipe.lock import Lock


def said(flag):
    return "yes" if flag else "no"


# Locks: PATH IDENTIFIER [PATTERN...], patterns being names of others that count too.


def lock_of(worker, path, identifier="", *patterns):
    return worker.one("lock", path, lambda: worker.client.Lock(path, identifier, extra_lock_patterns=patterns))


def lock_acquire(worker, path, *rest):
    return "held" if lock_of(worker, path, *rest).acquire() else "cancelled"


class CuratorsLock(Lock):
    """Is named as Curator names its locks, and waits for whoever is."""

    _NODE_NAME = "-lock-"
    _EXCLUDE_NAMES = ["lock-"]


def lock_acquire_as_curator(worker, path):
    return "held" if worker.one("lock", path, lambda: CuratorsLock(worker.client, path)).acquire() else "cancelled"


def lock_try(worker, path, *rest):
    return said(lock_of(worker, path, *rest).acquire(blocking=False))


def lock_release(worker, path):
    worker.forget("lock", path).release()


def lock_contenders(worker, path):
    return worker.client.Lock(path).contenders()


def read_acquire(worker, path, identifier=""):
    worker.one("read", path, lambda: worker.client.ReadLock(path, identifier)).acquire()
    return "held"


def read_release(worker, path):
    worker.forget("read", path).release()


def write_acquire(worker, path, identifier=""):
    worker.one("write", path, lambda: worker.client.WriteLock(path, identifier)).acquire()
    return "held"


def write_release(worker, path):
    worker.forget("write", path).release()


def semaphore_acquire(worker, path, leases, identifier=""):
    worker.one("semaphore", path, lambda: worker.client.Semaphore(path, identifier, int(leases))).acquire()
    return "held"


def semaphore_try(worker, path, leases, identifier=""):
    semaphore = worker.one("semaphore", path, lambda: worker.client.Semaphore(path, identifier, int(leases)))
    return said(semaphore.acquire(blocking=False))


def semaphore_release(worker, path):
    worker.forget("semaphore", path).release()


def semaphore_holders(worker, path):
    return sorted(worker.client.Semaphore(path).lease_holders())


# Elections. The one who leads does so until told to resign.


class Candidacy:
    def __init__(self, worker, path, identifier):
        self.election = worker.client.Election(path, identifier)
        self.leads, self.resigns = threading.Event(), threading.Event()
        threading.Thread(target=self.election.run, args=(self.lead,), daemon=True).start()

    def lead(self):
        self.leads.set()
        self.resigns.wait()


def election_stand(worker, path, identifier):
    worker.one("election", path, lambda: Candidacy(worker, path, identifier))


def election_lead(worker, path):
    worker.objects["election", path].leads.wait()
    return "leads"


def election_leads(worker, path):
    return said(worker.objects["election", path].leads.is_set())


def election_resign(worker, path):
    worker.forget("election", path).resigns.set()


def election_contenders(worker, path):
    return worker.client.Election(path).contenders()


# Barriers.


def barrier_set(worker, path):
    worker.client.Barrier(path).create()


def barrier_remove(worker, path):
    return said(worker.client.Barrier(path).remove())


def barrier_wait(worker, path):
    return said(worker.client.Barrier(path).wait())


def double_enter(worker, path, members):
    barrier = worker.one("double", path, lambda: worker.client.DoubleBarrier(path, int(members), "kazoo"))
    barrier.enter()
    return "entered" if barrier.participating else "not"


def double_leave(worker, path):
    worker.forget("double", path).leave()
    return "left"


# Numbers: as text, or as Curator's shared count has them.


def counter_get(worker, path):
    return worker.client.Counter(path).value


def counter_add(worker, path, difference):
    counter = worker.client.Counter(path)
    counter += int(difference)
    return counter.post_value


def curator_counter_get(worker, path):
    return worker.client.Counter(path, support_curator=True).value


def curator_counter_add(worker, path, difference):
    counter = worker.client.Counter(path, support_curator=True)
    counter += int(difference)
    return counter.post_value


# Queues.


def text(item):
    return [] if item is None else item.decode()


def queue_put(worker, path, item, priority=100):
    worker.client.Queue(path).put(item.encode(), int(priority))


def queue_get(worker, path):
    return text(worker.client.Queue(path).get())


def queue_length(worker, path):
    return len(worker.client.Queue(path))


def locking_of(worker, path):
    return worker.one("locking", path, lambda: worker.client.LockingQueue(path))


def locking_put(worker, path, item, priority=100):
    locking_of(worker, path).put(item.encode(), int(priority))


def locking_get(worker, path):
    return text(locking_of(worker, path).get())


def locking_try(worker, path):
    return text(locking_of(worker, path).get(timeout=0.05))


def locking_holds(worker, path):
    return said(locking_of(worker, path).holds_lock())


def locking_consume(worker, path):
    return said(locking_of(worker, path).consume())


def locking_release(worker, path):
    return said(locking_of(worker, path).release())


# Members.


def party_join(worker, path, identifier):
    worker.one("party", path, lambda: worker.client.Party(path, identifier)).join()


def party_leave(worker, path):
    worker.forget("party", path).leave()


def party_members(worker, path):
    return sorted(worker.client.Party(path))


def shallow_join(worker, path, identifier):
    worker.one("shallow", path, lambda: worker.client.ShallowParty(path, identifier)).join()


def shallow_leave(worker, path):
    worker.forget("shallow", path).leave()


def shallow_members(worker, path):
    return sorted(worker.client.ShallowParty(path))


# A lease for so many seconds.


def lease_obtain(worker, path, identifier, seconds):
    duration = datetime.timedelta(seconds=int(seconds))
    return said(worker.client.NonBlockingLease(path, duration, identifier))


def lease_obtain_one_of(worker, path, count, identifier, seconds):
    duration = datetime.timedelta(seconds=int(seconds))
    return said(worker.client.MultiNonBlockingLease(int(count), path, duration, identifier))
