"""Inference engines: each opens exported programs as functions of arrays.

All work on the CPU, with as many threads as OMP_NUM_THREADS says.
"""

import os
import sys
import threading
from functools import lru_cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from utils.system.cpu import cores

# Both engines would report their use to their makers when they are imported; each takes this for a no.
sys.modules.setdefault("openvino_telemetry", None)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

FASTEST_FIRST = ("openvino", "inference")
PACKAGES = {"openvino": ("openvino", "paddle2onnx"), "inference": (), "onnxruntime": ("onnxruntime", "paddle2onnx")}
PROGRAMS = ("coarse", "tiles")
FORMAT = 4  # raise it when what the programs compute changes: those that are kept somewhere are then made anew
CORE, CORE_LOCK = [], threading.Lock()  # see `openvino_core`


class EngineError(RuntimeError):
    """An engine cannot be used here; the message is half a sentence that says why."""


def threads():
    """The number of threads that engines use."""
    value = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(value) if value.isdecimal() and int(value) > 0 else cores()


def missing_packages(engine, *others):
    """Names of the packages that an engine needs, and of others, that are not installed."""
    return [name for name in (*PACKAGES[engine], *others) if find_spec(name) is None]


def versions(engine):
    """All that the files of an engine depend on, beside what they are made of: part of the cache's key."""
    return FORMAT, sys.platform, [version_of(name) for name in ("paddlepaddle", "paddlepaddle-gpu", *PACKAGES[engine])]


def version_of(name):
    """Version of an installed package; "-" if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def open_programs(engine, path, copies=1):
    """Open an exported program as one or several functions that may run at once, with equal shares of the threads.

    Args:
        engine: "inference", "openvino", or "onnxruntime", which only checks what tools/export.py writes: it is the
            slowest, in 8 bits by far.
        path: of the program's files, without suffix.
        copies: how many functions.

    Returns list of functions of arrays, in the order of the program's inputs, that return a list of float32 arrays. A
    function's next call may overwrite what it has returned.
    """
    functions = {"inference": _inference, "openvino": _openvino, "onnxruntime": _onnxruntime}
    return functions[engine](path, copies)


def _inference(path, copies):
    """Paddle Inference with oneDNN."""
    from paddle import inference

    config = inference.Config(str(program_file(path)), f"{path}.pdiparams")
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(max(1, threads() // copies))
    first = inference.create_predictor(config)

    def run(predictor, *arrays):
        for name, array in zip(predictor.get_input_names(), arrays):
            predictor.get_input_handle(name).copy_from_cpu(np.ascontiguousarray(array))
        predictor.run()
        return [predictor.get_output_handle(name).copy_to_cpu() for name in predictor.get_output_names()]

    return [partial(run, predictor) for predictor in (first, *(first.clone() for _ in range(copies - 1)))]


def program_file(path):
    """The file of a program that Paddle has saved: PATH.json, or PATH.pdmodel of the old format."""
    file = Path(f"{path}.json")
    return file if file.exists() else Path(f"{path}.pdmodel")


def openvino_core():
    """OpenVINO's Core, one for all and for good.

    Each gives the calling thread a stack for signal handlers when it compiles, and takes it away when it goes; of
    several the last leaves one behind that is there no more, and the next signal, a Ctrl-C for example, is a crash.
    """
    import openvino

    with CORE_LOCK:  # several threads may want the first one
        if not CORE:
            CORE.append(openvino.Core())
        return CORE[0]


def _openvino(path, copies):
    """OpenVINO: compiled anew for each combination of input shapes, which is quick, and what it makes is faster."""
    import openvino

    core, lock = openvino_core(), threading.Lock()
    options = {
        "INFERENCE_NUM_THREADS": max(threads(), copies),
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": copies,
        "ENABLE_CPU_PINNING": False,  # else copies of several models wait for the same core, while others are idle
        "INFERENCE_PRECISION_HINT": "f32",
    }
    file = f"{path}.xml" if Path(f"{path}.xml").exists() else f"{path}.onnx"
    model = core.read_model(file)  # once, since the file may be a temporary one

    @lru_cache(maxsize=8)
    def compiled(*shapes):
        """One request for each copy, and the arrays that hold its outputs."""
        reshaped = model.clone()
        reshaped.reshape({given.any_name: list(shape) for given, shape in zip(model.inputs, shapes)})
        made = core.compile_model(reshaped, "CPU", options)
        requests = [made.create_infer_request() for _ in range(copies)]
        return [(request, [tensor.data for tensor in request.output_tensors]) for request in requests]

    def run(copy, *arrays):
        with lock:
            request, outputs = compiled(*(array.shape for array in arrays))[copy]
        tensors = [openvino.Tensor(np.ascontiguousarray(array), shared_memory=True) for array in arrays]
        for index, tensor in enumerate(tensors):  # itself much quicker than `infer` with arrays
            request.set_input_tensor(index, tensor)
        request.infer()
        return outputs

    return [partial(run, copy) for copy in range(copies)]


def _onnxruntime(path, copies):
    import onnxruntime

    session = onnxruntime.InferenceSession(f"{path}.onnx", providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return [lambda *arrays: session.run(None, dict(zip(names, arrays)))] * copies
