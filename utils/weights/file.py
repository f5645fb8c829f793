"""Tensors out of weight files from outside, without running anything from them and without PyTorch."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

from dataset.errors import one_line
from utils.system.errors import WeightsError
from utils.weights.unpickle import MAX_BYTES, Refused, Unpickler, check, finish

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


def read_tensors(path: str | os.PathLike) -> object:
    """Read a weight file's data: .pth of torch.save (zip or legacy format), or .pdparams of paddle.save.

    Returns:
        What was saved: dicts, lists, tuples, numbers, strings, with NumPy arrays where tensors were. bfloat16
        comes as float32, the rest in its own type.

    Raises:
        WeightsError: missing, cut off, of another kind, or a pickle that asks for more than tensors need.
    """
    check_file(path)
    try:
        data = Path(path).read_bytes()
        if data.startswith(b"PK"):
            return _read_zip(data)
        if data.startswith(b"\x80"):
            return _read_pickles(data)
    except Refused as refusal:
        raise WeightsError(f"{path} {one_line(refusal)}") from None
    except DAMAGE as error:
        reason = one_line(error)[:100]
        raise WeightsError(f"{path} is cut off or damaged ({reason}): copy or download it again") from None
    raise WeightsError(f"{path} is {_kind(data)}, not weights: give a .pth or .pdparams file")


def check_file(path: str | os.PathLike) -> None:
    """Raise WeightsError for what cannot be a weight file: missing, a folder, empty or far too large."""
    path = Path(path)
    if not path.exists():
        raise WeightsError(f"{path} does not exist: check the name of the weights")
    if not path.is_file():
        raise WeightsError(f"{path} is not a file: give a .pth or .pdparams file")
    if not os.access(path, os.R_OK):
        raise WeightsError(f"{path} may not be read: change its permissions")
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path} is empty (0 bytes): copy or download it again")
    if size > MAX_BYTES:
        raise WeightsError(f"{path} has {size >> 20} MiB, more than weights of this network: give another file")


def _kind(data):
    head = data[:2048].lower()
    if b"<!doctype html" in head or b"<html" in head:
        return "a web page (the download gave a page instead of the file)"
    return next((kind for start, kind in KINDS.items() if data.startswith(start)), "another kind of file")


def _read_zip(data):
    """torch.save since 1.6: a zip with NAME/data.pkl and one stored, uncompressed entry NAME/data/KEY a storage."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        raise Refused("is cut off (a zip archive without its end): copy or download it again") from None
    entries = {entry.filename: entry for entry in archive.infolist()}
    roots = [name[: -len("data.pkl")] for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise Refused("is a zip archive, but not a PyTorch checkpoint (no data.pkl in it): give the .pth itself")
    root, budget = roots[0], len(data)
    if root + "constants.pkl" in entries or any(name.startswith(root + "code/") for name in entries):
        raise Refused("is a TorchScript program, not a checkpoint: give the state dict saved as .pth")

    def read(name):
        nonlocal budget
        check(root + name in entries, f"{name} is missing in the archive")
        entry = entries[root + name]
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise Refused("was packed again with compression: give the .pth as torch.save wrote it")
        budget -= entry.file_size  # entries of a crafted archive may overlap
        check(budget >= 0, "the archive's entries are larger than the archive")
        return archive.read(entry)

    big_endian = root + "byteorder" in entries and read("byteorder") == b"big"
    pickled = read("data.pkl")
    loader = Unpickler(io.BytesIO(pickled), len(pickled), lambda key, _: read(f"data/{key}"), big_endian)
    return finish(loader.load(), 4 * len(data))


def _read_pickles(data):
    """Either Paddle's single pickle, or torch.save before 1.6: five pickles, then the storages one after the other."""
    storages: dict[str, bytearray] = {}
    file, left = io.BytesIO(data), len(data)

    def fetch(key, size):  # filled below: the tensors are views
        nonlocal left
        left -= size
        check(left >= 0, "fewer bytes than its tensors need")
        return storages.setdefault(key, bytearray(size))

    result = Unpickler(file, len(data), fetch).load()
    if result != LEGACY_MAGIC:
        return finish(result, 4 * len(data))
    Unpickler(file, len(data)).load()  # protocol version
    big_endian = not Unpickler(file, len(data)).load()["little_endian"]
    loader = Unpickler(file, len(data), fetch, big_endian)
    result, keys = loader.load(), Unpickler(file, len(data)).load()
    check(all(type(key) is str for key in keys) and storages.keys() == set(keys), "storages of other names")
    for key in keys:
        count = int.from_bytes(file.read(8), "big" if big_endian else "little", signed=True)
        check(count == len(loader.storages[key]), f"storage {key} has another size than its tensors")
        check(file.readinto(storages[key]) == len(storages[key]), "fewer bytes than its tensors need")
    return finish(result, 4 * len(data))
