"""Tensors out of weight files from outside, without running anything from them and without PyTorch.

A pickle is a small program that its loader runs, whatever it asks for. The loader here is Python's own, held to the
instructions in `INSTRUCTIONS` and the names in `KNOWN`, all of which build plain data of this module: nothing is
imported or called by name. It is the one written in Python: that in C makes room for any number that a file states.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dataset.errors import one_line
from utils.system.errors import WeightsError

MAX_BYTES = 2 << 30  # the largest published checkpoint (resnet101 with an optimizer's state) has about 0.7e9
MAX_OBJECTS = 200_000  # instructions, and values of the result; the same checkpoint has about 50,000
MAX_DEPTH = 20  # of dicts in dicts
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first number in a file of torch.save before PyTorch 1.6
OTHER = {  # how a file that is none begins, and what it is
    b"<": "a web page (the download gave a page instead of the file)",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: run git lfs pull",
}
SHORT, NO_SIZE = "fewer bytes than its tensors need", "a size that is no sensible number"


def read_tensors(path: str | os.PathLike) -> object:
    """Read a weight file's data: .pth of torch.save (zip or legacy format), or .pdparams of paddle.save.

    Returns what was saved: dicts, lists, tuples, numbers, strings, with NumPy arrays where tensors were. bfloat16
    comes as float32, the rest in its own type.

    Raises WeightsError: missing, cut off, of another kind, or a pickle that asks for more than tensors need. OSError:
    the file may not be read.
    """
    check_file(path)
    data = Path(path).read_bytes()
    try:
        return _read_zip(data) if data.startswith(b"PK") else _read_pickles(data)
    except WeightsError as error:
        problem = one_line(error)
    except MemoryError:
        raise
    except Exception as error:  # broken data raises anything
        problem = f"is cut off or damaged ({one_line(error)[:100]}): copy or download it again"
    raise WeightsError(f"{path} {problem}")


def check_file(path: str | os.PathLike) -> None:
    """Raise WeightsError for what cannot be a weight file: missing, a folder, empty or far too large."""
    path = Path(path)
    if not path.is_file():
        wrong = "is not a file" if path.exists() else "does not exist"
        raise WeightsError(f"{path} {wrong}: give a .pth or .pdparams file")
    if not 0 < path.stat().st_size <= MAX_BYTES:
        raise WeightsError(f"{path} has {path.stat().st_size} bytes, as no weights have: copy or download it again")


def _read_zip(data):
    """torch.save since 1.6: a zip with NAME/data.pkl and one stored, uncompressed entry NAME/data/KEY a storage."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = set(archive.namelist())
    roots = [name.removesuffix("data.pkl") for name in names if f"/{name}".endswith("/data.pkl")]
    if len(roots) != 1:
        raise WeightsError("is a zip archive, but no PyTorch checkpoint (no data.pkl in it): give the .pth itself")
    if roots[0] + "constants.pkl" in names:
        raise WeightsError("is a TorchScript program, not a checkpoint: give the state dict saved as .pth")

    def read(name):
        entry = archive.getinfo(roots[0] + name)
        _check(entry.compress_type == zipfile.ZIP_STORED, "packed again with compression")
        return archive.read(entry)

    loader = _Unpickler(io.BytesIO(read("data.pkl")), len(data), lambda key, _: read(f"data/{key}"))
    if roots[0] + "byteorder" in names and read("byteorder") == b"big":
        loader.order = ">"
    return loader.finished(loader.load())


