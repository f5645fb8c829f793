"""Python's own pickle loader, held to what tensors and plain data need.

A pickle is a small program that the loader runs, whatever it asks for. `Unpickler` knows the instructions in
`INSTRUCTIONS` and the names in `KNOWN`, all of which build plain data of this module: nothing is imported or called by
name. It is the loader that is written in Python: the one in C makes room for any number that a file states.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable

import numpy as np

MAX_BYTES = 2 << 30  # the largest published checkpoint (resnet101 with an optimizer's state) has about 0.7e9
MAX_OBJECTS = 200_000  # instructions, and values of the result; the same checkpoint has about 50,000
MAX_DEPTH = 20  # of dicts in dicts
DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
_TYPES = "Half f2 Float f4 Double f8 Char i1 Short i2 Int i4 Long i8 Byte u1 Bool b1".split()
STORAGES = {f"{name}Storage": np.dtype(code) for name, code in zip(_TYPES[::2], _TYPES[1::2])}  # names are torch's
STORAGES["BFloat16Storage"] = np.dtype([("bfloat16", "u2")])  # widened at the end, when all bytes are there


class Refused(Exception):
    """The rest of the sentence after the file's name."""


def check(good: object, otherwise: str) -> None:
    """Raise ValueError, what is wrong with a damaged file, unless all is good."""
    if not good:
        raise ValueError(otherwise)


class _Names(dict):
    """A dict or an OrderedDict; its state would be PyTorch's _metadata: version numbers only."""

    def __init__(self, pairs=()):
        for key, value in pairs:
            self[key] = value

    def __setitem__(self, key, value):  # hashing nested tuples could exhaust the stack
        check(type(key) in (str, int), "a dict whose keys are not names")
        super().__setitem__(key, value)

    def __setstate__(self, state):
        pass


class _Type:
    """numpy.dtype(code), completed by its byte order in the state (version, order, ...) that follows."""

    def __init__(self, code, *_):
        check(type(code) is str and code in DTYPES, "an array of unknown type")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        self.dtype = self.dtype.newbyteorder(">" if state[1] == ">" else "=")


class _Array:
    """A tensor, or a numpy.ndarray: made empty, and then given (version, shape, type, is_fortran, bytes).

    Never a storage, which is a plain array: another tensor's place in it is reckoned with unit strides.
    """

    def __init__(self, values=None):
        self.values = values

    def __setstate__(self, state):
        _, shape, kind, fortran, data = state
        self.values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")


def _rebuild_tensor(storage, offset, size, stride, *_):
    check(type(storage) is np.ndarray and len(size) == len(stride) and len(size) <= 8, "a tensor without storage")
    numbers = (offset, *size, *stride)
    check(all(type(n) is int and n >= 0 for n in numbers), "a tensor's size is no sensible number")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    check(count <= len(storage) and (not count or last < len(storage)), "a tensor reaches beyond its storage")
    steps = [step * storage.itemsize for step in stride]
    return _Array(np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False))


def _encode(text, encoding):
    check(encoding in ("latin1", "latin-1"), "bytes in an unknown encoding")
    return text.encode("latin-1")


KNOWN = {  # all that a file may name, and what stands here for it
    **{("torch", name): name for name in STORAGES},
    ("collections", "OrderedDict"): _Names,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): _encode,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("numpy", "ndarray"): None,  # an argument of _reconstruct
    ("numpy", "dtype"): _Type,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    KNOWN[_core, "_reconstruct"] = lambda *_: _Array()
    KNOWN[_core, "scalar"] = lambda kind, data=b"": np.frombuffer(data, kind.dtype, 1)[0].item()


