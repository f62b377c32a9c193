"""The simulation of `kernels.paths` in whole-array operations: numpy, or torch on any of its devices.

The same draws from the same counters and the same steps, so results agree to rounding with the compiled kernels. With
numpy it serves where numba is not; with torch (an optional extra) it runs on a GPU. Rough models and Sobol points are
the kernels' alone.
"""

from math import exp, inf, log, log1p, pi, sqrt
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from thalweg.errors import Reason, UserFault
from thalweg.pricing.coefficients import MILLS
from thalweg.pricing.models.parameters import BlackScholes, Dynamics, mean_jump

if TYPE_CHECKING:
    from thalweg.pricing.paths.simulation import Sampling, Scene

_WORD: Final = 0xFFFFFFFF
_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_NORMALS, _JUMPS, _TIMES, _EXTREMES = range(4)
_CHUNK: Final = 1 << 14  # paths at once in numpy; a GPU takes all
_PSI: Final = 1.5
_JUMPS_MAX: Final = 1000


def library(name: str) -> ModuleType:
    """Return numpy or torch.

    Raises:
        UserFault: UNKNOWN_FEATURE where it is neither, or not installed.
    """
    import importlib

    if name not in ("numpy", "torch"):
        raise UserFault(Reason.UNKNOWN_FEATURE, f"backends are numba, numpy and torch; not {name!r}")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserFault(Reason.UNKNOWN_FEATURE, f"the {name} backend needs {name}, which is not installed") from error


def simulate(
    model: Dynamics, scene: "Scene", sampling: "Sampling", wanted: tuple[str, ...], fields: Any, out: Any
) -> None:
    """Fill the rows of `out` (named by `fields`) as `kernels.paths.simulate` does."""
    if model.diffusion > 2 or sampling.sobol:
        raise UserFault(Reason.UNKNOWN_FEATURE, "rough models and Sobol points are simulated by the numba backend only")
    xp = library("numpy" if sampling.backend == "numba" else sampling.backend)
    device = {} if xp.__name__ == "numpy" else {"device": sampling.device}
    base, _, mirrored = sampling.shape()
    chunk = _CHUNK if xp.__name__ == "numpy" else base
    for first in range(0, base, chunk):
        count = min(chunk, base - first)
        walk = _Walk(xp, device, model, scene, sampling.seed, xp.arange(first, first + count, **device))
        for mirror in range(2 if mirrored else 1):
            found = walk.run(1.0 - 2.0 * mirror, wanted)
            start = first + mirror * base
            for row, name in enumerate(fields):
                out[row, start : start + count] = found[name] if xp.__name__ == "numpy" else found[name].cpu().numpy()


