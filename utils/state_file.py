"""Tensors out of weight files from outside, without running anything from them and without PyTorch."""

import io
import struct
import zipfile
from pathlib import Path

from dataset.errors import one_line
from utils.errors import WeightsError
from utils.restricted_pickle import MAX_BYTES, Refused, finish, unpickle

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # first number in a file of torch.save before PyTorch 1.6
DAMAGE = (  # what reading broken data may raise
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, OSError, EOFError),
    *(struct.error, RuntimeError),
)
OTHER_KINDS = (  # first bytes -> what the file is
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (b"%PDF", "a PDF document"),
)


def read_tensors(path):
    """Read a weight file's data: .pth of torch.save (zip or legacy format), or .pdparams of paddle.save.

    Returns:
        What was saved: dicts, lists, tuples, numbers, strings, with NumPy arrays where tensors were. bfloat16
        comes as float32, the rest in its own type.

    Raises:
        WeightsError: missing, cut off, of another kind, or a pickle that asks for more than tensors need.
    """
    path = Path(path)
    data = _read_bytes(path)
    for start, kind in OTHER_KINDS:
        if data.startswith(start):
            raise WeightsError(f"{path} is {kind}; weights are .pth or .pdparams files")
    try:
        if data.startswith(b"PK"):
            return _read_zip(path, data)
        if data.startswith(b"\x80"):
            return _read_pickles(data)
    except Refused as refusal:
        raise WeightsError(f"{path} {refusal}") from None
    except DAMAGE as error:
        reason = one_line(error)[:100]
        raise WeightsError(f"{path} is cut off or damaged ({reason}): copy or download it again") from None
    raise WeightsError(f"{path} is {_guess_kind(data)}, not weights: give a .pth or .pdparams file")


def check_file(path):
    """Raise WeightsError for what cannot be a weight file: missing, a folder, empty or far too large."""
    if not path.exists():
        raise WeightsError(f"{path} does not exist: check the name of the weights")
    if not path.is_file():
        raise WeightsError(f"{path} is not a file: give a .pth or .pdparams file")
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path} is empty (0 bytes): copy or download it again")
    if size > MAX_BYTES:
        raise WeightsError(
            f"{path} has {size >> 20} MiB, more than weights of this network can have: give another file"
        )


def _read_bytes(path):
    check_file(path)
    try:
        return path.read_bytes()
    except PermissionError:
        raise WeightsError(f"{path} may not be read: change its permissions") from None


def _guess_kind(data):
    head = data[:2048]
    if any(mark in head.lower() for mark in (b"<!doctype html", b"<html")):
        return "a web page (the download gave a page instead of the file)"
    if data[257:262] == b"ustar":
        return "a tar archive"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        return "a safetensors file"
    try:
        head[:-4].decode("utf-8")
        return "another kind of file" if b"\0" in head else "a text file"
    except UnicodeDecodeError:
        return "another kind of file"


# ---------------------------------------------------------------- containers


def _read_zip(path, data):
    """torch.save since 1.6: a zip with NAME/data.pkl and one stored, uncompressed entry NAME/data/KEY a storage."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile:
        raise Refused("is cut off (a zip archive without its end): copy or download it again") from None
    with archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        roots = [name[: -len("data.pkl")] for name in entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise Refused("is a zip archive, but not a PyTorch checkpoint (no data.pkl in it): give the .pth itself")
        root = roots[0]
        if root + "constants.pkl" in entries or any(name.startswith(root + "code/") for name in entries):
            raise Refused("is a TorchScript program, not a checkpoint: give the state dict saved as .pth")
        budget = len(data)  # entries may overlap in a crafted archive; honest ones do not add up to more than the file

        def read(name):
            nonlocal budget
            entry = entries.get(root + name)
            if entry is None:
                raise ValueError(f"{name} is missing in the archive")
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise Refused("was packed again with compression: give the .pth as torch.save wrote it")
            budget -= entry.file_size
            if budget < 0:
                raise ValueError("the archive's entries are larger than the archive")
            try:
                return archive.read(entry)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
                raise ValueError(str(error)) from None

        order = ">" if root + "byteorder" in entries and read("byteorder") == b"big" else "<"
        result, storages = unpickle(io.BytesIO(read("data.pkl")))
        for key, storage in storages.items():
            storage.fill(read(f"data/{key}"), order)
        return finish(result, 4 * len(data))


def _read_pickles(data):
    """Either Paddle's single pickle, or torch.save before 1.6: five pickles, then the storages one after the other."""
    file = io.BytesIO(data)
    result, storages = unpickle(file)
    if result != LEGACY_MAGIC:
        return finish(result, 4 * len(data))
    unpickle(file)  # protocol version
    system, _ = unpickle(file)
    order = "<" if system["little_endian"] else ">"
    result, storages = unpickle(file)
    keys, _ = unpickle(file)
    for key in keys:
        if type(key) is not str:
            raise ValueError("a storage without name")
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big", signed=True)
        if count != storage.count:
            raise ValueError(f"storage {key} has another size than its tensors")
        storage.fill(file.read(storage.count * storage.dtype.itemsize), order)
    return finish(result, 4 * len(data))
