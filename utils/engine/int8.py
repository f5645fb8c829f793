"""Programs that compute in whole numbers of 8 bits: a file beside the weights, which `tools/quantize.py` makes.

WEIGHTS.int8.zip holds, for OpenVINO, the two programs of `utils.engine.programs` and says of which weights they are.
"""

import json
import os
import zipfile
from pathlib import Path

from utils.engine.backends import FORMAT, PROGRAMS, EngineError, missing_packages
from utils.system.errors import WeightsError
from utils.system.files import atomic_path
from utils.weights.load import weights_digest

SUFFIX, MADE_OF = ".int8.zip", "made_of.json"
FILES = tuple(f"{program}{suffix}" for program in PROGRAMS for suffix in (".xml", ".bin"))
LARGEST = 1 << 28  # bytes of one program, unpacked; those of resnet101 take 50 MB
REMEDY = "make it with python -m tools.quantize"
INSTRUCTIONS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # that multiply and add four numbers at once


def int8_file(weights):
    """Path of the file that belongs to a weight file."""
    return Path(weights).with_suffix(SUFFIX)


def pack(folder, digest, path):
    """Write the programs in a folder, made of weights with a SHA-256, as a file: the same bytes for the same."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        out.writestr(zipfile.ZipInfo(MADE_OF), _made_of(digest), zipfile.ZIP_DEFLATED)
        for name in FILES:
            out.writestr(zipfile.ZipInfo(name), (Path(folder) / name).read_bytes(), zipfile.ZIP_DEFLATED)


def unpack(path, digest, folder):
    """Write the programs in a file into a folder. Raises EngineError: it is damaged, or of other weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            whole = sizes.keys() == {MADE_OF, *FILES} and max(sizes.values()) <= LARGEST
            contents = {name: archive.read(name) for name in sizes} if whole else {}
    except Exception as error:  # damaged archives raise nearly anything
        raise EngineError(f"{path} is damaged: {REMEDY}") from error
    if contents.pop(MADE_OF, None) != _made_of(digest):
        raise EngineError(f"{path} is not of these weights and this version: {REMEDY}")
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def _made_of(digest):
    return json.dumps({"format": FORMAT, "weights": digest}).encode()


def checked(path):
    """SHA-256 of a file of programs. Raises EngineError: missing, not the shipped one, or not quick here."""
    if not _is_quick():
        raise EngineError("this processor has no instructions for it")
    if not path.exists():
        raise EngineError(f"{path} does not exist: {REMEDY}")
    try:
        return weights_digest(path)
    except WeightsError as error:
        raise EngineError(str(error)) from None


def _is_quick():
    """Whether this processor has instructions for it; True where that cannot be told."""
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    if allowed and not any(word in allowed for word in ("VNNI", "AMX", "BF16", "FP16", "DEFAULT", "ALL")):
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return not set(INSTRUCTIONS).isdisjoint(text.split())


def fastest_precision(weights, engine="auto", device="cpu"):
    """`"int8"` where its programs are beside the weights, OpenVINO is installed and the processor quick with them."""
    can = engine in ("auto", "openvino") and device == "cpu" and not missing_packages("openvino")
    return "int8" if can and _is_quick() and int8_file(weights).exists() else "float32"
