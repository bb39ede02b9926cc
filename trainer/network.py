"""The specification's transformer, computed on real tokens only.

The sequences of a batch are laid one after the other ("packed"): every matrix product sees `T`
real tokens and no padding. Only attention needs a rectangle, and gets one per group of rows of
similar length. The module turns ids into logits and embeddings; it knows no texts, no losses, no
optimizer and no files.

Shape legend: B rows (texts), T tokens of all rows together, L longest row of a group, G rows of a
group, D width (512), F hidden width of the feed-forward part (1024), H heads (8), S width of the
solution embedding (256), V vocabulary (50,000).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn

from fixstream.schemas.enums import Category, Domain, Severity
from fixstream.trainer.attention import TokenGroup, attend
from fixstream.trainer.features import Encoded
from fixstream.trainer.kernels import PLAIN, Kernels

HEADS: dict[str, tuple[str, ...]] = {
    "category": tuple(Category),
    "domain": tuple(Domain),
    "severity": tuple(Severity),
}
"""The classification heads and their classes, in the order of the logits."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Size of the network; the defaults are the specification's."""

    vocab_size: int = 50_000
    embedding_dim: int = 512
    hidden_dim: int = 1024
    num_heads: int = 8
    num_layers: int = 6
    dropout: float = 0.1
    max_sequence_length: int = 512
    solution_dim: int = 256
    wide_buckets: int = 2**18
    """Weights per class of the wide path; not part of the network."""
    memory_places: int = 4096
    """Examples that the memory path holds; not part of the network."""
    network_tokens: int = 128
    """Of a longer text the network reads the head and the tail; the other paths read it all."""
    sentence_encoder: str = ""
    """Hash of the frozen sentence encoder that a path beside the network reads with, if any."""
    sentence_width: int = 0
    """Numbers of an embedding of that encoder."""

    def __post_init__(self) -> None:
        if self.embedding_dim % (2 * self.num_heads) != 0:
            raise ValueError("embedding_dim must be a multiple of twice num_heads")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1): {self.dropout}")


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Packed sequences, shortest row first."""

    token_ids: Tensor  # [T]
    positions: Tensor  # [T]
    rows: Tensor  # [T] which row a token belongs to, in packed order
    lengths: Tensor  # [B]
    domain_ids: Tensor  # [B]
    severity_ids: Tensor  # [B]
    order: Tensor  # [B] packed row -> index in the caller's sequence
    groups: tuple[TokenGroup, ...]

    @property
    def num_tokens(self) -> int:
        """Number of real tokens T."""
        return int(self.token_ids.shape[0])

    def to(self, device: torch.device) -> TokenBatch:
        """The batch on a device; this one if it is there already."""
        if self.token_ids.device == device:
            return self
        moved = {
            one.name: getattr(self, one.name).to(device)
            for one in fields(self)
            if one.name != "groups"
        }
        return TokenBatch(**moved, groups=tuple(group.to(device) for group in self.groups))


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network says, rows in the caller's order."""

    logits: dict[str, Tensor]  # head -> [B, classes]
    embedding: Tensor  # [B, S], unit norm


def pack(sequences: Sequence[Encoded], *, group_tokens: int = 2048) -> TokenBatch:
    """Lays sequences one after the other, shortest first.

    Args:
        sequences: at least one encoded text.
        group_tokens: a group closes when its rectangle would hold more tokens than this.
    """
    if not sequences:
        raise ValueError("nothing to pack")
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].token_ids))
    lengths = [len(sequences[index].token_ids) for index in order]
    flat = [token for index in order for token in sequences[index].token_ids]
    length_tensor = torch.tensor(lengths)
    rows = torch.repeat_interleave(torch.arange(len(lengths)), length_tensor)
    starts = torch.cumsum(length_tensor, 0) - length_tensor
    positions = torch.arange(len(flat)) - starts[rows]
    return TokenBatch(
        token_ids=torch.tensor(flat),
        positions=positions,
        rows=rows,
        lengths=length_tensor,
        domain_ids=torch.tensor([sequences[index].domain_id for index in order]),
        severity_ids=torch.tensor([sequences[index].severity_id for index in order]),
        order=torch.tensor(order),
        groups=tuple(_groups(lengths, positions, group_tokens)),
    )


