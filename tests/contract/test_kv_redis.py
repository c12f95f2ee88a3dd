"""What befalls a store on a server: credentials, restarts, silence, neighbours."""

import datetime
import gc
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import Conflict, Misconfigured, TimedOut, Unavailable
from salient.storage.kv import KeyValue


@pytest.fixture
def own(servers):
    """A server of the test's own, which it may kill."""
    with servers("redis", durable=True) as server:
        yield server


def soon(run, within_s=10.0):
    """Call it until it answers."""
    give_up_at = time.monotonic() + within_s
    while True:
        try:
            return run()
        except Unavailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)


# --- opening


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "//",
        "//h:port/0",
        "//h/first",
        "//h:6379/0?prefix=a:b",
        "//h/0?nonsense=1",
        "//h:99999/0",
    ],
)
def test_wrong_url_is_refused(rest):
    with pytest.raises(Misconfigured):
        KeyValue.open(f"redis:{rest}")


def test_wrong_database_or_password_is_refused_at_opening(servers):
    server = servers("redis")
    with pytest.raises(Misconfigured):
        KeyValue.open(server.at("9999"))
    with pytest.raises(Misconfigured) as info:
        KeyValue.open(server.url.replace("//", "//user:geheim@") + "/0")
    assert "geheim" not in str(info.value)


def test_missing_server_is_named_without_credentials():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = taken.getsockname()[1]
        with KeyValue.open(f"redis://user:geheim@127.0.0.1:{port}/0") as kv:
            for call in (lambda: kv.get("k"), lambda: kv.put("k", b"v"), lambda: kv.subscribe("c")):
                with pytest.raises(Unavailable) as info:
                    call()
                assert f"127.0.0.1:{port}" in str(info.value)
                assert "geheim" not in str(info.value)
                assert info.value.context["attempts"] > 1


# --- neighbours


def test_prefixes_and_databases_do_not_meet(servers):
    server = servers("redis")
    urls = [
        server.at("0", prefix="a"), server.at("0", prefix="ab"),
        server.at("0", prefix="a*"), server.at("1", prefix="a"),
    ]  # fmt: skip
    stores = [KeyValue.open(url) for url in urls]
    listening = [store.subscribe("c") for store in stores]
    for i, store in enumerate(stores):
        store.put("b", b"%d" % i)
        store.publish("c", b"%d" % i)
        with store.lock("l"):
            pass
    assert [store.get("b") for store in stores] == [b"0", b"1", b"2", b"3"]
    assert [list(store.scan()) for store in stores] == [["b"]] * 4
    assert [one.get(10) for one in listening] == [b"0", b"1", b"2", b"3"]
    assert [one.get() for one in listening] == [None] * 4
    for store in stores:
        store.delete("b")
        store.close()


def test_key_of_another_kind_is_a_conflict(servers):
    import redis

    server = servers("redis")
    client = redis.Redis.from_url(server.url)
    client.rpush("neighbour:list", "a")
    client.set(b"neighbour:\xff", "no text")
    try:
        with KeyValue.open(server.at("0", prefix="neighbour")) as kv:
            for call in (lambda: kv.get("list"), lambda: kv.increment("list")):
                with pytest.raises(Conflict):
                    call()
            assert kv.put("list", b"mine now")
            assert list(kv.scan()) == ["list"]
    finally:
        client.delete("neighbour:list", b"neighbour:\xff")
        client.close()


def test_key_that_the_server_lists_twice_is_given_once(servers, monkeypatch):
    with KeyValue.open(servers("redis").at("0", prefix="twice")) as kv:
        pages = iter([[b"5", [b"twice:a", b"twice:b"]], [b"0", [b"twice:b", b"twice:c"]]])
        monkeypatch.setattr(kv.driver, "_ask", lambda *_: next(pages))
        assert list(kv.scan()) == ["a", "b", "c"]


# --- loss


