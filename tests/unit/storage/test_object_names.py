"""Names of objects: every key comes back, in order, whichever way a server sorts."""

from hypothesis import given
from hypothesis import strategies as st

from salient.storage import objectnames

CHARACTERS = st.sampled_from(
    'a/b.-~!0_ [\\]\x01\x7fé東🜚\ufffc\ufffd\ufffe\uffff,+%"'
) | st.characters(exclude_categories=["Cs"], exclude_characters="\0")
SEGMENTS = st.text(CHARACTERS.filter(lambda c: c != "/"), min_size=1, max_size=8) | st.builds(
    lambda c, n, more: c * n + more,
    CHARACTERS.filter(lambda c: c != "/"),
    st.integers(55, 130),
    st.text(CHARACTERS.filter(lambda c: c != "/"), max_size=3),
)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)


def by_folder(name: str) -> list[bytes]:
    """How a server sorts that keeps objects in files."""
    return [part.encode() for part in name.split("/")]


@given(KEYS)
def test_key_comes_back(key):
    name = objectnames.name_of(key)
    assert objectnames.key_of(name) == key
    assert max(len(part.encode()) for part in name.split("/")) <= 255
    assert "\\" not in name
    assert all(c > " " for c in name)


@given(st.lists(KEYS, max_size=12, unique=True))
def test_names_sort_as_their_keys_do(keys):
    wanted = sorted(keys, key=str.encode)
    assert sorted(keys, key=lambda k: objectnames.name_of(k).encode()) == wanted
    assert sorted(keys, key=lambda k: by_folder(objectnames.name_of(k))) == wanted


@given(st.lists(KEYS, max_size=12, unique=True))
def test_no_name_is_the_folder_of_another(keys):
    names = {objectnames.name_of(k) for k in keys}
    for name in names:
        parts = name.split("/")
        assert names.isdisjoint("/".join(parts[:i]) for i in range(1, len(parts)))


@given(st.text(CHARACTERS, max_size=10), KEYS)
def test_name_of_a_prefix_is_a_lower_bound(prefix, key):
    assert objectnames.name_of(prefix).encode() <= objectnames.name_of(prefix + key).encode()


LONG = st.builds(
    lambda head, c, n, tail: head + c * n + tail,
    st.sampled_from(["", "." * 200, "-" * 60 + "/" + "." * 150, "a/"]),
    st.sampled_from(".-[ a"),
    st.integers(150, 300),
    st.text(st.sampled_from("a.-/[ z"), max_size=6),
).filter(lambda k: all(k.split("/")) and len(k.encode()) <= 640)


@given(st.lists(LONG | KEYS, max_size=10, unique=True), st.sampled_from([724, 800, 1024]))
def test_names_over_the_limit_are_digests_and_still_listed_in_order(keys, room):
    names = {objectnames.short_name_of(k, room): k for k in keys}
    assert len(names) == len(keys)
    assert all(len(n.encode()) <= room for n in names)
    for order in (str.encode, by_folder):
        listed = [(n, None) for n in sorted(names, key=order)]
        found = [k for k, _ in objectnames.in_order(listed, names.__getitem__)]
        assert found == sorted(keys, key=str.encode)


def test_names_of_other_people_have_no_key():
    for name in (
        "",
        "a.b",
        "a-",
        "!",
        "x/",
        "a/b",
        "a./",
        "!_ab/c",
        "[2",
        "a" * 61,
        "a-/b",
        "[",
        "report.pdf",
    ):
        assert objectnames.key_of(name) is None