def _groups(lengths: Sequence[int], positions: Tensor, group_tokens: int) -> list[TokenGroup]:
    groups: list[TokenGroup] = []
    first_row = first_token = 0
    while first_row < len(lengths):
        next_row = first_row + 1
        while (
            next_row < len(lengths)
            and lengths[next_row] * (next_row - first_row + 1) <= group_tokens
        ):
            next_row += 1
        members = torch.tensor(lengths[first_row:next_row])
        longest = int(members[-1])
        next_token = first_token + int(members.sum())
        row_in_group = torch.repeat_interleave(torch.arange(len(members)), members)
        mask = torch.arange(longest) < members[:, None]
        groups.append(
            TokenGroup(
                first_token=first_token,
                next_token=next_token,
                num_rows=len(members),
                longest=longest,
                slots=row_in_group * longest + positions[first_token:next_token],
                key_mask=None if bool(mask.all()) else mask[:, None, None, :],
            )
        )
        first_row, first_token = next_row, next_token
    return groups


class ByteDropout:
    """Inverted dropout that draws one random byte an element, eight from each 64-bit draw.

    Drawing a float an element costs a tenth of the training step on a CPU; the rate is rounded to
    1/256 for it. Its generator is the caller's, so a step can be repeated bit by bit.
    """

    def __init__(self, rate: float, generator: torch.Generator) -> None:
        self._threshold = round(rate * 256)
        self._generator = generator

    def __call__(self, x: Tensor) -> Tensor:
        """`x` with a share of its elements zeroed and the others scaled up; same shape."""
        if self._threshold == 0:
            return x
        device = self._generator.device
        draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=device)
        draws.random_(-(2**63), None, generator=self._generator)
        drawn = draws.view(torch.uint8)[: x.numel()].view(x.shape)
        # 1 where the byte reaches the threshold, else 0; a comparison takes seven times as long.
        kept = drawn.clamp_(self._threshold - 1, self._threshold).sub_(self._threshold - 1)
        return x * (kept.to(x.device, x.dtype) * (256 / (256 - self._threshold)))