def test_restart_loses_nothing_that_was_acknowledged(own):
    with KeyValue.open(own.at("0")) as kv:
        done = threading.Event()
        acknowledged, errors, late = {}, set(), []

        def write(worker):
            n = 0
            while not done.is_set():
                key = f"{worker}/{n}"
                try:
                    kv.put(key, key.encode())
                    acknowledged[key] = key.encode()
                    kv.increment(f"n{worker}")
                    n += 1
                except Unavailable as exc:
                    errors.add(type(exc))

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write, i) for i in range(4)]
            time.sleep(0.2)
            own.kill()
            time.sleep(0.3)
            own.start()
            began = time.monotonic()
            soon(lambda: kv.put("back", b""))
            late.append(time.monotonic() - began)
            time.sleep(0.2)
            done.set()
            for writer in writers:
                writer.result()
        assert errors <= {Unavailable, TimedOut}
        assert acknowledged
        assert late[0] < 10
        assert kv.get_many(acknowledged) == acknowledged


def test_full_server_refuses_and_its_answers_stay_in_step(own):
    import redis

    client = redis.Redis.from_url(own.url)
    with KeyValue.open(own.at("0")) as kv:
        kv.put("k", b"v")
        client.config_set("maxmemory", "1")
        for call in (
            lambda: kv.put("k", b"w"), lambda: kv.increment("n"),
            lambda: kv.put_many({f"{i}": b"" for i in range(50)}),
        ):  # fmt: skip
            with pytest.raises(Unavailable) as info:
                call()
            assert "memory" in str(info.value)
        for _ in range(60):
            assert kv.get("k") == b"v"
        client.config_set("maxmemory", "0")
        assert kv.increment("n") == 1
        assert sorted(kv.scan()) == ["k", "n"]
    client.close()


def test_silent_server_is_a_timeout(own):
    with KeyValue.open(own.at("0", timeout_s=0.3)) as kv:
        kv.put("k", b"v")
        own.pause()
        try:
            for call in (lambda: kv.get("k"), lambda: kv.increment("n"), lambda: list(kv.scan())):
                with pytest.raises(TimedOut) as info:
                    call()
                assert f":{own.port}" in str(info.value)
        finally:
            own.resume()
        assert soon(lambda: kv.get("k")) == b"v"
        # The answer of a call that timed out must not be taken for that of the next.
        for i in range(100):
            kv.put(f"{i}", b"%d" % i)
            assert kv.get(f"{i}") == b"%d" % i


def test_write_is_not_sent_twice_when_its_answer_is_lost(servers):
    server = servers("redis")
    with Relay(server.port) as relay, KeyValue.open(f"redis://127.0.0.1:{relay.port}/0?prefix=twice") as kv:  # fmt: skip
        kv.delete("n")
        assert kv.increment("n") == 1
        relay.swallow = True
        with pytest.raises(Unavailable):
            kv.increment("n")
        relay.swallow = False
        assert soon(lambda: kv.get("n")) == b"2"
        relay.cut()
        assert kv.increment("n") == 3  # nothing was sent on the dead connection
        kv.delete("n")


def test_subscriber_is_told_of_a_gap_and_hears_again(own):
    with KeyValue.open(own.at("0")) as kv, kv.subscribe("c") as subscription:
        kv.publish("c", b"1")
        assert subscription.get(10) == b"1"
        own.kill()
        assert subscription.get(10) is None
        assert (subscription.gaps, subscription.live) == (1, False)
        assert subscription.get(0.1) is None
        own.start()
        while not subscription.live:
            assert subscription.get(1) is None
        assert subscription.gaps == 2
        soon(lambda: kv.publish("c", b"2"))
        assert subscription.get(10) == b"2"
        assert subscription.gaps == 2


def test_subscriber_notices_a_server_that_fell_silent(own):
    with KeyValue.open(own.at("0", timeout_s=0.4)) as kv, kv.subscribe("c") as subscription:
        own.pause()
        try:
            assert subscription.get(10) is None
            assert not subscription.live
        finally:
            own.resume()
        while not subscription.live:
            assert subscription.get(1) is None


# --- layers


