"""URLs of stores: options, brackets, masking, tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Misconfigured
from salient.storage import urls
from salient.storage.urls import Options


def test_options_are_read_once_by_kind():
    options = Options("a=x%20y&n=0.5&c=7&f=yes&m=fast")
    assert options.text("a") == "x y"
    assert options.number("n", 1.0) == 0.5
    assert options.count("c", 0) == 7
    assert options.flag("f")
    assert options.choice("m", ("fast", "safe"), "safe") == "fast"
    options.done()


def test_options_not_given_have_their_defaults():
    options = Options("")
    assert options.text("a") is None
    assert options.text("a", "b") == "b"
    assert (options.number("n", 2.5), options.count("c", 3)) == (2.5, 3)
    assert (options.flag("f"), options.flag("f", default=True)) == (False, True)
    assert options.choice("m", ("fast", "safe"), "safe") == "safe"
    options.done()


@pytest.mark.parametrize("query", ["n", "n=1&&m=2", "=", "&"])
def test_a_query_that_is_no_list_of_options_is_refused(query):
    with pytest.raises(Misconfigured):
        Options(query).done()


@pytest.mark.parametrize("value", ["", "x", "-1", "nan", "inf", "1e999"])
def test_a_number_that_is_none_is_refused(value):
    with pytest.raises(Misconfigured):
        Options(f"n={value}").number("n", 1.0)


def test_a_number_below_the_least_is_refused():
    assert Options("n=2").number("n", 1.0, least=2.0) == 2.0
    with pytest.raises(Misconfigured):
        Options("n=1.9").number("n", 5.0, least=2.0)


def test_a_count_is_whole():
    with pytest.raises(Misconfigured):
        Options("n=1.5").count("n", 1)


@pytest.mark.parametrize("value", ["true", "1", "Yes", ""])
def test_a_flag_is_yes_or_no(value):
    with pytest.raises(Misconfigured):
        Options(f"f={value}").flag("f")


def test_a_misspelt_option_is_not_passed_over():
    options = Options("tll_s=5&ttl_s=6", "layered")
    options.number("ttl_s", 1.0)
    with pytest.raises(Misconfigured, match="tll_s") as info:
        options.done()
    assert info.value.context["unknown"] == ["tll_s"]


def test_stores_within_stores():
    found, options = urls.inner("[replicated:[file:/a][s3://b/c?x=1]?write=all][memory:]?n=2", "w")
    assert found == ["replicated:[file:/a][s3://b/c?x=1]?write=all", "memory:"]
    assert options.count("n", 0) == 2
    options.done()


@pytest.mark.parametrize("rest", [
    "", "memory:", "[", "[memory:", "[memory:]]", "]memory:[", "[a][b", "[a]x", "[a]?n=1]", "?n=1",
])  # fmt: skip
def test_brackets_that_do_not_match_are_refused(rest):
    with pytest.raises(Misconfigured):
        urls.inner(rest, "w")[1].done()


def test_a_wrapper_takes_as_many_stores_as_it_says():
    assert len(urls.inner("[a:][b:]", "w", least=2, most=2)[0]) == 2
    for rest in ("[a:]", "[a:][b:][c:]"):
        with pytest.raises(Misconfigured, match="w: takes 2 stores"):
            urls.inner(rest, "w", least=2, most=2)


def test_a_refusal_shows_no_password():
    with pytest.raises(Misconfigured) as info:
        urls.inner("[redis://me:hidden@h", "w")
    assert "hidden" not in str(info.value) + repr(info.value.context)


names = st.from_regex(r"[a-z][a-z0-9+.-]{0,8}", fullmatch=True)
leaves = st.builds(lambda name, path: f"{name}:{path}", names, st.from_regex(r"[\w/.%-]{0,12}", fullmatch=True))  # fmt: skip
trees = st.recursive(
    leaves.map(lambda url: (url, ())),
    lambda inner: st.tuples(names, st.lists(inner, min_size=1, max_size=3), st.sampled_from(["", "?a=1", "?a=1&b=x"]))
    .map(lambda t: (f"{t[0]}:" + "".join(f"[{url}]" for url, _ in t[1]) + t[2], tuple(t[1]))),
    max_leaves=8,
)  # fmt: skip


@given(trees)
def test_any_tree_is_taken_apart_as_it_was_built(tree):
    def check(url, built):
        taken = urls.tree(url)
        assert len(taken.inner) == len(built)
        for (inner_url, inner_built), inner_taken in zip(built, taken.inner, strict=True):
            assert urls.tree(inner_url) == inner_taken
            check(inner_url, inner_built)

    check(*tree)


def test_a_tree_shows_stores_as_lines():
    url = "layered:[memory:][redis://me:pw@h:6379/0?prefix=a]?ttl_s=300&negative_s=5"
    assert urls.tree(url).lines() == [
        "layered ttl_s=300 negative_s=5",
        "  memory:",
        "  redis://me:…@h:6379/0?prefix=a",
    ]


@pytest.mark.parametrize(("url", "shown"), [
    ("redis://h:6379/0", "redis://h:6379/0"),
    ("redis://:pw@h/0", "redis://:…@h/0"),
    ("mysql://app:p%40w@h/db?schema=a", "mysql://app:…@h/db?schema=a"),
    ("s3://b/p?access_key=AK&secret_key=SK&region=r", "s3://b/p?access_key=…&secret_key=…&region=r"),
    ("layered:[memory:][redis://u:a@h/0][mysql://u:b@h/d]", "layered:[memory:][redis://u:…@h/0][mysql://u:…@h/d]"),
    ("encrypted:[s3://b?secret_key=SK]?key=K", "encrypted:[s3://b?secret_key=…]?key=…"),
    ("x://h?Session_Token=T&a=1", "x://h?Session_Token=…&a=1"),
])  # fmt: skip
def test_what_is_shown_of_a_url_has_no_secrets(url, shown):
    assert urls.shown(url) == shown


@pytest.mark.parametrize(("rest", "place"), [
    ("//h:6379/0?a=b", ("h:6379", "0")),
    ("//u:p@h/a%20b/c", ("h", "a b/c")),
    ("//u:p%40@[::1]:5/x", ("[::1]:5", "x")),
    ("//h", ("h", "")),
])  # fmt: skip
def test_location_has_no_credentials(rest, place):
    assert urls.location(rest) == place


def test_a_table_is_a_url():
    table = {
        "use": "layered",
        "over": ["memory:", {"use": "instrumented", "over": "redis://h/0", "slow_ms": 5}],
        "ttl_s": 2.5,
        "stale": True,
    }
    assert (
        urls.from_table(table)
        == "layered:[memory:][instrumented:[redis://h/0]?slow_ms=5]?ttl_s=2.5&stale=yes"
    )
    assert urls.from_table("memory:") == "memory:"


@given(st.text())
def test_an_option_of_a_table_survives_as_it_is(value):
    value = value.encode("utf-8", "replace").decode()
    url = urls.from_table({"use": "w", "over": "memory:", "name": value})
    _, options = urls.inner(url.removeprefix("w:"), "w")
    assert options.text("name") == value


@pytest.mark.parametrize("table", [
    {}, {"use": "w"}, {"use": "w", "over": []}, {"over": "memory:"}, {"use": 1, "over": "memory:"},
    {"use": "w", "over": "memory:", "n": [1]}, {"use": "w", "over": 5}, {"use": "w", "over": {"use": "x"}},
])  # fmt: skip
def test_a_table_that_is_no_store_is_refused(table):
    with pytest.raises(Misconfigured):
        urls.from_table(table)