class EncoderLayer(nn.Module):
    """Pre-norm self-attention and feed-forward part, each added to the residual stream."""

    kernels: Kernels = PLAIN
    """How its products and what stands between them are computed; no part of its state."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.embedding_dim
        self.num_heads = config.num_heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, config.hidden_dim)
        self.contract = nn.Linear(config.hidden_dim, width)

    def forward(self, x: Tensor, batch: TokenBatch, dropout: ByteDropout | None) -> Tensor:
        """[T, D] -> [T, D]."""
        drop, kernels = dropout or _keep, self.kernels
        projected = kernels.project(x, self.attention_norm, self.query_key_value)  # [T, 3D]
        attended = self.attention_out(attend(projected, batch.groups, self.num_heads))
        x = x + drop(attended)
        fed = kernels.feed_forward(x, self.feed_forward_norm, self.expand, self.contract)
        return x + drop(fed)


def _keep(x: Tensor) -> Tensor:
    return x


class ErrorLearningModel(nn.Module):
    """Embeddings, positional encoding, transformer encoder, and four heads on the mean token."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.embedding_dim
        self.config = config
        # Sparse: a batch touches a few hundred of 50,000 rows, see optimizer.py.
        self.token_embedding = _undrawn_table(config.vocab_size, width, is_sparse=True)
        self.domain_embedding = _undrawn_table(len(Domain) + 1, width)
        self.severity_embedding = _undrawn_table(len(Severity) + 1, width)
        self.register_buffer("positions", torch.empty(config.max_sequence_length, width), False)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict(
            {head: nn.Linear(width, len(classes)) for head, classes in HEADS.items()}
        )
        self.solution_head = nn.Linear(width, config.solution_dim)

    @classmethod
    def initialised(cls, config: ModelConfig, seed: int) -> ErrorLearningModel:
        """A network with random weights that depend on the seed alone."""
        with torch.device("meta"):
            model = cls(config)
        model.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                _initialise(name, parameter, config, generator)
            model._fill_positions()
        return model

    @classmethod
    def from_tensors(cls, config: ModelConfig, tensors: dict[str, Tensor]) -> ErrorLearningModel:
        """A network that uses the given tensors without copying them.

        Raises:
            ValueError: a tensor is missing, unknown, or of another shape or type.
        """
        with torch.device("meta"):
            model = cls(config)
        expected = model.state_dict()
        if expected.keys() != tensors.keys():
            odd = sorted(expected.keys() ^ tensors.keys())
            raise ValueError(f"tensors missing or unknown: {', '.join(odd[:5])}")
        for name, tensor in tensors.items():
            if tensor.shape != expected[name].shape or tensor.dtype != torch.float32:
                raise ValueError(
                    f"{name} is {tuple(tensor.shape)} {tensor.dtype}, "
                    f"wanted {tuple(expected[name].shape)} float32"
                )
        model.load_state_dict(tensors, assign=True)
        model.positions = torch.empty(config.max_sequence_length, config.embedding_dim)
        model._fill_positions()
        return model

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.positions.device

    def compute_with(self, kernels: Kernels) -> None:
        """Takes other kernels for all layers; weights and results stay what they are."""
        for layer in self.layers:
            assert isinstance(layer, EncoderLayer)
            layer.kernels = kernels

    def forward(self, batch: TokenBatch, dropout: ByteDropout | None = None) -> NetworkOutput:
        """Logits and solution embeddings of a packed batch.

        Args:
            batch: packed rows, none longer than `max_sequence_length`.
            dropout: None at prediction time.
        """
        return self.judge(self.read(batch, dropout), batch)

    def read(self, batch: TokenBatch, dropout: ByteDropout | None = None) -> Tensor:
        """[T, D] what the layers make of each token, float32, in packed order."""
        drop = dropout or _keep
        hints = self.domain_embedding(batch.domain_ids) + self.severity_embedding(
            batch.severity_ids
        )
        x = self.token_embedding(batch.token_ids) + self.positions[batch.positions]
        x = drop(x + hints[batch.rows])  # [T, D]
        for layer in self.layers:
            x = layer(x, batch, dropout)
        read: Tensor = self.final_norm(x).float()
        return read

    def judge(self, tokens: Tensor, batch: TokenBatch) -> NetworkOutput:
        """Logits and embeddings from what `read` gave, [T, D]."""
        pooled = self._mean_rows(tokens, batch)  # [B, D]
        restored = torch.empty_like(pooled).index_copy(0, batch.order, pooled)
        return NetworkOutput(
            {head: self.heads[head](restored) for head in HEADS},
            F.normalize(self.solution_head(restored), dim=1),
        )

    def _mean_rows(self, x: Tensor, batch: TokenBatch) -> Tensor:
        num_rows = batch.lengths.shape[0]
        sums = x.new_zeros(num_rows, x.shape[1]).index_add(0, batch.rows, x)
        return sums / batch.lengths[:, None]

    def _fill_positions(self) -> None:
        """Sinusoids as in "Attention Is All You Need", 3.5, at the scale of the embeddings."""
        length, width = self.positions.shape
        angles = torch.arange(length)[:, None] * torch.exp(
            torch.arange(0, width, 2) * (-math.log(10_000.0) / width)
        )
        waves = torch.stack((angles.sin(), angles.cos()), dim=2).view(length, width)
        # A sinusoid's root mean square is 1/sqrt(2).
        self.positions.copy_(waves * (_INIT_STD * math.sqrt(2)))

    positions: Tensor


def _undrawn_table(num_rows: int, width: int, *, is_sparse: bool = False) -> nn.Embedding:
    # Its values are still to be given: drawing them on `meta` imports torch's compiler, 174 MB.
    undrawn = torch.empty(num_rows, width)
    return nn.Embedding(num_rows, width, sparse=is_sparse, _weight=undrawn)


_INIT_STD = 0.02


def _initialise(
    name: str, parameter: Tensor, config: ModelConfig, generator: torch.Generator
) -> None:
    """Normal weights, zero biases; branches that end in the residual stream start smaller."""
    if name.endswith("bias"):
        parameter.zero_()
    elif "norm" in name:
        parameter.fill_(1.0)
    else:
        ends_in_residual = name.endswith(("attention_out.weight", "contract.weight"))
        depth = math.sqrt(2 * config.num_layers) if ends_in_residual else 1.0
        parameter.normal_(0.0, _INIT_STD / depth, generator=generator)
