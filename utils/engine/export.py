"""Trace layers into files that engines load: Paddle Inference models and ONNX."""

import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import paddle
from paddle.jit.dy2static import utils as dy2static
from paddle.static import InputSpec

from utils.engine import programs

OPSET, OPSETS = 17, range(16, 22)  # before 16, ONNX reads windows half a pixel aside
NEEDS_OLD_FORMAT = tuple(int(part) for part in paddle.__version__.split(".")[:2]) >= (3, 3)


def program_inputs():
    """Input specifications of `CoarseProgram`, for any size, and of `TileProgram`, for any number of any tiles."""
    matrix = ("to_coarse_y", "to_coarse_x", "to_half_y", "to_half_x")
    return [InputSpec([1, 6, None, None], "float32", "pictures")], [
        InputSpec([None, None, None, 48], "float32", "features"),
        InputSpec([None, 6, None, None], "float32", "coarse"),
        *[InputSpec([None, None, None], "float32", name) for name in matrix],
        InputSpec([None, 6, None, None], "uint8", "pictures"),
    ]


def save_paddle(layer, inputs, path, old_format=False):
    """Save a layer for Paddle Inference.

    Args:
        layer: in evaluation mode.
        inputs: list of InputSpec.
        path: without suffix; PATH.json (or .pdmodel) and PATH.pdiparams are written.
        old_format: write .pdmodel, as Paddle before 3.0 does. Paddle 3.3's oneDNN executor rejects the resizes of the
            new format ("ConvertPirAttribute2RuntimeAttribute not support").

    Returns Path of the program file.
    """
    from unittest import mock  # here, since programs are made once, and it takes asyncio along

    layers = [part for name, part in sorted(sys.modules.items()) if f"{name}.".startswith("model.")]
    paddle.jit.ignore_module([*layers, programs])  # trace them as they are; no rewrite of their syntax trees is needed
    guard = getattr(getattr(paddle, "pir_utils", None), "OldIrGuard", None) if old_format else None
    # else Paddle leaves what it rewrites below ~/.cache, which need not be there or may be read-only
    with (
        tempfile.TemporaryDirectory(dir=Path(path).parent) as scratch,
        _silent(),
        mock.patch.object(dy2static, "get_temp_dir", lambda: scratch),
        mock.patch.object(layer, "forward", layer.forward),  # to_static leaves the traced one in its place
        guard() if guard else contextlib.nullcontext(),
    ):
        traced = paddle.jit.to_static(layer, input_spec=inputs, full_graph=True)
        paddle.jit.save(traced, str(path))
    return program_file(path)


def program_file(path):
    """PATH.json or PATH.pdmodel, whichever there is."""
    for suffix in (".json", ".pdmodel"):
        file = Path(f"{path}{suffix}")
        if file.exists():
            return file
    raise FileNotFoundError(f"{path}.json: the exported model is missing")


def save_onnx(path, opset=OPSET):
    """Convert PATH.json or .pdmodel with PATH.pdiparams to PATH.onnx, of an operator set of OPSETS.

    Raises ImportError if paddle2onnx is missing, RuntimeError if it cannot convert the model.
    """
    import paddle2onnx

    target = Path(f"{path}.onnx")
    with _silent():
        # Its optimizer would install packages by pip when one is missing; every engine folds constants by itself.
        paddle2onnx.export(
            str(program_file(path)),
            f"{path}.pdiparams",
            str(target),
            opset_version=opset,
            enable_onnx_checker=True,
            optimize_tool="None",
        )
    if not target.exists():
        raise RuntimeError("paddle2onnx wrote no file")
    return target


def describe_paddle(path, outputs, metadata):
    """Name the outputs of PATH.json and put a dict of texts at its "metadata"; a .pdmodel stays as it is."""
    file = program_file(path)
    if file.suffix == ".json":
        text = file.read_text("utf-8")
        for number, name in enumerate(outputs):
            text = text.replace(f'"fetch_name_{number}"', f'"{name}"')
        file.write_text(json.dumps({**json.loads(text), "metadata": metadata}), "utf-8")


def describe_onnx(path, outputs, metadata):
    """Make PATH.onnx, a network that paddle2onnx has converted, one that any program can use as it is.

    Outputs and free axes get names and the file a dict of texts as its metadata. What nothing reads goes. Windows are
    read from the picture that their cell lies in, where paddle2onnx always takes the first of a batch.
    """
    import onnx
    from onnx import TensorProto, helper

    file = f"{path}.onnx"
    model = onnx.load(file)
    graph, nodes = model.graph, []
    names = dict(zip((value.name for value in graph.output), outputs))
    for node in graph.node:
        nodes.append(node)
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
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for number in (1, 2):
                os.dup2(nowhere.fileno(), number)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            for number, copy in zip((1, 2), kept):
                os.dup2(copy, number)
                os.close(copy)


def store_as_float16(path):
    """Rewrite an ONNX file so that its weights of two or more axes take half the space; it computes in float32."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for node in list(model.graph.node):  # paddle2onnx keeps weights as Constant nodes
        value = next((a.t for a in node.attribute if a.name == "value"), None) if node.op_type == "Constant" else None
        if value is None or value.data_type != TensorProto.FLOAT or len(value.dims) < 2:
            continue
        name, half = node.output[0], numpy_helper.to_array(value).astype("float16")
        model.graph.node.remove(node)
        model.graph.initializer.append(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        model.graph.node.insert(0, cast)
    onnx.save(model, str(path))
