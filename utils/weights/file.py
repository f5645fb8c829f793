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
import pickletools
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
DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first number in a file of torch.save before PyTorch 1.6
DAMAGE = (  # what reading broken data may raise
    *(ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, EOFError, RuntimeError),
    *(struct.error, pickle.UnpicklingError, zipfile.BadZipFile),
)
KINDS = {  # how a file begins -> what it is
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself: run git lfs pull",
}
SHORT, NO_SIZE = "fewer bytes than its tensors need", "a size that is no sensible number"


class _Refused(Exception):
    """The rest of the sentence after the file's name."""


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
    except _Refused as refusal:
        raise WeightsError(f"{path} {one_line(refusal)}") from None
    except DAMAGE as error:
        reason = one_line(error)[:100]
        raise WeightsError(f"{path} is cut off or damaged ({reason}): copy or download it again") from None


def check_file(path: str | os.PathLike) -> None:
    """Raise WeightsError for what cannot be a weight file: missing, a folder, empty or far too large."""
    path = Path(path)
    if not path.is_file():
        wrong = "is not a file" if path.exists() else "does not exist"
        raise WeightsError(f"{path} {wrong}: give a .pth or .pdparams file")
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path} is empty (0 bytes): copy or download it again")
    if size > MAX_BYTES:
        raise WeightsError(f"{path} has {size >> 20} MiB, more than weights of this network: give another file")


def _read_zip(data):
    """torch.save since 1.6: a zip with NAME/data.pkl and one stored, uncompressed entry NAME/data/KEY a storage."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = set(archive.namelist())
    roots = [name[: -len("data.pkl")] for name in names if f"/{name}".endswith("/data.pkl")]
    if len(roots) != 1:
        raise _Refused("is a zip archive, but not a PyTorch checkpoint (no data.pkl in it): give the .pth itself")
    if roots[0] + "constants.pkl" in names:
        raise _Refused("is a TorchScript program, not a checkpoint: give the state dict saved as .pth")

    def read(name):
        entry = archive.getinfo(roots[0] + name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise _Refused("was packed again with compression: give the .pth as torch.save wrote it")
        return archive.read(entry)

    order = ">" if roots[0] + "byteorder" in names and read("byteorder") == b"big" else "<"
    loader = _Unpickler(io.BytesIO(read("data.pkl")), len(data), lambda key, _: read(f"data/{key}"), order)
    return loader.finished(loader.load())


def _read_pickles(data):
    """Either Paddle's single pickle, or torch.save before 1.6: five pickles, then the storages one after the other."""
    if not data.startswith(b"\x80"):
        page = any(mark in data[:2048].lower() for mark in (b"<!doctype html", b"<html"))
        kind = "a web page (the download gave a page instead of the file)" if page else "another kind of file"
        kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), kind)
        raise _Refused(f"is {kind}, not weights: give a .pth or .pdparams file")
    file = io.BytesIO(data)
    loader = _Unpickler(file, len(data))
    result = loader.load()
    if result != LEGACY_MAGIC:
        return loader.finished(result)
    _, system = (_Unpickler(file, len(data)).load() for _ in ("protocol version", "system"))
    order = "<" if system["little_endian"] else ">"
    loader = _Unpickler(file, len(data), lambda key, size: bytearray(size), order)  # filled below
    result, keys = loader.load(), _Unpickler(file, len(data)).load()
    check(all(type(key) is str for key in keys) and loader.storages.keys() == set(keys), "storages of other names")
    for storage in [loader.storages[key] for key in keys]:
        check(struct.unpack(f"{order}q", file.read(8)) == (len(storage),), "a storage of another size than its tensors")
        check(file.readinto(storage.view(np.uint8).data) == storage.nbytes, SHORT)
    return loader.finished(result)


def check(good: object, otherwise: str) -> None:
    """Raise ValueError, what is wrong with a damaged file, unless all is good."""
    if not good:
        raise ValueError(otherwise)


class _Names(dict):
    """A dict or an OrderedDict."""

    def __init__(self, pairs=()):
        for key, value in pairs:
            self[key] = value

    def __setitem__(self, key, value):  # hashing nested tuples could exhaust the stack
        check(type(key) in (str, int), "a dict whose keys are not names")
        super().__setitem__(key, value)


class _Type:
    """numpy.dtype(code), completed by its byte order in the state (version, order, ...) that follows."""

    def __init__(self, code, *_):
        check(type(code) is str and code in DTYPES, "an array of unknown type")
        self.dtype = np.dtype(code)


