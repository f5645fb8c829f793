"""Inference engines: each opens exported programs as functions of arrays.

All work on the CPU, with as many threads as OMP_NUM_THREADS says.
"""

import os
from collections import OrderedDict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import paddle

from utils.export_programs import coarse_inputs, program_file, save_onnx, save_paddle, tile_inputs
from utils.programs import CoarseProgram, TileProgram

FASTEST_FIRST = ("openvino", "inference", "onnxruntime")
PACKAGES = {"openvino": ("openvino", "paddle2onnx"), "inference": (), "onnxruntime": ("onnxruntime", "paddle2onnx")}
PRECISIONS = ("float32", "bfloat16")
PROGRAMS = ("coarse", "tiles")
NEEDS_OLD_FORMAT = tuple(int(part) for part in paddle.__version__.split(".")[:2]) >= (3, 3)
SHAPES_KEPT = 8  # compiled by OpenVINO for one program


class EngineError(RuntimeError):
    """An engine cannot be used here; the message is half a sentence that says why."""


def threads():
    """The number of threads that engines use."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() and int(value) > 0 else os.cpu_count() or 1


def missing_packages(engine):
    """Names of the packages that an engine needs and that are not installed."""
    return [name for name in PACKAGES[engine] if find_spec(name) is None]


def versions(engine):
    """Versions of everything that the files of an engine depend on: text, part of the cache's key."""
    names = ("paddlepaddle", "paddlepaddle-gpu", *PACKAGES[engine])
    return " ".join(f"{name}={_version(name)}" for name in names)


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def build(engine, model, folder):
    """Export a model's two programs for an engine into a folder."""
    layers = zip(PROGRAMS, (CoarseProgram(model), TileProgram(model)), (coarse_inputs(), tile_inputs()))
    for name, layer, inputs in layers:
        path = Path(folder) / name
        program = save_paddle(layer, inputs, path, NEEDS_OLD_FORMAT)
        if engine != "inference":
            save_onnx(path)
            for file in (program, Path(f"{path}.pdiparams")):
                file.unlink()


def open_program(engine, path, precision="float32"):
    """Open an exported program.

    Args:
        engine: "inference", "openvino" or "onnxruntime".
        path: of the program's files, without suffix.
        precision: "float32" or "bfloat16".

    Returns:
        function of arrays, in the order of the program's inputs, that returns a list of float32 arrays.

    Raises:
        EngineError: the engine, or this processor, does not offer the precision.
    """
    return {"inference": _Inference, "openvino": _OpenVINO, "onnxruntime": _OnnxRuntime}[engine](path, precision)


class _Inference:
    """Paddle Inference with oneDNN."""

    def __init__(self, path, precision):
        from paddle import inference

        if precision != "float32":  # oneDNN's bfloat16 passes round every layer: alpha is off by 6e-4 on the average
            raise EngineError("inference offers float32 only")
        config = inference.Config(str(program_file(path)), f"{path}.pdiparams")
        config.disable_gpu()
        config.disable_glog_info()
        config.enable_mkldnn()
        config.set_cpu_math_library_num_threads(threads())
        self.predictor = inference.create_predictor(config)
        self.inputs = [self.predictor.get_input_handle(name) for name in self.predictor.get_input_names()]
        self.outputs = [self.predictor.get_output_handle(name) for name in self.predictor.get_output_names()]

    def __call__(self, *arrays):
        for handle, array in zip(self.inputs, arrays):
            handle.copy_from_cpu(np.ascontiguousarray(array))
        self.predictor.run()
        return [handle.copy_to_cpu() for handle in self.outputs]


class _OpenVINO:
    """OpenVINO, compiled anew for each combination of input shapes: that is quick, and what it makes is faster."""

    def __init__(self, path, precision):
        import openvino

        self.core = openvino.Core()
        if precision == "bfloat16" and "BF16" not in self.core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineError("this processor has no bfloat16")
        self.options = {
            "INFERENCE_NUM_THREADS": threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        }
        self.path = f"{path}.onnx"
        self.compiled = OrderedDict()

    def __call__(self, *arrays):
        shapes = tuple(array.shape for array in arrays)
        request = self.compiled.pop(shapes, None) or self._compile(shapes)
        self.compiled[shapes] = request
        if len(self.compiled) > SHAPES_KEPT:
            self.compiled.popitem(last=False)
        request.infer([np.ascontiguousarray(array) for array in arrays])
        return [output.data.copy() for output in request.output_tensors]

    def _compile(self, shapes):
        model = self.core.read_model(self.path)
        model.reshape({given.any_name: list(shape) for given, shape in zip(model.inputs, shapes)})
        return self.core.compile_model(model, "CPU", self.options).create_infer_request()


class _OnnxRuntime:
    """ONNX Runtime."""

    def __init__(self, path, precision):
        import onnxruntime

        if precision != "float32":
            raise EngineError("onnxruntime offers float32 only")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(f"{path}.onnx", options, providers=["CPUExecutionProvider"])
        self.names = [given.name for given in self.session.get_inputs()]

    def __call__(self, *arrays):
        return self.session.run(None, dict(zip(self.names, arrays)))
