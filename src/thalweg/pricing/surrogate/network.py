"""A network that learns values and slopes, in numpy: differential machine learning.

(B. Huge and A. Savine, "Differential machine learning: the shape of things to come", Risk, October 2020.) The loss
is the squared error of values plus that of derivatives, each by its own size. In place of the twin network's whole
gradient each step compares the derivative in one random direction a sample, which has the same mean and costs one
forward pass of tangents (B. Pearlmutter, Neural Computation 6, 1994, for the backward pass over it).
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Layers = list[tuple[Floats, Floats]]

BATCH: Final = 256
FLAT: Final = 0.2  # of the steepest coordinate: flatter ones count as this steep, or they would stiffen the training


def evaluate(layers: "Layers", x: "Floats") -> "Floats":
    """Return the network's value at each row of x: softplus layers, the last one linear."""
    import numpy as np

    for weights, bias in layers[:-1]:
        x = np.logaddexp(0.0, x @ weights + bias)
    result: Floats = (x @ layers[-1][0] + layers[-1][1])[:, 0]
    return result


def train(
    x: "Floats", y: "Floats", slopes: "Floats", known: "Floats", hidden: tuple[int, ...], epochs: int, seed: int,
    report: "Any" = None,
) -> "Layers":  # fmt: skip
    """Return layers fitted to values y and slopes (rows like x; columns that are not `known` are not compared).

    `report` is called with the epoch and the mean loss.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    sizes = (x.shape[1], *hidden, 1)
    layers = [(rng.normal(0.0, a**-0.5, (a, b)), np.zeros(b)) for a, b in pairwise(sizes)]
    height = y.std()
    spread = slopes.std(axis=0)
    steepness = np.where(known, np.maximum(spread, FLAT * spread.max(initial=1e-12)), 1.0)
    state: Any = [[np.zeros_like(part), np.zeros_like(part)] for layer in layers for part in layer]
    turn, steps = 0, epochs * (len(x) // BATCH)
    for epoch in range(epochs):
        order, spent = rng.permutation(len(x)), 0.0
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            signs = rng.choice([-1.0, 1.0], (BATCH, x.shape[1])) * known / steepness
            loss, gradient = _gradient(layers, x[rows], y[rows] / height, signs, slopes[rows], height)
            spent += loss
            turn += 1
            rate = 4e-3 * 0.5 * (1.0 + np.cos(np.pi * turn / steps)) + 1e-5
            parts = [part for layer in layers for part in layer]
            for moments, part, slope in zip(state, parts, gradient, strict=True):
                _adam(moments, part, slope, rate, turn)
        if report is not None:
            report(epoch + 1, spent / max(len(x) // BATCH, 1))
    weights, bias = layers[-1]
    return [*layers[:-1], (weights * height, bias * height)]


def _adam(moments: Any, part: "Floats", slope: "Floats", rate: float, turn: int) -> None:
    """Move a part of the layers, in place (Kingma and Ba 2015)."""
    import numpy as np

    first, second = moments
    first += 0.1 * (slope - first)
    second += 0.001 * (slope * slope - second)
    part -= rate * (first / (1 - 0.9**turn)) / (np.sqrt(second / (1 - 0.999**turn)) + 1e-8)


def _gradient(
    layers: "Layers", x: "Floats", y: "Floats", direction: "Floats", slopes: "Floats", height: float
) -> tuple[float, list[Any]]:
    """Return the loss and its gradient by layer: values, and derivatives along `direction` (which scales them)."""
    import numpy as np

    inputs, tangents, gates, seeds = [x], [direction], [], []
    for weights, bias in layers[:-1]:
        z, moved = inputs[-1] @ weights + bias, tangents[-1] @ weights
        gate = 1.0 / (1.0 + np.exp(-z))
        inputs.append(np.logaddexp(0.0, z))
        tangents.append(gate * moved)
        gates.append(gate)
        seeds.append(moved)
    weights, bias = layers[-1]
    count = len(x)
    dimensions = max(int((direction[0] != 0.0).sum()), 1)
    miss = (inputs[-1] @ weights + bias)[:, 0] - y
    # the target's derivative along the direction: y was divided by its height, and so are slopes
    off = (tangents[-1] @ weights)[:, 0] * height - (slopes * direction).sum(axis=1)
    loss = float(miss @ miss + off @ off / dimensions) / count
    back = (2.0 / count) * miss[:, None]
    push = (2.0 * height / (count * dimensions)) * off[:, None]
    gradient: list[Any] = [inputs[-1].T @ back + tangents[-1].T @ push, back.sum(axis=0)]
    back, push = back @ weights.T, push @ weights.T
    for i in range(len(layers) - 2, -1, -1):
        gate = gates[i]
        at_z = back * gate + push * seeds[i] * gate * (1.0 - gate)
        at_moved = push * gate
        gradient = [inputs[i].T @ at_z + tangents[i].T @ at_moved, at_z.sum(axis=0), *gradient]
        back, push = at_z @ layers[i][0].T, at_moved @ layers[i][0].T
    return loss, gradient
