"""The readers of public files: they return plain data, and a file made to attack does nothing but be refused."""

import bz2
import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagkit.benchmarks.readers import (
    MAX_BYTES,
    MAX_OPCODES,
    frame_blocks,
    numbers,
    read_compressed_pickle,
    read_csv,
    read_pickle,
    read_zipped_pickle,
    texts,
)
from nagkit.errors import DataDamagedError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@pytest.mark.slow
@given(PLAIN, st.sampled_from([3, 4, 5]))
@settings(max_examples=50)
def test_plain_data_come_back_as_they_were(data, protocol):
    assert read_pickle(pickle.dumps(data, protocol), "file") == data


@pytest.mark.parametrize("dtype", ["<f8", "<f4", "<i8", "<i4", "|u1", ">f8"])
@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_they_were(dtype, protocol, order):
    array = np.asarray(np.arange(12).reshape(3, 4), dtype=dtype, order=order)
    data = read_pickle(pickle.dumps([array, array[1, 2]], protocol), "file")
    assert np.array_equal(numbers(data[0], "file"), array)
    assert numbers(data[1], "file") == array[1, 2]


def test_names_of_old_and_new_numpy_are_the_same():
    content = pickle.dumps(np.arange(3.0), 4)
    assert b"numpy._core" in content
    older = content.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    older = older[:3] + struct.pack("<Q", len(older) - 11) + older[11:]  # the frame is one byte shorter
    assert numbers(read_pickle(older, "file"), "file").tolist() == [0, 1, 2]


def test_an_ordered_dictionary_is_a_dictionary():
    assert read_pickle(pickle.dumps(collections.OrderedDict(a=1, b=2), 4), "file") == {"a": 1, "b": 2}


def zipped(content, name="archive/data.pkl", compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, content)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def test_lists_in_a_torch_file_are_read_without_torch():
    values = [1.5, 2.5, 7.0]
    assert numbers(read_zipped_pickle(zipped(pickle.dumps(values, 2)), "file"), "file").tolist() == values


def test_a_compressed_pickle_is_read():
    assert texts(read_compressed_pickle(bz2.compress(pickle.dumps(["a", "b"], 4)), "file"), "file") == ["a", "b"]