class _Walk:
    """A chunk of paths, with what its mirror shares: jumps and gamma times."""

    def __init__(self, xp: Any, device: Any, model: Any, scene: "Scene", seed: int, path: Any) -> None:
        self.xp, self.device, self.model, self.scene, self.path = xp, device, model, scene, path
        self.keys = seed & _WORD, seed >> 32 & _WORD
        self.zero = xp.zeros(path.shape, dtype=xp.float64, **device)
        self.times = scene.times.tolist()
        self.steps = [b - a for a, b in zip([0.0, *self.times], self.times, strict=False)]
        self.jumps = self._jumps() if model.jumps else None
        self.gammas = [self._gamma(s / model.nu, j) for j, s in enumerate(self.steps)] if model.diffusion == 2 else []

    def words(self, c1: Any, c2: int) -> Any:
        """Return four words of 32 bits a path."""
        c0, c3 = self.path & _WORD, self.path >> 32 & _WORD
        c1, c2 = c1 + 0 * self.path, c2 + 0 * self.path
        k0, k1 = self.keys
        for _ in range(10):
            first, second = _MULTIPLIERS[0] * c0, _MULTIPLIERS[1] * c2
            c0, c2 = (second >> 32 & _WORD) ^ c1 ^ k0, (first >> 32 & _WORD) ^ c3 ^ k1
            c1, c3 = second & _WORD, first & _WORD
            k0, k1 = k0 + _WEYL[0] & _WORD, k1 + _WEYL[1] & _WORD
        return c0, c1, c2, c3

    def uniform(self, word: Any) -> Any:
        """Return the uniform of a word, in doubles."""
        return (word + self.zero + 0.5) * 2.0**-32

    def normals(self, first: Any, second: Any) -> Any:
        """Return two normals from two words."""
        xp = self.xp
        radius = xp.sqrt(-2.0 * xp.log(self.uniform(first)))
        angle = ((second & 0x3FFFFFFF) + self.zero + 0.5) * (pi / 2.0**31) - pi / 4.0
        angle = angle + (self.zero + (second >> 30)) * (pi / 2.0)
        return radius * xp.cos(angle), radius * xp.sin(angle)

    def row(self, dimension: int) -> Any:
        """Return the normals of a dimension."""
        words = self.words(dimension >> 2, _NORMALS)
        pair = self.normals(*words[:2]) if dimension & 3 < 2 else self.normals(*words[2:])
        return pair[dimension & 1]

    def _jumps(self) -> Any:
        """Return the sums of jumps by step."""
        import bisect

        xp, model = self.xp, self.model
        horizon = self.times[-1]
        out = [self.zero for _ in self.times]
        floor = exp(-model.intensity * horizon)
        left = 1.0 + self.zero
        for count in range(_JUMPS_MAX):
            w0, w1, w2, w3 = self.words(count, _JUMPS)
            alive = left > floor
            left = left * self.uniform(w0)
            alive = alive & (left > floor)
            if not bool(alive.any()):
                break
            at = self.uniform(w1) * horizon
            if model.jumps == 1:
                size = model.mean + model.deviation * self.normals(w2, w3)[0]
            else:
                spread = -xp.log(self.uniform(w2))
                size = xp.where(
                    self.uniform(w3) < model.up_probability, spread / model.up_rate, -spread / model.down_rate
                )
            size = xp.where(alive, size, self.zero)
            low = bisect.bisect_left(self.times, float(at.min()))
            for j in range(low, len(self.times)):
                before = self.times[j - 1] if j else -1.0
                out[j] = out[j] + xp.where((at > before) & (at <= self.times[j]), size, self.zero)
        return out

    def _gamma(self, shape: float, step: int) -> Any:
        """Return gamma variates of unit scale: Marsaglia and Tsang's rejection until every path has one."""
        xp = self.xp
        d = (shape + 1.0 if shape < 1.0 else shape) - 1.0 / 3.0
        c = 1.0 / sqrt(9.0 * d)
        out, done = self.zero, self.zero > 1.0
        attempt = 0
        while not bool(done.all()):
            w0, w1, w2, w3 = self.words(step, _TIMES + 16 * attempt)
            x, _ = self.normals(w0, w1)
            t = 1.0 + c * x
            cube = xp.where(t > 0.0, t * t * t, 1.0 + self.zero)
            taken = (t > 0.0) & (xp.log(self.uniform(w2)) < 0.5 * x * x + d - d * cube + d * xp.log(cube))
            value = d * cube * (xp.exp(xp.log(self.uniform(w3)) / shape) if shape < 1.0 else 1.0)
            out = xp.where(taken & ~done, value, out)
            done = done | taken
            attempt += 1
        return out

    def run(self, sign: float, wanted: tuple[str, ...]) -> dict[str, Any]:
        """Return the statistics by name."""
        xp, model, scene = self.xp, self.model, self.scene
        flat = isinstance(model, BlackScholes)
        low, high = (log(scene.low) if scene.low > 0.0 else -inf), (log(scene.high) if scene.high < inf else inf)
        x, v = self.zero, (model.v0 if model.diffusion == 1 else 0.0) + self.zero
        start = log(scene.spot) + self.zero
        top = bottom = start
        average = logs = walked = vega = vega_score = score = bridged = self.zero
        alive = 1.0 + self.zero
        drift = _compensation(model)
        for j, step in enumerate(self.steps):
            forward = log(float(scene.forwards[j]))
            x, v, var, deviation, normal = self._advance(j, step, sign, x, v)
            x = x + drift * step
            end = x + forward
            x = x + self.jumps[j] if self.jumps else x
            level = x + forward
            if "survival" in wanted:
                alive = self._survive(alive, start, end, level, var, low, high, bool(scene.watched[j]))
            if {"maximum", "minimum"} & set(wanted):
                top, bottom = self._extremes(j, start, end, level, var, top, bottom, bool(scene.watched[j]))
            if j == 0 and "score" in wanted:
                score = normal / _above(xp, deviation, 1e-300)
                bridged = self._bridged(start, end, var, low, high)
            if flat:
                walked = walked + sqrt(step) * normal - model.volatility * step
                vega_score = vega_score + (normal * normal - 1.0) / model.volatility - sqrt(step) * normal
            price = float(scene.weights[j]) * xp.exp(level)
            average, vega = average + price, vega + price * walked
            logs = logs + float(scene.weights[j]) * level
            start = level
        return {
            "terminal": xp.exp(start), "average": average, "log_average": logs, "maximum": xp.exp(top),
            "minimum": xp.exp(bottom), "survival": alive, "score": score, "barrier_score": bridged,
            "average_vega": vega, "vega_score": vega_score,
        }  # fmt: skip

    def _advance(self, j: int, step: float, sign: float, x: Any, v: Any) -> Any:
        model = self.model
        if model.diffusion == 1:
            return self._heston(step, sign * self.row(2 * j), sign * self.row(2 * j + 1), x, v)
        normal = sign * self.row(j)
        if model.diffusion == 0:
            width = model.volatility * sqrt(step)
            deviation = width + self.zero
            return x - 0.5 * width * width + width * normal, v, deviation * deviation, deviation, normal
        time = model.nu * self.gammas[j]
        deviation = model.sigma * self.xp.sqrt(time)
        drift = step / model.nu * log1p(-model.theta * model.nu - 0.5 * model.sigma**2 * model.nu)
        return x + drift + model.theta * time + deviation * normal, v, self.zero, deviation, normal

    def _heston(self, step: float, zv: Any, zx: Any, x: Any, v: Any) -> Any:
        """Take a step of the quadratic-exponential scheme with its martingale correction (Andersen 2008)."""
        xp, model = self.xp, self.model
        kappa, theta, sigma, rho = model.kappa, model.theta, max(model.sigma, 1e-4), model.rho
        decay = exp(-kappa * step)
        held = (1.0 - decay) / kappa if kappa * step > 1e-9 else step
        mean = theta + (v - theta) * decay
        positive = mean > 0.0
        safe_mean = xp.where(positive, mean, 1.0 + self.zero)
        psi = sigma * sigma * held * (v * decay + 0.5 * theta * (1.0 - decay)) / (safe_mean * safe_mean)
        psi = xp.where(positive, psi, 1.0 + self.zero)
        tilt = rho / sigma
        half, k3 = 0.5 * step * (kappa * tilt - 0.5), 0.5 * step * (1.0 - rho * rho)
        k1, k2 = half - tilt, half + tilt
        lean = k2 + 0.5 * k3
        quadratic = psi <= _PSI
        ratio = 2.0 / xp.where(quadratic & (psi > 1e-14), psi, xp.where(quadratic, 1e-14 + self.zero, 1.0 + self.zero))
        b2 = ratio - 1.0 + xp.sqrt(ratio) * xp.sqrt(_above(xp, ratio - 1.0, 0.0))
        a = mean / (1.0 + b2)
        room = 1.0 - 2.0 * lean * a
        safe = xp.where(room > 1e-3, room, 1.0 + self.zero)
        correction = -lean * b2 * a / safe + 0.5 * xp.log(safe)
        size = xp.where(quadratic, 2.0 + self.zero, psi)
        p = (size - 1.0) / (size + 1.0)
        beta = (1.0 - p) / safe_mean
        drawn = _above(xp, xp.log((1.0 - p) / _above(xp, _normal_tail(xp, zv), 1e-300)) / beta, 0.0)
        free = beta - lean
        safe_free = xp.where(free > 1e-3 * beta, free, beta)
        far = -xp.log(p + beta * (1.0 - p) / safe_free)
        moved = xp.where(quadratic, a * (xp.sqrt(b2) + zv) ** 2, drawn)
        moved = xp.where(positive, moved, self.zero)
        exact = xp.where(quadratic, room > 1e-3, free > 1e-3 * beta) & positive
        k0 = xp.where(quadratic, correction, far) - (k1 + 0.5 * k3) * v
        k0 = xp.where(exact, k0, -rho * kappa * theta * step / sigma + self.zero)
        deviation = xp.sqrt(k3 * (v + moved))
        return x + k0 + k1 * v + k2 * moved + deviation * zx, moved, 0.5 * (v + moved) * step, deviation, zx

    def _survive(
        self, alive: Any, start: Any, end: Any, level: Any, var: Any, low: float, high: float, watched: bool
    ) -> Any:
        xp = self.xp
        if self.scene.continuous:
            for bound, sign in ((high, 1.0), (low, -1.0)):
                if abs(bound) < inf:
                    a, b = sign * (bound - start), sign * (bound - end)
                    kept = 1.0 - xp.exp(-2.0 * a * b / _above(xp, var, 1e-300))
                    alive = alive * xp.where((a > 0.0) & (b > 0.0), kept, self.zero)
        if watched or self.scene.continuous:
            alive = xp.where((level > low) & (level < high), alive, self.zero)
        return alive

    def _extremes(
        self, j: int, start: Any, end: Any, level: Any, var: Any, top: Any, bottom: Any, watched: bool
    ) -> Any:
        xp = self.xp
        if self.scene.continuous:
            above, below, _, _ = self.words(j, _EXTREMES)
            middle, gap = 0.5 * (start + end), 0.25 * (end - start) ** 2
            top = _larger(xp, top, middle + xp.sqrt(gap - 0.5 * var * xp.log(self.uniform(above))))
            bottom = -_larger(xp, -bottom, -middle + xp.sqrt(gap - 0.5 * var * xp.log(self.uniform(below))))
        if watched or self.scene.continuous:
            top, bottom = _larger(xp, top, level), -_larger(xp, -bottom, -level)
        return top, bottom

    def _bridged(self, start: Any, end: Any, var: Any, low: float, high: float) -> Any:
        xp, out = self.xp, self.zero
        for bound, sign in ((high, -1.0), (low, 1.0)):
            if self.scene.continuous and abs(bound) < inf:
                gap = sign * (end - bound)
                touch = xp.exp(-2.0 * sign * (start - bound) * gap / _above(xp, var, 1e-300))
                slope = (
                    sign
                    * 2.0
                    * gap
                    / _above(xp, var, 1e-300)
                    * touch
                    / (1.0 - xp.where(touch == 1.0, self.zero, touch))
                )
                out = out + xp.where((touch > 0.0) & (touch < 1.0), slope, self.zero)
        return out


def _above(xp: Any, value: Any, least: float) -> Any:
    return xp.where(value > least, value, least + 0.0 * value)


def _larger(xp: Any, a: Any, b: Any) -> Any:
    return xp.where(a > b, a, b)


def _normal_tail(xp: Any, z: Any) -> Any:
    """Return N(-z), by the Mills ratio's polynomial that the kernels use."""
    size = abs(z)
    t = (size - 5.0) / (size + 5.0)
    value = MILLS[-1] + 0.0 * z
    for coefficient in reversed(MILLS[:-1]):
        value = value * t + coefficient
    tail = xp.exp(-0.5 * z * z) * 0.3989422804014327 * value / (size + 5.0)
    return xp.where(z > 0.0, tail, 1.0 - tail)


def _compensation(model: Any) -> float:
    """Return how much ln S drifts a year against its jumps."""
    return -model.intensity * mean_jump(model) if model.jumps else 0.0
