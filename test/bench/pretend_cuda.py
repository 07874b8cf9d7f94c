"""Runs bench/peers/step_peer.py as where CUDA is: what it sends to the device lies on PyTorch's meta device, which has shapes and no
numbers, and takes no tensor of the CPU beside its own. So a tensor that is left behind is an error, as it would be on CUDA.

Called in a Python's place: pretend_cuda.py .../step_peer.py. The meta device has no backward pass of convolutions: that is left out."""
import os
import sys
import types

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(sys.argv[1]))
import step_peer  # noqa: E402

device = torch.device
torch.cuda.is_available = lambda: True
torch.device = lambda name: device("meta" if name == "cuda" else name)
torch.cuda.amp.GradScaler = lambda enabled: types.SimpleNamespace(scale=lambda loss: loss, step=lambda optimiser: None, update=lambda: None)
torch.Tensor.backward = lambda loss: None
torch.Tensor.item = lambda loss: 1.0 if loss.is_meta else float("nan")
step_peer.Twin.joints_of = lambda twin, maps: np.full((*maps.shape[:2], 2), 20)
step_peer.main()