class Call:
    """Pickles as a call of any function with any arguments."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self):
        return self.function, self.arguments, self.state


def opcodes(*parts):
    """A pickle written by hand: text is pushed, bytes are opcodes."""
    content = b"\x80\x04"
    for part in parts:
        content += b"\x8c" + struct.pack("B", len(part)) + part.encode() if isinstance(part, str) else part
    return content + b"."


STACK_GLOBAL, REDUCE, BUILD, TUPLE, MARK = b"\x93", b"R", b"b", b"t", b"("


def payloads(marker):
    touch = f"touch {marker}"
    write = f"open({str(marker)!r}, 'w')"
    array = np.empty(1, dtype=object)
    array[0] = Call(os.system, touch)
    return {
        "os.system": pickle.dumps(Call(os.system, touch), 4),
        "os.system in protocol 0": pickle.dumps(Call(os.system, touch), 0),
        "os.system in protocol 2": pickle.dumps(Call(os.system, touch), 2),
        "subprocess": pickle.dumps(Call(subprocess.check_output, ["touch", str(marker)]), 4),
        "eval": pickle.dumps(Call(eval, write), 4),
        "exec": pickle.dumps(Call(exec, write), 4),
        "open": pickle.dumps(Call(open, str(marker), "w"), 4),
        "getattr of a module": pickle.dumps(Call(getattr, Call(__import__, "os"), "system"), 4),
        "dotted name": opcodes("numpy", "f2py.os.system", STACK_GLOBAL, MARK, touch, TUPLE, REDUCE),
        "dotted name of an allowed class": opcodes(
            "numpy", "ndarray.__class__", STACK_GLOBAL, MARK, touch, TUPLE, REDUCE
        ),
        "allowed module, other name": opcodes("numpy", "load", STACK_GLOBAL, MARK, str(marker), TUPLE, REDUCE),
        "numpy's own exec": opcodes("numpy.testing", "rundocs", STACK_GLOBAL, MARK, touch, TUPLE, REDUCE),
        "nested in arguments": pickle.dumps([{"a": ({"b": Call(os.system, touch)},)}], 4),
        "nested reduce": pickle.dumps(Call(Call, Call(os.system, touch)), 4),
        "as a state": pickle.dumps(Call(collections.OrderedDict, state={"x": Call(os.system, touch)}), 4),
        "as the element of an array of objects": pickle.dumps(array, 4),
        "INST": b"(S'" + touch.encode() + b"'\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS'" + touch.encode() + b"'\no.",
        "extension registry": b"\x80\x02\x82\x01.",
        "persistent object": b"\x80\x04Pos.system\n.",
        "torch payload": zipped(pickle.dumps(Call(os.system, touch), 2)),
        "torch storage": zipped(b"\x80\x02ctorch.storage\n_load_from_bytes\n(S'" + touch.encode() + b"'\ntR."),
        "compressed payload": bz2.compress(pickle.dumps(Call(os.system, touch), 4)),
        "state given to a recorded class": opcodes(
            "numpy", "ndarray", STACK_GLOBAL, b"}", "__new__", "x", b"s", BUILD, MARK, TUPLE, REDUCE
        ),
        "slots given to a recorded class": opcodes(
            "numpy", "dtype", STACK_GLOBAL, b"N}", "__init__", "x", b"s", b"\x86", BUILD
        ),
    }


@pytest.mark.parametrize("payload", payloads("x"))
def test_a_payload_never_runs(tmp_path, payload):
    marker = tmp_path / "marker"
    content = payloads(marker)[payload]
    for reader in (read_pickle, read_zipped_pickle, read_compressed_pickle):
        with pytest.raises(DataDamagedError, match=r"Nothing in it was run|does not hold"):
            reader(content, "file")
    assert not marker.exists()
    assert numbers(read_pickle(pickle.dumps(np.arange(2), 4), "file"), "file").tolist() == [
        0,
        1,
    ]  # later reads are clean


def test_the_payloads_would_run_elsewhere(tmp_path):
    marker = tmp_path / "marker"
    subprocess.run(
        [sys.executable, "-c", "import pickle, sys; pickle.loads(sys.stdin.buffer.read())"],
        input=payloads(marker)["os.system"],
        check=True,
    )
    assert marker.exists()


BOMBS = {
    "more bytes than any table": lambda: pickle.dumps(bytes(MAX_BYTES + 1), 4),
    "more objects than any table": lambda: b"\x80\x04]" + b"]a" * MAX_OPCODES + b".",
    "memo of 2^31 places": lambda: b"\x80\x04Nr\xff\xff\xff\x7f.",
    "memo of 2^26 places": lambda: b"\x80\x04Nr\x00\x00\x00\x04.",
    "bytes of 2^62": lambda: b"\x80\x05\x96" + struct.pack("<Q", 2**62) + b"x.",
    "text of 2^31": lambda: b"\x80\x04X" + struct.pack("<I", 2**31) + b"x.",
    "frame of 2^60": lambda: b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "integer of a million digits": lambda: b"I" + b"9" * 1_000_000 + b"\n.",
    "tuples nested deeper than the stack": lambda: b"\x80\x04}N" + b"\x85" * 150_000 + b"Ns.",
    "tuples of twice the same": lambda: b"\x80\x04})" + b"".join(b"\x94h%c\x86" % i for i in range(60)) + b"Ns.",
    "lists nested deeper than the stack": lambda: b"\x80\x04" + b"]" * 90_000 + b"a" * 89_999 + b".",
    "doubled list of lists": lambda: b"\x80\x04]\x94" + b"]\x94(h\x00h\x00e" * 40 + b".",
    "compressed zeros": lambda: bz2.compress(bytes(10 * MAX_BYTES)),
    "deflated zeros": lambda: zipped(bytes(10 * MAX_BYTES), compression=zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_neither_time_nor_memory(bomb):
    content = BOMBS[bomb]()
    program = (
        "import sys, resource, time\n"
        "from nagkit.benchmarks.readers import *\n"
        "from nagkit.errors import DataDamagedError\n"
        "content = sys.stdin.buffer.read(); start = time.perf_counter()\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for read in (read_pickle, read_zipped_pickle, read_compressed_pickle):\n"
        "    try: read(content, 'file')\n"
        "    except DataDamagedError: pass\n"
        "print(time.perf_counter() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    seconds, mebibytes = map(float, done.stdout.split())
    assert seconds < 4
    assert mebibytes < 100


def zip_variants():
    good = zipped(pickle.dumps([1.0], 2))
    lying = bytearray(good)
    size = good.index(b"PK\x01\x02") + 24
    lying[size : size + 4] = struct.pack("<I", 2**31)
    return {
        "no data": zipped(b"", name="archive/other.pkl"),
        "no folder": zipped(b"", name="data.pkl"),
        "not an archive": b"PK\x03\x04" + bytes(100),
        "truncated": good[:-30],
        "lying size": bytes(lying),
        "altered content": good.replace(pickle.dumps([1.0], 2), pickle.dumps([2.0], 2)),
    }


@pytest.mark.parametrize("variant", zip_variants())
def test_a_broken_archive_is_refused(variant):
    with pytest.raises(DataDamagedError, match="file"):
        read_zipped_pickle(zip_variants()[variant], "file")


@pytest.mark.parametrize("compressed", [False, True])
def test_every_truncated_pickle_is_refused(compressed):
    content = pickle.dumps({"loss": np.arange(5.0), "names": ["a", "b"]}, 4)
    content = bz2.compress(content) if compressed else content
    for length in range(len(content)):
        with pytest.raises(DataDamagedError):
            (read_compressed_pickle if compressed else read_pickle)(content[:length], "file")


@pytest.mark.parametrize(
    "value",
    [
        ["a"],
        [[1], [1, 2]],
        {"a": 1},
        None,
        [None],
        "text",
        np.array(["a"]),
        np.array([None]),
        np.array([1, 2], dtype=[("x", int), ("y", int)][0][1]).view("V8"),
        np.array(["2020"], dtype="M8[Y]"),
        np.dtype("f8"),
        slice(3),
    ],
)
def test_what_is_not_numbers_is_refused(value):
    with pytest.raises(DataDamagedError, match="file"):
        numbers(read_pickle(pickle.dumps(value, 4), "file"), "file")


@pytest.mark.parametrize("state", [None, (), (1, (4,), None, False, b""), (1, (2**60,), "f8", False, bytes(8))])
def test_an_array_whose_parts_do_not_fit_is_refused(state):
    good = read_pickle(pickle.dumps(np.arange(4.0), 4), "file")
    good.state = state
    with pytest.raises(DataDamagedError):
        numbers(good, "file")


def test_an_array_is_never_larger_than_its_bytes():
    good = read_pickle(pickle.dumps(np.arange(4.0), 4), "file")
    version, _, dtype, fortran, content = good.state
    good.state = (version, (2**40,), dtype, fortran, content)
    with pytest.raises(DataDamagedError):
        numbers(good, "file")


@pytest.mark.parametrize("value", ["text", [1], None, {"a": "b"}, np.arange(2)])
def test_what_is_not_a_list_of_texts_is_refused(value):
    with pytest.raises(DataDamagedError, match="texts"):
        texts(read_pickle(pickle.dumps(value, 4), "file"), "file")


@pytest.mark.parametrize("value", [None, {}, [1], np.arange(3)])
def test_what_is_not_a_frame_is_refused(value):
    with pytest.raises(DataDamagedError):
        frame_blocks(read_pickle(pickle.dumps(value, 4), "file"), "file")


def test_columns_of_a_csv_are_read_exactly():
    content = b"index,value,time=[s]\n0,0.1,3\n1,,4\n2,85.86333333333334,5"
    table = read_csv(content, "file", ["index", "value"])
    assert table["index"].tolist() == [0, 1, 2]
    assert table["value"][0] == 0.1
    assert np.isnan(table["value"][1])
    assert table["value"][2] == 85.86333333333334


CSVS = {
    "no such column": b"a,b\n1,2\n",
    "text": b"index,value\n0,abc\n",
    "code": b"index,value\n0,=1+1\n",
    "ragged": b"index,value\n0,1\n1,2,3,4\n",
    "empty": b"",
    "binary": bytes(range(256)),
    "too large": b"index,value\n" + b"0,1\n" * (MAX_BYTES // 4),
    "not ascii": "index,value\n0,１\n".encode(),
}


@pytest.mark.parametrize("name", CSVS)
def test_a_broken_csv_is_refused(name):
    start = time.perf_counter()
    with pytest.raises(DataDamagedError, match="file"):
        read_csv(CSVS[name], "file", ["index", "value"])
    assert time.perf_counter() - start < 2
