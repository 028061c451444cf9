"""Readers of the public files, none of which can run code, leave memory bounds or return half a file.

A pickle is a program. Here it is first read opcode by opcode without being run (``pickletools``): only plain data,
no more of it than a table needs. Then it is loaded with every class replaced by a ``Record``, which stores what it was
given and does nothing; not even constructors of NumPy run. ``numbers`` makes an array of a record that describes one.
"""

import bz2
import csv
import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nagkit.errors import DataDamagedError

MAX_BYTES = 8_000_000  # the largest file has 2.8 MB
MAX_OPCODES = 400_000  # the richest has 395,056; one opcode makes at most some 200 bytes
MAX_TUPLE = 1_000  # values in a tuple and in those within it; hashing more takes long, deeper ones exhaust the stack

_PLAIN = (
    "PROTO FRAME STOP MARK MEMOIZE BINPUT LONG_BINPUT BINGET LONG_BINGET NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 "
    "BINFLOAT BINUNICODE SHORT_BINUNICODE BINBYTES SHORT_BINBYTES BYTEARRAY8 EMPTY_DICT EMPTY_LIST EMPTY_SET "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 APPEND APPENDS SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE NEWOBJ "
    "BUILD"
)
_DTYPE = re.compile(r"[fiu][1248]")
_ARRAYS = frozenset(
    f"{numpy}.{name}"
    for numpy in ("numpy", "numpy.core", "numpy._core")
    for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer", "ndarray", "dtype")
)
_RECORDED = _ARRAYS | {
    "_codecs.encode",
    "builtins.slice",
    "pandas.core.frame.DataFrame",
    "pandas.core.indexes.base.Index",
    "pandas.core.indexes.base._new_Index",
    "pandas.core.indexes.range.RangeIndex",
    "pandas.core.internals.managers.BlockManager",
}


class Record:
    """What a pickle said about one object: the class it named, its arguments, its state. It does nothing."""

    kind = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> "Record":
        """The record of a call, or of an object made without one."""
        record = super().__new__(cls)
        record.arguments = arguments
        record.state = None
        return record

    def __init__(self, *arguments: Any) -> None: ...

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        kind = f"{module}.{name}"
        if kind == "collections.OrderedDict":
            return dict
        if kind not in _RECORDED:
            raise ValueError(f"it names {kind}, which is not data")
        # a new class each time: whatever a pickle does to it, the next pickle meets a clean one
        return type("Record", (Record,), {"kind": kind})


def read_pickle(data: bytes, file: str) -> Any:
    """The plain data in a pickle, objects as ``Record``; ``file`` is the name used in refusals."""
    try:
        _check_opcodes(data)
        return _Unpickler(io.BytesIO(data)).load()
    except Exception as error:  # a broken pickle may raise anything; nothing of it has run
        raise _damaged(file, error) from None


