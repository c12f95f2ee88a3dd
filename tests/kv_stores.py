"""Key-value stores that the suite runs over: their URLs, and how time passes in them."""

import uuid

from salient.storage.kv import KeyValue

# {name} is a place of the test's own in a server or a folder; {redis} a server's URL with a prefix.
URLS = {
    "memory": "memory:",
    "sqlite": "sqlite:{tmp}/a folder/kv.db",
    "redis": "{redis}",
    "layered memory sqlite": "layered:[memory:][sqlite:{tmp}/kv.db]",
    "layered memory redis": "layered:[memory:][{redis}]?ttl_s=3000",
    "layered redis sqlite": "layered:[{redis}][sqlite:{tmp}/kv.db]",
    "layered memory redis sqlite": "layered:[memory:][{redis}][sqlite:{tmp}/kv.db]?negative_s=600",
    "layered small": "layered:[memory:][memory:]?max_mb=0.01&negative_s=0",
    "sharded memory": "sharded:[memory:][memory:][memory:]",
    "sharded redis sqlite": "sharded:[{redis}][sqlite:{tmp}/kv.db][{redis2}]?names=a,b,c",
    "instrumented sqlite": "instrumented:[sqlite:{tmp}/kv.db]?name=test",
    "scoped redis": "scoped:[{redis}]?scope=tenant",
    "scoped scoped sqlite": "scoped:[scoped:[sqlite:{tmp}/kv.db]?scope=outer]?scope=inner",
    "scoped layered memory redis": "scoped:[layered:[memory:][{redis}]]?scope=tenant",
    "replicated memory": "replicated:[memory:][memory:][memory:]?write=quorum",
    "replicated all memory": "replicated:[memory:][memory:]",
    "replicated sqlite redis": "replicated:[sqlite:{tmp}/a.db][{redis}][{redis2}]?write=quorum",
    "flaky memory": "flaky:[memory:]?latency_ms=0.01",
}


def url_of(name, tmp_path, servers):
    """The URL, with servers that it needs started; each test has a namespace of its own."""
    template = URLS[name]
    space = uuid.uuid4().hex[:12]
    places = {"tmp": tmp_path}
    for field in ("redis", "redis2", "redis3"):
        if f"{{{field}}}" in template:
            places[field] = servers("redis").at("0", prefix=f"{space}-{field}")
    return template.format(**places)


def all_of(driver):
    """A driver and those it is made of, at any depth."""
    return [driver, *(found for one in driver.inner for found in all_of(one))]


def pass_time(kv: KeyValue, seconds: float) -> None:
    """Have `seconds` pass for all that is stored."""
    clocks = [kv]
    for driver in all_of(kv._driver):
        clocks += [driver, getattr(driver, "_cache", None)]
        if hasattr(driver, "_pool"):
            age(driver, seconds)
    for one in clocks:
        if hasattr(one, "_clock"):
            one._clock = later(one._clock, seconds)


def later(clock, seconds):
    return lambda: clock() + seconds


def age(driver, seconds):
    """A server's clock cannot be moved, so what it keeps is made older."""
    import redis

    client = redis.Redis(connection_pool=driver._pool)
    for name in client.scan_iter(match=driver._prefix + b"*", count=1000):
        left_ms = client.pttl(name)
        if left_ms >= 0:
            client.pexpire(name, left_ms - round(seconds * 1000))
