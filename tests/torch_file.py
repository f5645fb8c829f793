"""Write torch.save's file format by hand, so that tests can make honest and crafted checkpoints without PyTorch."""

import io
import struct
import zipfile

import numpy as np

STORAGES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage", "float64": "DoubleStorage"}
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def numbers(values):
    return b"(" + b"".join(number(value) for value in values) + b"t"


def strides_of(shape):
    return [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]


def tensor(key, storage, count, shape, strides=None, offset=0):
    """Instructions that rebuild one tensor; every number may be a lie."""
    identity = (
        b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu") + number(count) + b"tQ"
    )
    layout = number(offset) + numbers(shape) + numbers(strides_of(shape) if strides is None else strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + layout + b"\x89" + ORDERED_DICT + b"tR"


def state_pickle(state):
    """The pickle of {name: array}, storage keys 0, 1, ..."""
    items = b""
    for key, (name, array) in enumerate(state.items()):
        array = np.asarray(array)
        items += text(name) + tensor(str(key), STORAGES[array.dtype.name], array.size, array.shape)
    return b"\x80\x02" + ORDERED_DICT + b"(" + items + b"u."


def torch_zip(pickle, storages, extra=(), compression=zipfile.ZIP_STORED):
    """Bytes of a .pth: {name: bytes} below archive/data/ beside archive/data.pkl."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        if pickle is not None:
            archive.writestr("archive/data.pkl", pickle)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key}", data)
        for name, data in extra:
            archive.writestr(name, data)
    return buffer.getvalue()


def write_torch(path, state):
    """Save {name: array} as torch.save would."""
    storages = {str(key): np.ascontiguousarray(array).tobytes() for key, array in enumerate(state.values())}
    path.write_bytes(torch_zip(state_pickle(state), storages))
    return path
