"""A pickle interpreter that can build tensors and plain data, and nothing else.

A pickle is a small program that Python's own loader runs, whatever it asks for. `unpickle` interprets the few
instructions that tensors need and knows the few names in `KNOWN`, all of which build plain data of this module.
Nothing is imported or called by name. Every size that a file states is checked against the bytes that the file has,
before anything of that size is made.
"""

import pickletools
from os import SEEK_END

import numpy as np

MAX_BYTES = 2 << 30  # the largest published checkpoint (resnet101 with an optimizer's state) has about 0.7e9
DTYPES = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"}
STORAGES = {  # name in torch -> NumPy type of an element; bfloat16 is read as uint16 and widened afterwards
    "HalfStorage": "f2",
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "BFloat16Storage": "u2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "ShortStorage": "i2",
    "IntStorage": "i4",
    "LongStorage": "i8",
    "BoolStorage": "b1",
}


class Refused(Exception):
    """The rest of the sentence after the file's name."""


class Storage:
    """A block of numbers that tensors are views of; its bytes come after the pickle has been read."""

    def __init__(self, name, count):
        if type(count) is not int or not 0 <= count <= MAX_BYTES:
            raise ValueError("a storage's size is no sensible number")
        self.name, self.count, self.dtype, self.values = name, count, np.dtype(STORAGES[name]), None

    def fill(self, data, order):
        if len(data) < self.count * self.dtype.itemsize:
            raise ValueError("fewer bytes than its tensors need")
        self.values = np.zeros(0, self.dtype)  # frombuffer refuses to read nothing
        if self.count:
            self.values = np.frombuffer(data, self.dtype.newbyteorder(order), self.count)