class Unpickler(pickle._Unpickler):
    """Reads one pickle with `load`; arrays in the result are placeholders until `finish` is called.

    Args:
        file: BytesIO at the start of the pickle; afterwards at its end.
        size: bytes that the file has.
        fetch: function(key, size) -> buffer of a storage, of that many bytes or more.
        big_endian: byte order of the storages.

    Raises, when it loads:
        Refused: the pickle asks for something that weights never need; nothing of it was done.
        Exceptions of `utils.weights.file.DAMAGE`: it is damaged.
    """

    def __init__(self, file: io.BytesIO, size: int, fetch: Callable = lambda key, size: b"", big_endian: bool = False):
        super().__init__(file, encoding="latin-1")
        self.read, self.readline = file.read, file.readline
        self.stack: list = []
        self.metastack: list = []
        self.append = self.stack.append
        self.work = 4 * size  # a crafted file could have one long text converted a million times
        self.fetch, self.big_endian = fetch, big_endian
        self.storages: dict[str, np.ndarray] = {}

    def load(self):
        for _ in range(MAX_OBJECTS):  # one byte of a file can make an object of 64
            code = self.read(1)
            if code == pickle.STOP:
                return self.stack.pop()
            if code not in INSTRUCTIONS:
                name = {op.code: op.name for op in pickletools.opcodes}.get(code.decode("latin-1"))
                check(name, "no instruction where one should be")
                raise Refused(f"uses a pickle instruction that weights do not need ({name}): it is not loaded")
            INSTRUCTIONS[code](self)
        raise ValueError("more objects than weights have")

    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        raise Refused(
            f"asks to run or load {module}.{name}"[:100] + ", which plain weights never do: nothing of it was run;"
            " if you trust its maker, save its state dict alone and give that"
        )

    def persistent_load(self, identity):
        known = type(identity) is tuple and len(identity) in (5, 6) and identity[0] == "storage"
        check(known, "a storage of unknown form")
        _, kind, key, _, count, *view = identity
        check(type(key) is type(kind) is str and kind in STORAGES and view in ([], [None]), "a storage of unknown form")
        check(type(count) is int and 0 <= count <= MAX_BYTES, "a storage's size is no sensible number")
        dtype = STORAGES[kind].newbyteorder(">" if self.big_endian else "<")
        if key not in self.storages:
            data = self.fetch(key, count * dtype.itemsize)
            check(len(data) >= count * dtype.itemsize, "fewer bytes than its tensors need")
            self.storages[key] = np.ndarray(count, dtype, data)
        storage = self.storages[key]
        check(storage.dtype == dtype and len(storage) == count, "a storage of two types")
        return storage

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        check(callable(function) and type(arguments) is tuple, "a call of what is no function")
        self.work -= sum(len(item) for item in arguments if isinstance(item, (str, bytes, list, tuple)))
        check(self.work >= 0, "more work than its size explains")
        self.append(function(*arguments))

    def load_build(self):  # Python's would set the attributes of functions, too
        state = self.stack.pop()
        check(isinstance(self.stack[-1], (_Names, _Type, _Array)), "a state for what has none")
        self.stack[-1].__setstate__(state)


# marks, numbers, texts and bytes, tuples and lists, items of dicts, memo, names and storages: as Python reads them
_PLAIN = b"\x80(0 N\x88\x89JKM\x8aGILF X\x8c\x8dVSTUBC\x8e )t\x85\x86\x87]ael su qrp\x94hjg c\x93Q".replace(b" ", b"")
INSTRUCTIONS = {
    **{bytes([code]): pickle._Unpickler.dispatch[code] for code in _PLAIN},
    pickle.FRAME: lambda self: self.read(8),  # a hint for reading ahead
    pickle.EMPTY_DICT: lambda self: self.append(_Names()),
    pickle.REDUCE: Unpickler.load_reduce,
    pickle.BUILD: Unpickler.load_build,
}


def finish(value: object, size: int) -> object:
    """Replace the placeholders in nested dicts by arrays.

    Args:
        value: what `Unpickler.load` returned, all storages filled.
        size: bytes that all arrays may have together; a crafted file can name one storage, or one dict, many times.
    """
    values = 0

    def replace(value, depth):
        nonlocal size, values
        values += 1
        check(values <= MAX_OBJECTS and depth <= MAX_DEPTH, "nested too deeply")
        if type(value) is _Names:
            return {key: replace(item, depth + 1) for key, item in value.items()}
        if type(value) is tuple and len(value) == 2 and type(value[1]) is _Array:
            value = value[1]  # inside a nested dict Paddle stores a tensor as (name, array)
        if type(value) is not _Array:
            return value
        array = value.values
        check(array is not None, "an array without values")
        if array.dtype.names:
            array = np.asarray(array["bfloat16"].astype(np.uint32) << 16, np.uint32).view(np.float32)
        size -= array.nbytes
        check(size >= 0, "its tensors are larger than the file")
        return array

    return replace(value, 0)
