"""Write the small files of this folder with the libraries themselves; run once with each, the tests need neither.

python record.py torch      (PyTorch 2.13: zip.pth, legacy.pth, nested.pth, script.pth, module.pth)
python record.py paddle     (Paddle 2.6 with NumPy 1, then 3.2 with NumPy 2: paddle2_*.pdparams, paddle3_*.pdparams)
"""

import collections
import sys


def record_torch():
    import torch

    state = collections.OrderedDict(
        a=torch.arange(6.0).reshape(2, 3),
        transposed=torch.arange(6.0).reshape(2, 3).t(),
        row=torch.arange(6.0).reshape(2, 3)[1],
        count=torch.tensor(3),
        half=torch.tensor([0.5, 1.5]).half(),
        brain=torch.tensor([0.5, -1.5]).bfloat16(),
        empty=torch.zeros(0, 4),
    )
    torch.save(state, "zip.pth")
    torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
    model = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(model.weight, 0.25)
    torch.nn.init.constant_(model.bias, 2.0)
    prefixed = {"module." + name: tensor for name, tensor in model.state_dict().items()}
    best = torch.tensor([0.75]).numpy()[0]
    torch.save({"model_state": prefixed, "epoch": 3, "best_score": best}, "nested.pth")
    torch.jit.script(model).save("script.pth")
    torch.save(model, "module.pth")


def record_paddle():
    import numpy as np
    import paddle

    model = paddle.nn.BatchNorm2D(3)
    name = "paddle" + paddle.__version__[0]
    for protocol in (2, 4):
        paddle.save(model.state_dict(), f"{name}_protocol{protocol}.pdparams", protocol=protocol)
    paddle.save({"model": model.state_dict(), "epoch": 3}, f"{name}_nested.pdparams")
    half = {key: np.float16(tensor.numpy()) for key, tensor in model.state_dict().items()}
    paddle.save(half, f"{name}_half.pdparams")


if __name__ == "__main__":
    {"torch": record_torch, "paddle": record_paddle}[sys.argv[1]]()
