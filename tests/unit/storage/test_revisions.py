"""What tells a schema's revision agrees with what moves it."""

import subprocess
import sys

from salient.storage.sql import Tables, migrating, revisions


def test_the_newest_file_is_the_head_of_the_chain():
    assert revisions.newest() == migrating.scripts().get_current_head()


def test_a_start_with_nothing_to_do_loads_no_migrations(tmp_path):
    url = f"sqlite:{tmp_path}/t.db"
    with Tables.open(url) as tables:
        tables.migrate()
    code = (
        "import sys; from salient.storage.sql import Tables\n"
        f"with Tables.open({url!r}) as t: t.migrate()\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
