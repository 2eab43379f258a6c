"""The same flows in PyTorch, eager and compiled. It is no dependency of the course: without it there are no rows."""

import importlib.util
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.flows.contenders import RATE, Size
from course_lib.networks import made_masks

MISSING = "PyTorch is not installed: its rows are left out. They were made with 2.13.0, its build for processors (cpu)."


def available() -> bool:
    """True if PyTorch can be imported."""
    return importlib.util.find_spec("torch") is not None


def perceptron(sizes: list[int], masks: list[Any] | None) -> Any:
    """Linear layers with tanh between them; masks of shape (in, out) make it a MADE."""
    import torch

    class Masked(torch.nn.Linear):
        def __init__(self, inputs: int, outputs: int, mask: Any):
            super().__init__(inputs, outputs)
            self.register_buffer("mask", torch.from_numpy(np.array(mask, np.float32).T.copy()))

        def forward(self, x: Any) -> Any:
            return torch.nn.functional.linear(x, self.weight * self.mask, self.bias)

    layers: list[Any] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers += [torch.nn.Linear(a, b) if masks is None else Masked(a, b, masks[i]), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def network(flow: str, size: Size) -> Any:
    """A module with `log_prob(x)` and `sample(n)`."""
    import torch

    d = size.dims

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            nets = []
            for i in range(size.layers):
                order = np.arange(d)[:: 1 if i % 2 == 0 else -1]
                *masks, last = made_masks(order, size.hidden)
                both = [*masks, np.concatenate([last, last], axis=1)] if flow == "MAF" else None
                ends = (d, 2 * d) if flow == "MAF" else (d // 2, d)
                nets.append(perceptron([ends[0], *size.hidden, ends[1]], both))
            self.nets = torch.nn.ModuleList(nets)

        def shift_and_log_scale(self, i: int, x: Any) -> Any:
            shift, raw = self.nets[i](x if flow == "MAF" else x[..., i % 2 :: 2]).chunk(2, dim=-1)
            return shift, 2 * torch.tanh(raw / 2)

        def with_moved(self, i: int, x: Any, moved: Any) -> Any:
            """The points with other values in the places that layer i moves."""
            if flow == "MAF":
                return moved
            parts = (x[..., 0::2], moved) if i % 2 == 0 else (moved, x[..., 1::2])
            return torch.stack(parts, dim=-1).flatten(-2)

        def forward(self, x: Any) -> Any:
            log_det = torch.zeros(x.shape[:-1])
            for i in reversed(range(size.layers)):
                shift, log_scale = self.shift_and_log_scale(i, x)
                moved = x if flow == "MAF" else x[..., 1 - i % 2 :: 2]
                x = self.with_moved(i, x, (moved - shift) * torch.exp(-log_scale))
                log_det = log_det - log_scale.sum(dim=-1)
            return -0.5 * (x**2 + np.log(2 * np.pi)).sum(dim=-1) + log_det

        @torch.no_grad()
        def sample(self, n: int) -> Any:
            x = torch.randn(n, d)
            for i in range(size.layers):
                if flow == "MAF":
                    known = torch.zeros_like(x)
                    for j in range(d)[:: 1 if i % 2 == 0 else -1]:
                        shift, log_scale = self.shift_and_log_scale(i, known)
                        known[:, j] = x[:, j] * torch.exp(log_scale[:, j]) + shift[:, j]
                    x = known
                else:
                    shift, log_scale = self.shift_and_log_scale(i, x)
                    x = self.with_moved(i, x, x[..., 1 - i % 2 :: 2] * torch.exp(log_scale) + shift)
            return x

    return Network()


def runners(flow: str, size: Size, batches: np.ndarray, compiled: bool) -> dict[str, Callable[[], Any]]:
    """`train`: one step a batch with `torch.optim.Adam`, in its fused form if compiled; `sample`, eager only."""
    import torch

    torch.manual_seed(0)
    model, given = network(flow, size), torch.from_numpy(np.array(batches))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, fused=compiled)
    log_prob = torch.compile(model) if compiled else model

    def train() -> float:
        loss = torch.zeros(())
        for batch in given:
            optimizer.zero_grad()
            loss = -log_prob(batch).mean()
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    sampler = {} if compiled else {"sample": lambda: model.sample(size.draws[flow])}
    return {"train": train, **sampler}