def test_layer_in_the_process_is_dropped_with_the_server_and_fills_again(own):
    with KeyValue.open(f"layered:[memory:][{own.at('0')}]") as kv:
        kv.put("k", b"1")
        assert kv.get("k") == b"1"
        assert "k" in kv.driver.hot
        own.kill()
        give_up_at = time.monotonic() + 10
        while kv.driver.hot:
            assert time.monotonic() < give_up_at
            time.sleep(0.005)
        with pytest.raises(Unavailable):  # nobody could say that it changed
            kv.get("k")
        own.start()
        with KeyValue.open(own.at("0")) as other:
            soon(lambda: other.put("k", b"2"))
        assert soon(lambda: kv.get("k")) == b"2"
        while "k" not in kv.driver.hot:
            assert kv.get("k") == b"2"
            assert time.monotonic() < give_up_at + 10


def test_lost_cache_server_stops_changes_and_not_reads(own, tmp_path):
    with KeyValue.open(f"layered:[memory:][{own.at('0')}][sqlite:{tmp_path}/kv.db]") as kv:
        kv.put("k", b"1")
        own.kill()
        assert kv.get("k") == b"1"
        assert kv.get("missing") is None
        with pytest.raises(Unavailable):
            kv.put("k", b"2")
        assert kv.get_expiring("k") == (b"1", None)  # nothing was changed
        own.start()
        soon(lambda: kv.put("k", b"3"))
        assert kv.get("k") == b"3"


def test_replicas_outlive_a_server_under_load(own, tmp_path):
    url = f"replicated:[{own.at('0')}][sqlite:{tmp_path}/a.db][sqlite:{tmp_path}/b.db]?write=quorum"
    with KeyValue.open(url) as kv:
        done, drawn = threading.Event(), []

        def count():
            while not done.is_set():
                drawn.append(kv.increment("n"))

        with ThreadPoolExecutor(3) as pool:
            counting = [pool.submit(count) for _ in range(3)]
            time.sleep(0.2)
            own.kill()
            time.sleep(0.3)
            own.start()
            time.sleep(0.2)
            done.set()
            for one in counting:
                one.result()
        assert sorted(drawn) == list(range(1, len(drawn) + 1))
        assert kv.get("n") == b"%d" % len(drawn)


# --- closing


def test_closing_leaves_no_connection(own):
    import redis

    kv = KeyValue.open(own.at("0"))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(kv.increment, ["n"] * 100))
    kv.subscribe("c")
    kv.close()
    kv.close()
    gc.collect()
    client = redis.Redis.from_url(own.url)
    while len(client.client_list()) > 1:
        time.sleep(0.01)
    client.close()


# --- TLS


def test_encrypted_connection_checks_who_answers(servers, tmp_path):
    server = servers("redis")
    trusted, stranger = certificate(tmp_path, "a"), certificate(tmp_path, "b")
    with Relay(server.port, certificate=trusted) as relay:
        url = f"rediss://localhost:{relay.port}/0?prefix=tls&timeout_s=5&ca="
        with KeyValue.open(url + str(trusted[0])) as kv:
            kv.put("k", b"v", ttl_s=60)
            assert kv.get("k") == b"v"
        with KeyValue.open(url + str(stranger[0])) as kv, pytest.raises(Unavailable):
            kv.get("k")


class Relay:
    """Stands between: swallows answers, cuts connections, or speaks TLS."""

    def __init__(self, port, certificate=None):
        self._to = port
        self.swallow = False
        self._sockets = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def cut(self):
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _accept(self):
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                near = near if self._context is None else self._context.wrap_socket(near, server_side=True)  # fmt: skip
            except OSError:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [near, far]
            for pair in ((near, far, False), (far, near, True)):
                self._threads.append(threading.Thread(target=self._pump, args=pair, daemon=True))
                self._threads[-1].start()

    def _pump(self, source, target, answers):
        try:
            while piece := source.recv(65536):
                if answers and self.swallow:
                    break
                target.sendall(piece)
        except OSError:
            pass  # the other direction ended
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        if answers:
            source.close()
            target.close()


def certificate(folder, name):
    """A certificate of localhost that vouches for itself, and its key, as files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
