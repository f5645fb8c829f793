"""Trace layers into files that engines load: Paddle Inference models and ONNX."""

import contextlib
import os
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import paddle
from paddle.jit.dy2static import utils as dy2static
from paddle.static import InputSpec

from utils.engine import programs
from utils.engine.backends import PROGRAMS, openvino_core, program_file

OPSET, OPSETS = 17, range(16, 22)  # before 16, ONNX reads windows half a pixel aside
# Paddle 3.3's oneDNN executor rejects the new format's resizes ("ConvertPirAttribute2RuntimeAttribute not support")
NEEDS_OLD_FORMAT = tuple(int(part) for part in paddle.__version__.split(".")[:2]) >= (3, 3)


def build(engine, model, folder, bounded=False):
    """Export a model's two programs for OpenVINO or Paddle Inference into a folder; `bounded`: see TileProgram.

    OpenVINO has a format of its own, .xml and .bin, which it maps into memory instead of copying it.
    """
    matrices = ("to_coarse_y", "to_coarse_x", "to_half_y", "to_half_x")
    of_tiles = [
        InputSpec([None, None, None, 48], "float32", "features"),
        InputSpec([None, 6, None, None], "float32", "coarse"),
        *[InputSpec([None, None, None], "float32", name) for name in matrices],
        InputSpec([None, 6, None, None], "uint8", "pictures"),
    ]
    inputs = [InputSpec([1, 6, None, None], "float32", "pictures")], of_tiles
    layers = programs.CoarseProgram(model), programs.TileProgram(model, bounded)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name, layer, of_layer in zip(PROGRAMS, layers, inputs):
            path = Path(scratch if engine == "openvino" else folder) / name
            save_paddle(layer, of_layer, path)
            if engine == "openvino":
                import openvino
                from openvino._offline_transformations import apply_moc_transformations

                program = openvino_core().read_model(save_onnx(path))
                # norms become part of the convolutions' weights here, not in a copy of them that each process makes
                apply_moc_transformations(program, cf=True)
                openvino.save_model(program, Path(folder) / f"{name}.xml", compress_to_fp16=False)


def save_paddle(layer, inputs, path):
    """Save a layer in evaluation mode, of a list of InputSpec, for Paddle Inference, as PATH.json and PATH.pdiparams.

    As PATH.pdmodel where Paddle is older than 3.0, or NEEDS_OLD_FORMAT.
    """
    from unittest import mock  # here, since programs are made once, and it takes asyncio along

    layers = [part for name, part in sorted(sys.modules.items()) if f"{name}.".startswith("model.")]
    paddle.jit.ignore_module([*layers, programs])  # trace them as they are; no rewrite of their syntax trees is needed
    # else Paddle leaves what it rewrites below ~/.cache, which need not be there or may be read-only
    with (
        tempfile.TemporaryDirectory(dir=Path(path).parent) as scratch,
        _silent(),
        mock.patch.object(dy2static, "get_temp_dir", lambda: scratch),
        mock.patch.object(layer, "forward", layer.forward),  # to_static leaves the traced one in its place
        paddle.pir_utils.OldIrGuard() if NEEDS_OLD_FORMAT else contextlib.nullcontext(),
    ):
        traced = paddle.jit.to_static(layer, input_spec=inputs, full_graph=True)
        paddle.jit.save(traced, str(path))


def save_onnx(path, opset=OPSET):
    """Convert PATH.json or .pdmodel with PATH.pdiparams to PATH.onnx, whose name is returned; opset: of OPSETS."""
    import paddle2onnx

    files = str(program_file(path)), f"{path}.pdiparams", f"{path}.onnx"
    # Its optimizer would install packages by pip when one is missing; every engine folds constants by itself.
    with _silent():
        paddle2onnx.export(*files, opset_version=opset, enable_onnx_checker=True, optimize_tool="None")
    return files[-1]


def describe_onnx(path, outputs, metadata, storage="float32"):
    """Make PATH.onnx, a network that paddle2onnx has converted, one that any program can use as it is.

    Outputs and free axes get names and the file a dict of texts as its metadata. What nothing reads goes. Windows are
    read from the picture that their cell lies in, where paddle2onnx always takes the first of a batch. Stored as
    "float16", weights of two or more axes take half the space; what computes is float32.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    file = f"{path}.onnx"
    model = onnx.load(file)
    graph, nodes = model.graph, []
    names = dict(zip((value.name for value in graph.output), outputs))
    for node in graph.node:
        nodes.append(node)
        weight = node.attribute[0].t if node.op_type == "Constant" else TensorProto()  # how paddle2onnx keeps weights
        if storage == "float16" and weight.data_type == TensorProto.FLOAT and len(weight.dims) > 1:
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype("float16")))
            nodes.append(helper.make_node("Cast", [f"{node.output[0]}.half"], node.output, to=TensorProto.FLOAT))
            node.output[0] += ".half"
        if node.op_type == "NonZero":  # (3, n): picture, row and column of each cell to be refined
            zero = helper.make_tensor("zero", TensorProto.INT64, [], [0])
            nodes.append(helper.make_node("Constant", [], ["cells.zero"], value=zero))
            nodes.append(helper.make_node("Gather", [node.output[0], "cells.zero"], ["cells.picture"], axis=0))
        if node.op_type == "RoiAlign":
            node.input[2] = "cells.picture"
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
    read, kept = set(outputs), []
    for node in reversed(nodes):
        if read & set(node.output):
            read.update(node.input)
            kept.insert(0, node)
    del graph.node[:]
    graph.node.extend(kept)
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
        size = "" if value.name in ("src", "bgr", "pha", "fgr") else f"{value.name}_"
        for axis, name in zip(value.type.tensor_type.shape.dim, ("batch", "", f"{size}height", f"{size}width")):
            if axis.dim_param:
                axis.dim_param = name
    helper.set_model_props(model, metadata)
    onnx.save(model, file)


@contextlib.contextmanager
def _silent():
    """Keep what Paddle and paddle2onnx say about their inner life off the terminal, C++ parts included."""
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nowhere = stack.enter_context(open(os.devnull, "w"))
        for number, stream, redirect in ((1, sys.stdout, redirect_stdout), (2, sys.stderr, redirect_stderr)):
            stream.flush()
            kept = os.dup(number)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, number)
            os.dup2(nowhere.fileno(), number)
            stack.enter_context(redirect(nowhere))
        yield
