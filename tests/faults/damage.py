"""Ways to damage a valid file, each drawn from a random.Random: bytes, PNG chunks, zip members, pickle instructions.

Plain damage mostly stops at the first checksum; the others keep checksums and containers sound, so that what lies
behind them is reached.
"""

import io
import pickletools
import struct
import warnings
import zipfile
import zlib

LARGEST = 1 << 20  # bytes of a damaged file: what grows beyond it is cut
NUMBERS = (0, 1, 2, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 1 << 20, 1 << 28, 1 << 30)
NUMBERS += ((1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
PNG = b"\x89PNG\r\n\x1a\n"
PACKED = [b"name\0\0" + zlib.compress(bytes(size)) for size in (10, 1 << 24)]  # a small text, and a large one


def damage(rng, data, others):
    """One file, damaged once or a few times.

    Args:
        rng: random.Random.
        data: bytes of a valid file.
        others: list of bytes, valid files of which pieces may be spliced in.

    Returns:
        bytes, at most LARGEST.
    """
    ways = [plain]
    if data.startswith(PNG):
        ways += [png_chunks] * 2
    if data.startswith(b"PK"):
        ways += [zip_members] * 3
    if data.startswith(b"\x80"):
        ways += [pickle_instructions] * 2
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        way = rng.choice(ways)
        data = way(rng, data, others)[:LARGEST]
    return data


def plain(rng, data, others):
    """Bits, bytes, numbers, pieces cut out, doubled, moved or taken from another file; the end cut off."""
    data = bytearray(data or b"\0")
    at, length = rng.randrange(len(data)), rng.choice((1, 2, 4, 16, 64, 256, len(data) // 2 + 1))
    way = rng.choice(("bits", "bytes", "number", "number", "cut out", "double", "insert", "splice", "end", "move"))
    if way == "bits":
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif way == "bytes":
        for place in range(at, min(at + rng.choice((1, 2, 4, 16)), len(data))):
            data[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif way == "number":
        size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
        data[at : at + size] = number(rng, size).to_bytes(size, order)
    elif way == "cut out":
        del data[at : at + length]
    elif way == "double":
        data[at:at] = data[at : at + length] * rng.choice((1, 1, 50))
    elif way == "insert":
        data[at:at] = rng.randbytes(length % 65)
    elif way == "splice":
        other = rng.choice(others)
        start = rng.randrange(len(other))
        data[at : at + length] = other[start : start + length]
    elif way == "end":
        del data[at:]
    else:
        piece = data[at : at + length]
        del data[at : at + length]
        to = rng.randrange(len(data) + 1)
        data[to:to] = piece
    return bytes(data)


def number(rng, size):
    """A number that readers like to stumble over, of so many bytes."""
    return (rng.choice(NUMBERS) + rng.choice((0, 0, 1, -1))) % (1 << 8 * size)


def png_chunks(rng, data, others):
    """Damage a chunk's contents, sizes in the header included, and state the right checksum; mix up the chunks."""
    chunks, at = [], len(PNG)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.append([kind, data[at + 8 : at + 8 + length]])
        at += 12 + length
    if not chunks:
        return plain(rng, data, others)
    place = rng.randrange(len(chunks))
    kind, body = chunks[place]
    way = rng.choice(("body", "body", "packed", "header", "remove", "double", "swap", "new"))
    if way == "packed" and kind == b"IDAT":
        try:
            body = zlib.compress(plain(rng, zlib.decompress(body), others))
        except zlib.error:
            body = plain(rng, body, others)
        chunks[place][1] = body
    elif way in ("body", "packed"):
        chunks[place][1] = plain(rng, body, others)
    elif way == "header" and len(chunks[0][1]) == 13:
        fields = list(struct.unpack(">IIBBBBB", chunks[0][1]))
        field = rng.randrange(7)
        small = (1, 2, 3, 4, 6, 8, 16, rng.randrange(256))
        fields[field] = number(rng, 4) if field < 2 else rng.choice(small)
        chunks[0][1] = struct.pack(">IIBBBBB", *fields)
    elif way == "remove":
        del chunks[place]
    elif way == "double":
        chunks.insert(place, chunks[place])
    elif way == "swap":
        other = rng.randrange(len(chunks))
        chunks[place], chunks[other] = chunks[other], chunks[place]
    else:
        kinds = (b"tRNS", b"PLTE", b"iCCP", b"gAMA", b"eXIf", b"zTXt", b"iTXt", b"tEXt", b"sBIT", b"acTL", b"fdAT")
        chunks.insert(place, [rng.choice(kinds), rng.choice((*PACKED, rng.randbytes(rng.randrange(70))))])
    out = PNG
    for kind, body in chunks:
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return out


def zip_members(rng, data, others):
    """Damage members of a zip archive, its pickle above all, and write it anew; or its table of contents as it is."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [[name, archive.read(name)] for name in archive.namelist()]
    except Exception:  # it has been damaged already
        return plain(rng, data, others)
    way = rng.choice(("pickle", "pickle", "pickle", "contents", "remove", "double", "rename", "pack", "table"))
    if not members or way == "table":
        start = max(data.rfind(b"PK\x01\x02", 0, max(len(data) - 100, 0)), 0)
        return data[:start] + plain(rng, data[start:], others)
    place = rng.randrange(len(members))
    name, body = members[place]
    packing = zipfile.ZIP_STORED
    if way == "pickle":
        for member in members:
            if member[0].endswith("data.pkl"):
                member[1] = rng.choice((plain, pickle_instructions, pickle_instructions))(rng, member[1], others)
    elif way == "contents":
        members[place][1] = plain(rng, body, others)
    elif way == "remove":
        del members[place]
    elif way == "double":
        members.insert(rng.randrange(len(members) + 1), [name, body])
    elif way == "rename":
        members[place][0] = rng.choice((name + "x", "../" + name, "/" + name, "data.pkl", "", "a/data.pkl", "x" * 300))
    else:
        packing = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name are what is wanted
        for name, body in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = packing
            archive.writestr(info, body)
    return out.getvalue()


def pickle_instructions(rng, data, others):
    """Remove, double, swap, replace or insert instructions of a pickle, or change their arguments."""
    starts, at = [], 0
    try:
        while at < len(data) and data[at : at + 1] == b"\x80":  # old files of PyTorch hold several
            file = io.BytesIO(data[at:])
            starts += [at + place for _, _, place in pickletools.genops(file)]
            at += file.tell()
    except Exception:  # it has been damaged already, or the numbers of the tensors follow
        pass
    if len(starts) < 2:
        return plain(rng, data, others)
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], max(at, starts[-1] + 1)])]
    rest = data[max(at, starts[-1] + 1) :]
    place, length = rng.randrange(len(parts)), rng.choice((1, 1, 2, 5, 20))
    way = rng.choice(("remove", "double", "many", "swap", "insert", "replace", "argument", "argument"))
    if way == "remove":
        del parts[place : place + length]
    elif way in ("double", "many"):
        parts[place:place] = parts[place : place + length] * (1 if way == "double" else rng.choice((100, 5000)))
    elif way == "swap":
        other = rng.randrange(len(parts))
        parts[place], parts[other] = parts[other], parts[place]
    elif way == "argument":
        code, argument = parts[place][:1], bytearray(parts[place][1:])
        if argument:
            size = min(len(argument), rng.choice((1, 2, 4, 8)))
            argument[:size] = number(rng, size).to_bytes(size, "little")
        parts[place] = code + bytes(argument)
    else:
        parts[place : place + (way == "replace")] = [instruction(rng)]
    return b"".join(parts) + rest


def instruction(rng):
    """Any pickle instruction, with an argument that fits it or nearly."""
    code = rng.choice(pickletools.opcodes)
    start = code.code.encode("latin-1")
    size = 0 if code.arg is None else code.arg.n
    if size >= 0:
        return start + number(rng, 8).to_bytes(8, "little")[:size]
    if size == pickletools.UP_TO_NEWLINE:
        words = (
            "0",
            "-1",
            "99999999999999999999",
            "x",
            "torch\nSize",
            "collections\nOrderedDict",
            "torch._utils\n_rebuild_tensor_v2",
        )
        return start + rng.choice(words).encode() + b"\n"
    width = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT8U: 8}.get(size, 4)
    body = rng.randbytes(rng.choice((0, 1, 5, 60)))
    stated = rng.choice((len(body), len(body), number(rng, width)))
    return start + (stated % (1 << 8 * width)).to_bytes(width, "little") + body
