"""Several processes that take one step together: who computes which rows, and how they meet.

`torchrun` starts them. Each computes its rows of a step; what the losses need of all rows is
gathered, and the gradients are added up, so the step is that of one process with all rows. It works
over gloo on the CPU, and over NCCL for what lies on GPUs. It knows no model, no Kafka and no files,
and sends no pickles: tensors travel as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fixstream.schemas.errors import Misconfigured, Stop

T = TypeVar("T")

_PATIENCE = timedelta(days=365)
"""A stream may be silent for long; who dies closes its connections, which ends the wait."""


_CPU = torch.device("cpu")


class ProcessLost(Stop):
    """Another process of this run has ended; what was half done counts for nothing."""


class Processes:
    """All processes of one run, seen by one of them. Alone unless told otherwise."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        """Stores the place of this process; the process group is `torch.distributed`'s."""
        self.rank = rank
        self.size = size

    @property
    def is_alone(self) -> bool:
        """Whether there is only this one."""
        return self.size == 1

    @property
    def is_first(self) -> bool:
        """Whether it is this one that writes, publishes and decides."""
        return self.rank == 0

    def own(self, rows: Sequence[T]) -> Sequence[T]:
        """This process's share of the rows: every `size`-th.

        With fewer rows than processes some have nothing of their own; they get the first row, whose
        numbers `joined` leaves out.
        """
        return rows if self.is_alone else rows[self.rank :: self.size] or rows[:1]

    def joined(self, own: Tensor, num_rows: int) -> Tensor:
        """Puts the shares together.

        Args:
            own: [rows of `own`, W]; gradients flow to these.
            num_rows: of all processes together.

        Returns:
            [num_rows, W], the same numbers in every process; others' rows carry no gradient.
        """
        if self.is_alone:
            return own
        longest = -(-num_rows // self.size)
        parts = self._gathered(own.detach(), longest)
        whole = torch.stack(parts, dim=1).view(longest * self.size, -1)[:num_rows]
        if self.rank >= num_rows:
            return whole + own.sum() * 0.0  # Every parameter still gets its gradient, of zeros.
        places = torch.arange(self.rank, num_rows, self.size, device=own.device)
        return whole.index_copy(0, places, own)

    def add_up(self, value: Tensor) -> Tensor:
        """The sum of a tensor over all processes; carries no gradient."""
        total = value.detach().clone()
        if not self.is_alone:
            dist.all_reduce(total)
        return total

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Puts the sum over all processes in the place of each gradient, sparse ones included.

        A parameter has to have a gradient in all of the processes or in none.
        """
        if self.is_alone:
            return
        every = list(parameters)
        gradients = [p.grad for p in every if p.grad is not None and not p.grad.is_sparse]
        tables = [p for p in every if p.grad is not None and p.grad.is_sparse]
        if gradients:
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            dist.all_reduce(flat)
            parts = torch.split(flat, [gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view_as(gradient))
        for table in tables:
            self._add_table(table)

    def agree(self, is_wanted: bool) -> bool:
        """What the first process wants."""
        if self.is_alone:
            return is_wanted
        flag = torch.tensor([int(is_wanted)])
        dist.broadcast(flag, src=0)
        return bool(flag.item())

    def broadcast(self, tensors: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Hands the first process's tensors to the others, which pass None and wait for them.

        Raises:
            ProcessLost: the other side has ended.
        """
        from safetensors.torch import load, save

        size = torch.zeros(1, dtype=torch.int64)
        try:
            if tensors is not None:
                whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
                data = torch.frombuffer(bytearray(save(whole)), dtype=torch.uint8)
                size[0] = len(data)
            dist.broadcast(size, src=0)
            if tensors is None:
                data = torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(data, src=0)
        except RuntimeError as error:
            raise ProcessLost(f"another process of this run has ended: {error}") from error
        return dict(tensors) if tensors is not None else load(data.numpy().tobytes())

    def _add_table(self, parameter: nn.Parameter) -> None:
        gradient = parameter.grad
        assert gradient is not None, "the caller has looked"
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        counts = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(counts, torch.tensor([len(rows)]))
        longest = max(int(count) for count in counts)
        all_rows = self._gathered(rows, longest)
        all_values = self._gathered(values, longest)
        kept = [int(count) for count in counts]
        parameter.grad = torch.sparse_coo_tensor(
            torch.cat([part[:n] for part, n in zip(all_rows, kept, strict=True)])[None],
            torch.cat([part[:n] for part, n in zip(all_values, kept, strict=True)]),
            gradient.shape,
            check_invariants=False,
        ).coalesce()

    def _gathered(self, own: Tensor, longest: int) -> list[Tensor]:
        padded = own.new_zeros(longest, *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(parts, padded)
        return parts


ALONE = Processes()


def backend_of(device: torch.device) -> str:
    """What carries tensors between processes that train on such a device."""
    return "gloo" if device.type == "cpu" else f"cpu:gloo,{device.type}:nccl"


@contextmanager
def meeting(device: torch.device = _CPU) -> Iterator[Processes]:
    """Joins the run that `torchrun` describes in the environment; alone where there is none.

    Args:
        device: where this process trains; messages between processes are the CPU's in any case.

    Raises:
        Misconfigured: the environment is incomplete, or the others cannot be reached.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if not size.isdigit() or int(size) < 2:
        yield ALONE
        return
    # What is imported once there is a group keeps it as a default argument, and optimizers import
    # this: the group's threads would then outlive the group, and abort an interpreter that ends.
    import torch.distributed.nn  # noqa: F401

    try:
        dist.init_process_group(backend_of(device), timeout=_PATIENCE)
    except (ValueError, RuntimeError) as error:
        raise Misconfigured(f"the processes of this run cannot meet: {error}") from error
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