class _Array:
    """A tensor, or a numpy.ndarray: made empty, and then given (version, shape, type, is_fortran, bytes).

    Never a storage, which is a plain array: another tensor's place in it is reckoned with unit strides.
    """

    def __init__(self, values=None):
        self.values = values


def _rebuild_tensor(storage, offset, size, stride, *_):
    check(type(storage) is np.ndarray and len(size) == len(stride) <= 8, "a tensor without storage")
    check(all(type(n) is int and n >= 0 for n in (offset, *size, *stride)), NO_SIZE)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    inside = math.prod(size) <= len(storage) and (0 in size or last < len(storage))
    check(inside, "a tensor reaches beyond its storage")
    steps = [step * storage.itemsize for step in stride]
    return _Array(np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False))


_TYPES = "Half f2 Float f4 Double f8 Char i1 Short i2 Int i4 Long i8 Byte u1 Bool b1".split()
KNOWN = {  # all that a file may name, and what stands here for it
    **{("torch", f"{name}Storage"): np.dtype(code) for name, code in zip(_TYPES[::2], _TYPES[1::2])},
    ("torch", "BFloat16Storage"): np.dtype([("bfloat16", "u2")]),  # widened at the end, when all bytes are there
    ("collections", "OrderedDict"): _Names,
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): lambda text, _: text.encode("latin-1"),  # bytes in the older protocols
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


class _Unpickler(pickle._Unpickler):
    """Reads one pickle with `load`; `finished` puts arrays in the place of what stands for them.

    `size` is that of the whole file, in bytes; `fetch(key, size)` gives the bytes of a storage, whose byte order is
    `order`. What weights never need is _Refused, before it is done; the errors of a damaged pickle are in DAMAGE.
    """

    def __init__(self, file: io.BytesIO, size: int, fetch: Callable = lambda key, size: b"", order: str = "<"):
        super().__init__(file, encoding="latin-1")
        self.read, self.readline, self.fetch, self.order = file.read, file.readline, fetch, order
        self.stack: list = []
        self.metastack: list = []
        self.append = self.stack.append
        self.left = 4 * size  # bfloat16 takes three: read, and widened; a crafted file could name one thing many times
        self.storages: dict[str, np.ndarray] = {}
        self.values = 0

    def load(self):
        for _ in range(MAX_OBJECTS):  # one byte of a file can make an object of 64
            code = self.read(1)
            if code == pickle.STOP:
                return self.stack.pop()
            if code not in INSTRUCTIONS:
                name = {op.code: op.name for op in pickletools.opcodes}[code.decode("latin-1")]
                raise _Refused(f"uses a pickle instruction that weights do not need ({name}): it is not loaded")
            INSTRUCTIONS[code](self)
        raise ValueError("more objects than weights have")

    def spend(self, size):
        self.left -= size
        check(self.left >= 0, SHORT)

    def find_class(self, module, name):
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        raise _Refused(
            f"asks to run or load {module}.{name}"[:100] + ", which plain weights never do: nothing of it was run;"
            " if you trust its maker, save its state dict alone and give that"
        )

    def persistent_load(self, identity):
        mark, dtype, key, _, count, *view = identity
        known = type(mark) is type(key) is str and mark == "storage" and isinstance(dtype, np.dtype)
        check(known and view in ([], [None]), "a storage of unknown form")
        check(type(count) is int and 0 <= count <= MAX_BYTES, NO_SIZE)
        dtype = dtype.newbyteorder(self.order)
        if key not in self.storages:
            size = count * dtype.itemsize
            self.spend(size)
            data = self.fetch(key, size)
            check(len(data) == size, "a storage of another size than its tensors")
            self.storages[key] = np.ndarray(count, dtype, data)
        storage = self.storages[key]
        check(storage.dtype == dtype and len(storage) == count, "a storage of two types")
        return storage

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        check(callable(function) and type(arguments) is tuple, "a call of what is no function")
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
            check(type(built) is _Names, "a state for what has none")

    def finished(self, value, depth=0):
        """What `load` returned, with arrays in nested dicts; all storages are filled by now."""
        self.values += 1
        check(self.values <= MAX_OBJECTS and depth <= MAX_DEPTH, "nested too deeply")
        if type(value) is _Names:
            return {key: self.finished(item, depth + 1) for key, item in value.items()}
        if type(value) is tuple and len(value) == 2 and type(value[1]) is _Array:
            value = value[1]  # inside a nested dict Paddle stores a tensor as (name, array)
        if type(value) is not _Array:
            return value
        array = value.values
        check(array is not None, "an array without values")
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
