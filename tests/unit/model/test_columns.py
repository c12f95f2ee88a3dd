"""Arrays in one run of bytes: equal in, equal out, and damage is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from salient.errors import Corrupt
from salient.model import columns

DTYPES = st.sampled_from([np.uint8, np.int8, np.bool_, np.int32, np.int64, np.float16, np.float32])


@given(
    st.dictionaries(
        st.text(max_size=10),
        DTYPES.flatmap(lambda d: arrays(d, array_shapes(min_dims=1, max_dims=3, min_side=0))),
        max_size=5,
    ),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20), max_size=3),
)
def test_what_goes_in_comes_out(given_arrays, header):
    data = columns.dump(given_arrays, header)
    back_header, back = columns.load(data)
    assert back_header == header
    assert set(back) == set(given_arrays)
    for name, array in given_arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
    assert columns.dump(back, back_header) == data


def test_loading_copies_nothing():
    data = columns.dump({"a": np.arange(1000)}, {})
    _, back = columns.load(data)
    assert not back["a"].flags.owndata
    assert not back["a"].flags.writeable


def test_types_that_cannot_be_stored_are_refused():
    with pytest.raises(ValueError, match="cannot be stored"):
        columns.dump({"a": np.array(["text"])}, {})


@given(st.integers(0, 400))
def test_a_file_cut_short_is_corrupt(at):
    data = columns.dump({"a": np.arange(40, dtype=np.int64)}, {"h": 1})
    if at >= len(data):
        return
    with pytest.raises(Corrupt):
        columns.load(data[:at])


@given(st.binary(max_size=200))
def test_any_other_bytes_are_corrupt(data):
    with pytest.raises(Corrupt):
        columns.load(data)
    with pytest.raises(Corrupt):
        columns.load(columns.MAGIC + data)


@pytest.mark.parametrize("size", [1, 3, 64, 1000, -1])
def test_a_stream_gives_what_dump_gives(size):
    arrays = {"x": np.arange(7, dtype=np.int32), "y": np.zeros((0, 3), np.float32)}
    stream = columns.stream(arrays, {"k": 1})
    assert b"".join(iter(lambda: stream.read(size), b"")) == columns.dump(arrays, {"k": 1})
