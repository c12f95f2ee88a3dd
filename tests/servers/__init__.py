"""Real servers for tests: started on 127.0.0.1 when first asked for, ended with the session.

    def test_something(servers):
        redis = servers("redis")            # shared by the session: take a namespace of your own
        KeyValue.open(redis.at("0", prefix="mine"))

`servers(name, durable=True)` is a new server with data that survive a kill, for tests that
`kill`, `pause` or `restart` it. SALIENT_TEST_REDIS (and so on) names a server elsewhere instead.
"""

from tests.servers.server import Missing, Server
from tests.servers.session import Servers

__all__ = ["Missing", "Server", "Servers"]