def _read_pickles(data):
    """Either Paddle's single pickle, or torch.save before 1.6: five pickles, then the storages one after the other."""
    if not data.startswith(b"\x80"):
        kinds = [kind for start, kind in OTHER.items() if data.lstrip().startswith(start)]
        raise WeightsError(f"is {(*kinds, 'another kind of file')[0]}, not weights: give a .pth or .pdparams file")
    loader = _Unpickler(file := io.BytesIO(data), len(data))
    result = loader.load()
    if result != LEGACY_MAGIC:
        return loader.finished(result)
    _, system = loader.load(), loader.load()
    loader.order = "<" if system["little_endian"] else ">"
    loader.fetch = lambda key, size: bytearray(size)  # filled below
    result, keys = loader.load(), loader.load()
    named = all(type(key) is str for key in keys) and loader.storages.keys() == set(keys)
    _check(named, "storages of other names")
    for storage in [loader.storages[key] for key in keys]:
        stated = struct.unpack(f"{loader.order}q", file.read(8))
        _check(stated == (len(storage),), "a storage of another size than its tensors")
        _check(file.readinto(storage.view(np.uint8).data) == storage.nbytes, SHORT)
    return loader.finished(result)


def _check(good, otherwise):
    if not good:
        raise ValueError(otherwise)


class _Names(dict):
    """A dict or an OrderedDict."""

    def __init__(self, pairs=()):
        for key, value in pairs:
            self[key] = value

    def __setitem__(self, key, value):  # hashing nested tuples could exhaust the stack
        _check(type(key) in (str, int), "a dict whose keys are not names")
        super().__setitem__(key, value)


class _Type:
    """numpy.dtype(code), completed by its byte order in the state (version, order, ...) that follows."""

    def __init__(self, code, *_):
        _check(type(code) is str and code in {*TYPES.values(), "u2", "u4", "u8"}, "an array of unknown type")
        self.dtype = np.dtype(code)


class _Array:
    """A tensor, or a numpy.ndarray: made empty, and then given (version, shape, type, is_fortran, bytes).

    Never a storage, which is a plain array: another tensor's place in it is reckoned with unit strides.
    """

    def __init__(self, values=None):
        self.values = values


def _rebuild_tensor(storage, offset, size, stride, *_):
    _check(type(storage) is np.ndarray and len(size) == len(stride) <= 8, "a tensor without storage")
    _check(all(type(n) is int and n >= 0 for n in (offset, *size, *stride)), NO_SIZE)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    inside = math.prod(size) <= len(storage) and (0 in size or last < len(storage))
    _check(inside, "a tensor reaches beyond its storage")
    steps = [step * storage.itemsize for step in stride]
    return _Array(np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False))


