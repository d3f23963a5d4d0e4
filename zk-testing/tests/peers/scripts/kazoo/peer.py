"""kazoo's recipes, asked for line by line.

In come requests, `NUMBER WORKER COMMAND...`, and out go answers, `NUMBER ok WORDS...` or `NUMBER failed WHY`. A worker is a thread
with a session of its own, made when it is first named; it does one thing after the other. `NUMBER ? OTHER` asks about another request:
the answer is `waiting` as soon as that waits inside a recipe for something to happen, and `done` when it is answered. With the
end of the input the process ends, and what its sessions hold stays until they expire.
"""

import os
import queue
import sys
import threading
import time

from kazoo.client import KazooClient

import recipes

output = threading.Lock()


def answer(number, *words):
    with output:
        print(number, *words, flush=True)


class Worker(threading.Thread):
    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.requests = queue.Queue()
        # Those not answered yet, oldest first.
        self.open = []
        self.client = None
        self.objects = {}
        self.start()

    def run(self):
        while True:
            number, words = self.requests.get()
            try:
                result = ("ok", *self.carry_out(*words))
            except Exception as error:
                result = ("failed", f"{type(error).__name__}: {error}".replace("\n", " "))
            self.open.remove(number)
            answer(number, *result)

    def carry_out(self, recipe, verb, *arguments):
        if recipe == "session":
            return self.session(verb, *arguments)
        result = getattr(recipes, f"{recipe}_{verb}".replace("-", "_"))(self, *arguments)
        return [] if result is None else result if isinstance(result, list) else [result]

    def session(self, verb, servers=None, timeout_ms=None):
        if verb == "open":
            self.client = KazooClient(servers, timeout=int(timeout_ms) / 1000)
            self.client.start(timeout=30)
        else:
            self.client.stop()
            self.client.close()
        return []

    def one(self, recipe, path, make):
        """Returns this worker's object for a recipe and a path, which is made when it is first asked for."""
        if (recipe, path) not in self.objects:
            self.objects[recipe, path] = make()
        return self.objects[recipe, path]

    def forget(self, recipe, path):
        """Returns that object, for the last time."""
        return self.objects.pop((recipe, path))

    def is_waiting(self):
        """Whether the thread waits in a recipe, and neither for a reply nor between two tries."""
        frame = sys._current_frames().get(self.ident)
        if frame is None or not is_wait(frame):
            return False
        while is_wait(frame):
            frame = frame.f_back
        return f"kazoo{os.sep}recipe{os.sep}" in frame.f_code.co_filename


def is_wait(frame):
    return frame.f_code.co_filename == threading.__file__ and frame.f_code.co_name == "wait"


def look(number, worker, other):
    while other in worker.open:
        if worker.open[0] == other and worker.is_waiting():
            return answer(number, "ok", "waiting")
        time.sleep(0.001)
    answer(number, "ok", "done")


workers = {}
of_request = {}
for line in sys.stdin:
    number, name, *words = line.split()
    if name == "?":
        threading.Thread(target=look, args=(number, of_request[words[0]], words[0]), daemon=True).start()
        continue
    worker = workers.get(name) or workers.setdefault(name, Worker(name))
    of_request[number] = worker
    worker.open.append(number)
    worker.requests.put((number, words))
# No farewell: sessions expire.
os._exit(0)
