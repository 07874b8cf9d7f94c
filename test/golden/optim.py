"""Ten steps of every optimiser's variants, clipping and the average of weights, as PyTorch computes them.

    OMP_NUM_THREADS=2 python3 test/golden/optim.py (torch 1.13 made the committed file)

Parameters are 70 values, the last 30 of them a group of their own where a case names factors; gradients [10, 70].
Keys: start, gradients, clip.* and, per case, <case>.end and <case>.<state>.
"""
import os

import torch
from op_cases import HERE, randn, save_tensors

START = randn(70, seed=1)
GRADIENTS = 0.4 * randn(10, 70, seed=2)
SPLIT, RATE = 40, 0.01
tensors = {"start": START, "gradients": GRADIENTS}


def run(case, make, state, factors=None):
    """Ten steps; the learning rate falls by a tenth each step. factors: of the second group's rate and decay."""
    p, q = (part.clone().requires_grad_() for part in (START[:SPLIT], START[SPLIT:]))
    optimiser = make([{"params": [p]}, {"params": [q]}])
    decay = optimiser.defaults["weight_decay"]
    for step in range(10):
        for group, (rate, own) in zip(optimiser.param_groups, ((1, 1), factors or (1, 1))):
            group["lr"] = RATE * 0.9**step * rate
            group["weight_decay"] = decay * own
        p.grad, q.grad = GRADIENTS[step, :SPLIT].clone(), GRADIENTS[step, SPLIT:].clone()
        optimiser.step()
    tensors[case + ".end"] = torch.cat([p.detach(), q.detach()])
    for ours, theirs in state.items():
        tensors[f"{case}.{ours}"] = torch.cat([optimiser.state[part][theirs] for part in (p, q)])


ADAM = {"m": "exp_avg", "v": "exp_avg_sq"}
LARGEST = {**ADAM, "largestV": "max_exp_avg_sq"}
optim = torch.optim
run("adam", lambda g: optim.Adam(g, foreach=False), ADAM)
run("adam decay", lambda g: optim.Adam(g, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-4, foreach=False), ADAM)
run("adam groups", lambda g: optim.Adam(g, weight_decay=0.1, foreach=False), ADAM, (0.25, 0))
run("amsgrad", lambda g: optim.Adam(g, amsgrad=True, betas=(0.8, 0.7), foreach=False), LARGEST)
run("adamw", lambda g: optim.AdamW(g, weight_decay=0.3, foreach=False), ADAM)
run("adamw amsgrad groups", lambda g: optim.AdamW(g, weight_decay=0.3, amsgrad=True, betas=(0.8, 0.7), foreach=False), LARGEST, (3, 0.5))
VELOCITY = {"velocity": "momentum_buffer"}
run("sgd", lambda g: optim.SGD(g, lr=RATE), {})
run("sgd decay groups", lambda g: optim.SGD(g, lr=RATE, weight_decay=0.2), {}, (2, 3))
run("sgd momentum", lambda g: optim.SGD(g, lr=RATE, momentum=0.9, weight_decay=0.1), VELOCITY)
run("sgd dampening", lambda g: optim.SGD(g, lr=RATE, momentum=0.9, dampening=0.4), VELOCITY)
run("sgd nesterov", lambda g: optim.SGD(g, lr=RATE, momentum=0.8, nesterov=True, weight_decay=0.1), VELOCITY, (0.5, 2))
AVERAGE = {"v": "square_avg"}
run("rmsprop", lambda g: optim.RMSprop(g), AVERAGE)
run("rmsprop decay", lambda g: optim.RMSprop(g, alpha=0.9, eps=1e-3, weight_decay=0.1), AVERAGE, (2, 0))
run("rmsprop momentum", lambda g: optim.RMSprop(g, momentum=0.7), {**AVERAGE, **VELOCITY})
run("rmsprop centered", lambda g: optim.RMSprop(g, centered=True, alpha=0.9), {**AVERAGE, "average": "grad_avg"})
run("rmsprop centered momentum", lambda g: optim.RMSprop(g, centered=True, alpha=0.9, momentum=0.7, weight_decay=0.05), {**AVERAGE, **VELOCITY, "average": "grad_avg"})

# Clipping: two parameters, one norm; a limit that bites and one that does not.
for limit in (0.5, 100.0):
    parts = [torch.zeros(SPLIT).requires_grad_(), torch.zeros(70 - SPLIT).requires_grad_()]
    parts[0].grad, parts[1].grad = GRADIENTS[0, :SPLIT].clone(), GRADIENTS[0, SPLIT:].clone()
    norm = torch.nn.utils.clip_grad_norm_(parts, limit)
    tensors[f"clip.norm of {limit}"] = norm.reshape(1)
    tensors[f"clip.by norm {limit}"] = torch.cat([part.grad for part in parts])
whole = torch.zeros(70).requires_grad_()
whole.grad = GRADIENTS[0].clone()
torch.nn.utils.clip_grad_value_([whole], 0.3)
tensors["clip.by value 0.3"] = whole.grad

# Average of weights: ten states of the parameters, START among them as the first.
states = [START + 0.1 * step * GRADIENTS[step] for step in range(10)]
tensors["average.states"] = torch.stack(states)
for name in ("fixed", "equal"):
    module = torch.nn.Linear(70, 1, bias=False)
    module.weight.data = states[0].reshape(1, 70).clone()
    decayed = {"fixed": lambda mean, own, _: 0.9 * mean + 0.1 * own, "equal": None}[name]
    averaged = torch.optim.swa_utils.AveragedModel(module, avg_fn=decayed)
    for state in states:
        module.weight.data = state.reshape(1, 70).clone()
        averaged.update_parameters(module)
    tensors["average." + name] = averaged.module.weight.detach().reshape(70)



# Learning rates of 24 epochs that begin at 0.4.
def rates(case, make):
    optimiser = optim.SGD([torch.zeros(1).requires_grad_()], lr=0.4)
    schedule, values = make(optimiser), []
    for _ in range(24):
        values.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    tensors["rate." + case] = torch.tensor(values)


lr = torch.optim.lr_scheduler
rates("multi step", lambda o: lr.MultiStepLR(o, [5, 9, 9, 20], gamma=0.3))
rates("lambda", lambda o: lr.LambdaLR(o, lambda epoch: 1 - epoch / 51))
rates("cosine", lambda o: lr.CosineAnnealingLR(o, 23, eta_min=0.02))
rates("warm up", lambda o: lr.LinearLR(o, 0.001, total_iters=7))
rates("warm up and steps", lambda o: lr.ChainedScheduler([lr.LinearLR(o, 0.1, total_iters=4), lr.MultiStepLR(o, [8, 15], gamma=0.1)]))
rates("warm up then cosine", lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.1, total_iters=4), lr.CosineAnnealingLR(o, 20)], [4]))
rates("three parts", lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.25, total_iters=5), lr.MultiStepLR(o, [3], gamma=0.5), lr.LambdaLR(o, lambda epoch: 0.9**epoch)], [5, 12]))

save_tensors(os.path.join(HERE, "optim.safetensors"), tensors)
