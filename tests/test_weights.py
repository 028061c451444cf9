"""Files of weights come back whole or are refused."""

import json

import numpy as np
import pytest

from nagkit.errors import DataDamagedError, DataMissingError
from nagkit.weights import read, write

ARRAYS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], dtype=np.int16)}
WHAT = "a thing", "nagkit train thing"


@pytest.fixture
def file(tmp_path):
    write(tmp_path / "w.safetensors", ARRAYS, {"about": "made here"})
    return tmp_path / "w.safetensors"


def test_what_was_written_is_read(file):
    arrays, header = read(file, *WHAT)
    assert header == {"about": "made here"} and arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_an_array_that_is_not_contiguous_is_written_as_it_is_seen(tmp_path):
    write(tmp_path / "t", {"t": ARRAYS["a"].T}, {})
    np.testing.assert_array_equal(read(tmp_path / "t", *WHAT)[0]["t"], ARRAYS["a"].T)


def test_every_changed_bit_is_noticed(file):
    """In the length of the header, the header, and the arrays."""
    whole = file.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(DataDamagedError, match=r"does not hold a thing .*`nagkit train thing` makes it anew"):
            read(file, *WHAT)


def test_a_changed_word_of_the_header_is_noticed(file):
    file.write_bytes(file.read_bytes().replace(b"made here", b"made hers"))
    with pytest.raises(DataDamagedError, match="not as it was saved"):
        read(file, *WHAT)


def test_a_header_without_a_digest_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file(ARRAYS, tmp_path / "w", metadata={"shape": json.dumps([1])})
    with pytest.raises(DataDamagedError):
        read(tmp_path / "w", *WHAT)


def test_a_file_that_is_not_there_is_named_with_its_remedy(tmp_path):
    with pytest.raises(DataMissingError, match=r"no file of a thing at .*nowhere; `nagkit train thing` makes it"):
        read(tmp_path / "nowhere", *WHAT)