class _Tensor:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)."""

    def __init__(self, storage, offset, size, stride, *_):
        numbers = (offset, *size, *stride)
        if not isinstance(storage, Storage) or len(size) != len(stride) or len(size) > 8:
            raise ValueError("a tensor without storage")
        if any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("a tensor's size is no sensible number")
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def array(self):
        values = self.storage.values
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride))
        count = 1
        for n in self.size:
            count *= n
        if values is None or count > len(values) or (count and last >= len(values)):
            raise ValueError("a tensor reaches beyond its storage")
        steps = [step * values.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.size, steps, writeable=False)
        if self.storage.name == "BFloat16Storage":
            return (view.astype(np.uint32) << 16).view(np.float32)
        return view


class _Type:
    """numpy.dtype(code): a name, completed by its byte order in the state that follows."""

    def __init__(self, code, *_):
        if type(code) is not str or code not in DTYPES:
            raise ValueError("an array of unknown type")
        self.dtype = np.dtype(code)

    def set_state(self, state):
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """numpy.ndarray, made empty and then given (version, shape, type, is_fortran, bytes)."""

    def __init__(self, *_):
        self.values = None

    def set_state(self, state):
        _, shape, kind, fortran, data = state
        self.values = np.frombuffer(data, kind.dtype).reshape(shape, order="F" if fortran else "C")

    def array(self):
        if self.values is None:
            raise ValueError("an array without values")
        return self.values


def _from_buffer(data, kind, shape, order):
    array = _Array()
    array.set_state((1, shape, kind, order == "F", data))
    return array


def _scalar(kind, data=b""):
    return np.frombuffer(data, kind.dtype, 1)[0].item()


def _encode(text, encoding):
    if encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in an unknown encoding")
    return text.encode("latin-1")


def _plain(*_):
    raise ValueError("a type where a value should be")


KNOWN = {  # all that a file may name, and what stands here for it
    ("collections", "OrderedDict"): lambda pairs=(): dict(_pairs(pairs)),
    ("builtins", "tuple"): tuple,
    ("__builtin__", "tuple"): tuple,
    ("_codecs", "encode"): _encode,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _Tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
    ("numpy", "ndarray"): _plain,
    ("numpy", "dtype"): _Type,
}
for _core in ("numpy.core", "numpy._core"):
    KNOWN[_core + ".multiarray", "_reconstruct"] = _Array
    KNOWN[_core + ".multiarray", "scalar"] = _scalar
    KNOWN[_core + ".numeric", "_frombuffer"] = _from_buffer
STORAGE_TYPES = {("torch", name): name for name in STORAGES}
CALLABLE = set(map(id, KNOWN.values()))


def _pairs(pairs):
    return [(_key(key), value) for key, value in pairs]


def _key(key):
    if type(key) not in (str, int):  # nested tuples as keys could exhaust the stack when they are hashed
        raise ValueError("a dict whose keys are not names")
    return key


def finish(value, budget):
    """Replace the placeholders in nested dicts by arrays.

    Args:
        value: what unpickle returned, its storages filled.
        budget: bytes that all arrays may have together; a crafted file can name one storage a million times.
    """
    made = 0

    def replace(value, depth):
        nonlocal made
        if type(value) is tuple and len(value) == 2 and isinstance(value[1], _Array):
            value = value[1]  # inside a nested dict Paddle stores a tensor as (name, array)
        if isinstance(value, (_Tensor, _Array)):
            array = value.array()
            made += array.nbytes
            if made > budget:
                raise ValueError("its tensors are larger than the file")
            return array
        if type(value) is dict:
            if depth > 20:
                raise ValueError("nested too deeply")
            return {key: replace(item, depth + 1) for key, item in value.items()}
        return value

    return replace(value, 0)


CONSTANTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "INT", "LONG", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
FIXED = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
FRESH = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def unpickle(file):
    """Interpret the pickle that starts at the position of a BytesIO.

    Returns:
        (value, {key: Storage}): tensors are placeholders until their storages are filled and `finish` is called.

    Raises:
        Refused: the pickle asks for something that weights never need; nothing of it was done.
        ValueError, TypeError, KeyError, IndexError, AttributeError: it is damaged.
    """
    storages = {}
    return _interpret(file, storages), storages


def _interpret(file, storages):
    stack, marks, memo = [], [], {}
    start = file.tell()
    work = 4 * file.seek(0, SEEK_END)  # a crafted file could have one long text converted a million times
    file.seek(start)  # (its getbuffer() would tell the size, too, but copy the file first)

    def pop_mark():
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for code, argument, _ in pickletools.genops(file):
        name = code.name
        if name in CONSTANTS:
            stack.append(argument)
        elif name in FIXED:
            stack.append(FIXED[name])
        elif name in FRESH:
            stack.append(FRESH[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(pop_mark()))
        elif name in TUPLES:
            items = tuple(stack[-TUPLES[name] :])
            del stack[-TUPLES[name] :]
            stack.append(items)
        elif name in ("SETITEM", "SETITEMS", "DICT"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else pop_mark()
            if name == "DICT":
                stack.append({})
            if type(stack[-1]) is not dict:
                raise ValueError("an item for what is no dict")
            stack[-1].update(_pairs(zip(items[::2], items[1::2])))
        elif name in ("APPEND", "APPENDS", "LIST"):
            items = [stack.pop()] if name == "APPEND" else pop_mark()
            if name == "LIST":
                stack.append([])
            if type(stack[-1]) is not list:
                raise ValueError("an item for what is no list")
            stack[-1].extend(items)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[int(argument)])
        elif name == "GLOBAL":
            stack.append(_named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_named(module, attribute))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if id(function) not in CALLABLE or type(arguments) is not tuple:
                raise ValueError("a call of what is no function")
            work -= sum(len(item) for item in arguments if isinstance(item, (str, bytes, list, tuple)))
            if work < 0:
                raise ValueError("more work than its size explains")
            stack.append(function(*arguments))
        elif name == "BUILD":
            state = stack.pop()
            if isinstance(stack[-1], (_Type, _Array)):
                stack[-1].set_state(state)
            elif type(stack[-1]) is not dict:  # an OrderedDict's state is PyTorch's _metadata: version numbers only
                raise ValueError("a state for what has none")
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop(), storages))
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME", "POP"):
            raise Refused(f"uses a pickle instruction that weights do not need ({name}): it is not loaded")
        elif name == "POP":
            stack.pop()
    raise ValueError("no end")


def _named(module, name):
    if type(module) is not str or type(name) is not str:
        raise ValueError("a name that is no text")
    if (module, name) in KNOWN:
        return KNOWN[module, name]
    if (module, name) in STORAGE_TYPES:
        return STORAGE_TYPES[module, name]
    wanted = f"{module}.{name}"[:80].encode("ascii", "replace").decode().replace("\n", " ")
    raise Refused(
        f"asks to run or load {wanted}, which plain weights never do: nothing of it was run;"
        " if you trust its maker, save its state dict alone and give that"
    )


def _storage(identity, storages):
    """('storage', type, key, device, count[, view]) -> Storage."""
    if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
        raise ValueError("a storage of unknown form")
    _, kind, key, _, count = identity[:5]
    if type(key) is not str or type(kind) is not str or kind not in STORAGES or identity[5:] not in ((), (None,)):
        raise ValueError("a storage of unknown form")
    if key not in storages:
        storages[key] = Storage(kind, count)
    elif (storages[key].name, storages[key].count) != (kind, count):
        raise ValueError("a storage of two types")
    return storages[key]
