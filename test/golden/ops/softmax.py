import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from op_cases import Cases, randn

x = 3 * randn(3, 5, 7)
pixels = 2 * randn(2, 221, 3)
with Cases("softmax") as cases:
    for name, function in (("softmax", torch.softmax), ("logSoftmax", torch.log_softmax)):
        cases.add(name + " first axis", [x], lambda v: function(v, 0))
        cases.add(name + " middle axis", [x], lambda v: function(v, 1))
        cases.add(name + " last axis", [x], lambda v: function(v, 2))
        cases.add(name + " of pixels", [pixels], lambda v: function(v, 1))