TYPES = dict(Half="f2", Float="f4", Double="f8", Char="i1", Short="i2", Int="i4", Long="i8", Byte="u1", Bool="b1")
KNOWN = {  # all that a file may name, and what stands here for it
    **{("torch", f"{name}Storage"): np.dtype(code) for name, code in TYPES.items()},
    ("torch", "BFloat16Storage"): np.dtype([("bfloat16", "u2")]),  # widened at the end, when all bytes are there
    ("collections", "OrderedDict"): _Names,
    ("_codecs", "encode"): lambda text, _: text.encode("latin-1"),  # bytes in the older protocols
    **dict.fromkeys([("builtins", "tuple"), ("__builtin__", "tuple"), ("torch", "Size")], tuple),
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("numpy", "ndarray"): None,  # an argument of _reconstruct
    ("numpy", "dtype"): _Type,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    KNOWN[_core, "_reconstruct"] = lambda *_: _Array()
    KNOWN[_core, "scalar"] = lambda kind, data=b"": np.frombuffer(data, kind.dtype, 1)[0].item()


class _Unpickler(pickle._Unpickler):
    """Reads the pickles of a file with `load`; `finished` puts arrays in the place of what stands for them.

    `size` is that of the whole file, in bytes; `fetch(key, size)` gives the bytes of a storage, whose byte order is
    `order`. What weights never need is a WeightsError, before it is done; damage may raise anything.
    """

    def __init__(self, file: io.BytesIO, size: int, fetch: Callable = lambda key, size: b""):
        super().__init__(file, encoding="latin-1")
        self.read, self.readline, self.fetch, self.order = file.read, file.readline, fetch, "<"
        self.left = 4 * size  # bfloat16 takes three: read, and widened; a crafted file could name one thing many times
        self.storages: dict[str, np.ndarray] = {}
        self.values = 0

    def load(self):
        self.stack: list = []
        self.append, self.metastack, self.memo = self.stack.append, [], {}
        for _ in range(MAX_OBJECTS):  # one byte of a file can make an object of 64
            code = self.read(1)
            if code == pickle.STOP:
                return self.stack.pop()
            _check(code, "it ends too early")
            if code not in INSTRUCTIONS:
                raise WeightsError(f"uses a pickle instruction that weights do not need ({code!r}): it is not loaded")
            INSTRUCTIONS[code](self)
        raise ValueError("more objects than weights have")

    def spend(self, size):
        self.left -= size
        _check(self.left >= 0, SHORT)

    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        raise WeightsError(
            f"asks to run or load {module}.{name}"[:100] + ", which plain weights never do: nothing of it was run;"
            " if you trust its maker, save its state dict alone and give that"
        )

    def persistent_load(self, identity):
        mark, dtype, key, _, count, *view = identity
        known = type(mark) is type(key) is str and mark == "storage" and isinstance(dtype, np.dtype)
        _check(known and view in ([], [None]), "a storage of unknown form")
        _check(type(count) is int and 0 <= count <= MAX_BYTES, NO_SIZE)
        dtype = dtype.newbyteorder(self.order)
        if key not in self.storages:
            size = count * dtype.itemsize
            self.spend(size)
            data = self.fetch(key, size)
            _check(len(data) == size, "a storage of another size than its tensors")
            self.storages[key] = np.ndarray(count, dtype, data)
        storage = self.storages[key]
        _check(storage.dtype == dtype and len(storage) == count, "a storage of two types")
        return storage

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        _check(callable(function) and type(arguments) is tuple, "a call of what is no function")
        self.spend(sum(len(item) for item in arguments if isinstance(item, (str, bytes, list, tuple))))
        self.append(function(*arguments))

    def load_build(self):  # Python's would set the attributes of functions, too
        state, built = self.stack.pop(), self.stack[-1]
        if type(built) is _Type:
            built.dtype = built.dtype.newbyteorder(">" if state[1] == ">" else "=")
        elif type(built) is _Array:
            _, shape, kind, fortran, data = state
            built.values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")
        else:  # PyTorch's _metadata: version numbers only
            _check(type(built) is _Names, "a state for what has none")

    def finished(self, value, depth=0):
        """What `load` returned, with arrays in nested dicts; all storages are filled by now."""
        self.values += 1
        _check(self.values <= MAX_OBJECTS and depth <= MAX_DEPTH, "nested too deeply")
        if type(value) is _Names:
            return {key: self.finished(item, depth + 1) for key, item in value.items()}
        if type(value) is tuple and len(value) == 2 and type(value[1]) is _Array:
            value = value[1]  # inside a nested dict Paddle stores a tensor as (name, array)
        if type(value) is not _Array:
            return value
        array = value.values
        if array.dtype.names:
            array = np.asarray(array["bfloat16"].astype(np.uint32) << 16, np.uint32).view(np.float32)
        self.spend(array.nbytes)
        return array


# marks, numbers, texts and bytes, tuples and lists, items of dicts, memo, names and storages: as Python reads them
_PLAIN = b"\x80(0 N\x88\x89JKM\x8aGILF X\x8c\x8dVSTUBC\x8e )t\x85\x86\x87]ael su qrp\x94hjg c\x93Q".replace(b" ", b"")
INSTRUCTIONS = {
    **{bytes([code]): pickle._Unpickler.dispatch[code] for code in _PLAIN},
    pickle.FRAME: lambda self: self.read(8),  # a hint for reading ahead
    pickle.EMPTY_DICT: lambda self: self.append(_Names()),
    pickle.REDUCE: _Unpickler.load_reduce,
    pickle.BUILD: _Unpickler.load_build,
}
