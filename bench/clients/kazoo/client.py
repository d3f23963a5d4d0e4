"""kazoo: client.py WORKLOAD HOST:PORT OPERATIONS"""

import collections
import logging
import resource
import sys
import threading
import time

from kazoo.client import KazooClient

SMALL, BIG, BIG_BYTES = "/bench/small", "/bench/big", 512 * 1024


def tell(name, value):
    print(name, value, flush=True)


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def connect(server, timeout=30.0):
    client = KazooClient(hosts=server, timeout=timeout)
    client.start()
    return client


def windowed(call, count, window):
    calls = collections.deque()
    for number in range(count):
        if len(calls) == window:
            calls.popleft().get()
        calls.append(call(number))
    while calls:
        calls.popleft().get()


def tell_per_operation(cpu, began, count):
    tell("cpu_us_per_op", (time.process_time() - cpu) * 1e6 / count)
    tell("ops_per_s", count / (time.perf_counter() - began))


def tell_latencies(times):
    times.sort()
    for name, share in ("p50_us", 0.5), ("p90_us", 0.9), ("p99_us", 0.99), ("p999_us", 0.999):
        tell(name, times[int(len(times) * share)] * 1e6)


def read_one_by_one(client, count):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        client.get(SMALL)
        times.append(time.perf_counter() - began)
    return times


def number(client, path):
    text = client.get(path)[0]
    return float(text) if text else None


def watch(client, count):
    seen = []
    call = lambda n: client.get_async("/watched/%09d" % n, watch=seen.append)
    windowed(call, count, 1000)
    return seen


def wait_for(seen, count, limit):
    began = time.perf_counter()
    while len(seen) < count and time.perf_counter() - began < limit:
        time.sleep(0.001)


def idle(server, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before = resident()
    clients = [connect(server, 3.0) for _ in range(count)]
    time.sleep(1)
    pings = number(clients[0], "/bench/pings")
    cpu = time.process_time()
    time.sleep(5)
    cpu = time.process_time() - cpu
    pings = number(clients[0], "/bench/pings") - pings
    tell("cpu_us_per_ping", cpu * 1e6 / pings)
    tell("cpu_ms_per_s", cpu * 1e3 / 5)
    tell("bytes_per_session", (resident() - before) / count)
    tell("threads", threading.active_count())


def main():
    workload, server, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    if workload == "w7":
        return idle(server, count)
    client = connect(server)
    read = lambda _: client.get_async(SMALL)
    write = lambda _: client.set_async(SMALL, b"x" * 100)
    if workload == "w1":
        read_one_by_one(client, 500)
        cpu, began = time.process_time(), time.perf_counter()
        times = read_one_by_one(client, count)
        tell_per_operation(cpu, began, count)
        tell_latencies(times)
    elif workload in ("w2", "w3"):
        call = read if workload == "w2" else write
        windowed(call, 2000, 1000)
        cpu, began = time.process_time(), time.perf_counter()
        windowed(call, count, 1000)
        tell_per_operation(cpu, began, count)
    elif workload == "w4":
        times = []
        member = lambda: times.extend(read_one_by_one(client, count // 256))
        threads = [threading.Thread(target=member) for _ in range(256)]
        cpu, began = time.process_time(), time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tell_per_operation(cpu, began, count // 256 * 256)
        tell_latencies(times)
    elif workload in ("w5", "w5-writes"):
        data = b"z" * BIG_BYTES
        call = (lambda _: client.get_async(BIG)) if workload == "w5" else (lambda _: client.set_async(BIG, data))
        windowed(call, 16, 8)
        cpu, began = time.process_time(), time.perf_counter()
        windowed(call, count, 8)
        megabytes = count * BIG_BYTES / 1e6
        tell("cpu_us_per_mb", (time.process_time() - cpu) * 1e6 / megabytes)
        tell("mb_per_s", megabytes / (time.perf_counter() - began))
    elif workload == "w6":
        before, cpu = resident(), time.process_time()
        seen = watch(client, count)
        tell("register_cpu_us", (time.process_time() - cpu) * 1e6 / count)
        tell("bytes_per_watch", (resident() - before) / count)
        cpu, began = time.process_time(), time.perf_counter()
        client.set("/bench/fire", b"")
        wait_for(seen, count, 30)
        tell("event_cpu_us", (time.process_time() - cpu) * 1e6 / count)
        tell("events_per_s", count / (time.perf_counter() - began))
        tell("events", len(seen))
    elif workload == "w8":
        seen = watch(client, count)
        cpu = time.process_time()
        client.set("/bench/drop", b"")
        took, began = None, time.perf_counter()
        while took is None and time.perf_counter() - began < 10:
            time.sleep(0.005)
            try:
                took = number(client, "/bench/rewatched")
            except Exception:
                continue
        if took is None:
            tell("rewatch_ms", "nan")
            tell("events", 0)
        else:
            tell("rewatch_ms", took)
            tell("rewatch_cpu_ms", (time.process_time() - cpu) * 1e3)
            client.set("/bench/fire", b"")
            wait_for(seen, count, 10)
            tell("events", len(seen))
    else:
        sys.exit(3)


main()