def read_zipped_pickle(data: bytes, file: str) -> Any:
    """The plain data in a file written by torch, read without torch; tensors are refused."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (member,) = (info for info in archive.infolist() if info.filename.endswith("/data.pkl"))
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data):
                raise ValueError("its data are compressed, which torch never does")
            content = archive.read(member)
    except Exception as error:  # zipfile documents no closed list of what a broken archive raises
        raise _damaged(file, error) from None
    return read_pickle(content, file)


def read_compressed_pickle(data: bytes, file: str) -> Any:
    """The plain data in a bz2-compressed pickle."""
    try:
        decompressor = bz2.BZ2Decompressor()
        content = decompressor.decompress(data, max_length=MAX_BYTES + 1)
        if not decompressor.eof or decompressor.unused_data:
            raise ValueError(f"it is truncated, or larger than {MAX_BYTES:,} bytes")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(file, error) from None
    return read_pickle(content, file)


def read_csv(data: bytes, file: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """These columns of a comma-separated file as float64; an empty cell is NaN, anything but a number is refused."""
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        header, *rows = csv.reader(data.decode("ascii").splitlines(), strict=True)
        if any(len(row) != len(header) for row in rows):
            raise ValueError("its rows differ in length")
        places = {name: header.index(name) for name in columns}
        return {name: np.array([float(row[place] or "nan") for row in rows]) for name, place in places.items()}
    except (ValueError, csv.Error) as error:
        raise _damaged(file, error) from None


def numbers(value: Any, file: str) -> np.ndarray:
    """The array of numbers that a recorded NumPy array or scalar, or a list, describes; anything else is refused."""
    try:
        return _numbers(value)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise _damaged(file, error) from None


def _numbers(value: Any) -> np.ndarray:
    kind = value.kind.rpartition(".")[2] if isinstance(value, Record) and value.kind in _ARRAYS else None
    if kind == "_reconstruct":  # state: version, shape, dtype, Fortran order, content
        _, shape, dtype, fortran, content = value.state
        return _array(content, dtype, shape, "F" if fortran else "C")
    if kind == "_frombuffer":
        return _array(*value.arguments)
    if kind == "scalar":
        dtype, content = value.arguments
        return _array(content, dtype, (), "C")
    if isinstance(value, list | int | float):
        array = np.array(value)
        if array.dtype.kind in "fiu":
            return array
    raise ValueError("numbers were expected")


def _array(content: Any, dtype: Record, shape: tuple[int, ...], order: str) -> np.ndarray:
    code = dtype.arguments[0]
    if dtype.kind.rpartition(".")[2] != "dtype" or not _DTYPE.fullmatch(code):
        raise ValueError("an array holds something other than numbers")
    if isinstance(content, Record) and content.kind == "_codecs.encode":  # how protocols below 3 write bytes
        text, encoding = content.arguments
        content = text.encode("latin1") if encoding == "latin1" else None
    if not isinstance(content, bytes | bytearray):
        raise ValueError("an array does not hold bytes")
    byte_order = ">" if dtype.state and dtype.state[1] == ">" else "<"
    return np.frombuffer(bytes(content), byte_order + code).reshape(shape, order="F" if order == "F" else "C")


def texts(value: Any, file: str) -> list[str]:
    """The texts in a list, or in a recorded array of objects."""
    if isinstance(value, Record) and value.kind in _ARRAYS and isinstance(value.state, tuple):
        value = value.state[-1]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise _damaged(file, ValueError("a list of texts was expected"))
    return value


def frame_blocks(value: Any, file: str) -> Mapping[str, Any]:
    """The content of a recorded pandas DataFrame: each block's first column name, and the block's values."""
    try:
        axes, blocks = (value.state["_data"].state[3]["0.14.1"][name] for name in ("axes", "blocks"))
        names = texts(axes[0].arguments[1]["data"], file)
        return {names[block["mgr_locs"].arguments[0]]: block["values"] for block in blocks}
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise _damaged(file, error) from None


class _Effect(NamedTuple):
    """What an opcode does to the stack."""

    takes: int  # values from the stack, above them all that follow the last mark where ``to_mark``
    to_mark: bool
    gives: bool


def _effect(opcode: pickletools.OpcodeInfo) -> _Effect:
    before = opcode.stack_before
    to_mark = pickletools.markobject in before
    takes = before.index(pickletools.markobject) if to_mark else len(before)
    return _Effect(takes, to_mark, bool(opcode.stack_after))


_EFFECTS = {opcode.name: _effect(opcode) for opcode in pickletools.opcodes if opcode.name in _PLAIN.split()}


def _check_opcodes(data: bytes) -> None:
    """Refuses, before anything is built, opcodes and amounts that no table needs.

    It follows the stack that loading would have; of each value it keeps only how many a hash of it would visit.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has {len(data):,} bytes, more than {MAX_BYTES:,}")
    stack: list[int] = []
    marks: list[int] = []  # places in the stack
    memo: dict[int, int] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if name not in _EFFECTS:
            raise ValueError(f"it uses the opcode {name}, which no table needs")
        if name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            if int(argument or 0) > count:  # a memo of that length would be allocated
                raise ValueError("it reserves memory that it does not fill")
            memo[len(memo) if argument is None else int(argument)] = stack[-1]
            continue
        if name == "MARK":
            marks.append(len(stack))
            continue
        effect = _EFFECTS[name]
        start = (marks.pop() if effect.to_mark else len(stack)) - effect.takes
        if start < 0:
            raise ValueError("it takes more than there is")
        weight = (
            memo[int(argument or 0)] if "GET" in name else 1 + sum(stack[start:]) if name.startswith("TUPLE") else 1
        )
        del stack[start:]
        if effect.gives:
            stack.append(weight)
        if count > MAX_OPCODES or weight > MAX_TUPLE:
            raise ValueError("it holds more objects than any table needs")


def _damaged(file: str, error: Exception) -> DataDamagedError:
    return DataDamagedError(
        f"{file} does not hold the data that it should: {error!s:.200}. Nothing in it was run. Replace the file by the "
        "published one; `nagkit data verify` tells which files are whole."
    )
