"""Where the network is trained: on the CPU, or on a GPU of this machine.

Only the network, its optimizer and what a step hands to them lie there. Tokenizer, the paths beside
the network, replay and checkpoints stay in the machine's memory.
"""

from __future__ import annotations

import os
from enum import StrEnum

import torch

from fixstream.schemas.errors import Misconfigured


class Device(StrEnum):
    """What may be asked for."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def place(wanted: Device) -> torch.device:
    """The device to train on; each of several processes on a machine gets a GPU of its own.

    Raises:
        Misconfigured: a GPU was asked for by name, and there is none.
    """
    is_there = torch.cuda.is_available()
    if wanted is Device.CUDA and not is_there:
        raise Misconfigured("FIXSTREAM_TRAINER_DEVICE=cuda, but torch finds no GPU here")
    if wanted is Device.CPU or not is_there:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
