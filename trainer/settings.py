"""Settings of the trainer: the specification's names as they are, and our own beside them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from fixstream.runtime.settings import ServiceSettings
from fixstream.trainer.features import TokenizerConfig
from fixstream.trainer.network import ModelConfig
from fixstream.trainer.optimizer import OptimizerConfig
from fixstream.trainer.placement import Device
from fixstream.trainer.precision import Precision
from fixstream.trainer.sentences import Sentences


class LearningSettings(ServiceSettings):
    """The specification's settings; the names of the variables are the fields', in capitals."""

    learning_batch_size: int = Field(default=32, ge=2, le=4096)
    """Examples in one optimizer step, new and replayed ones together."""
    learning_rate: float = Field(default=0.001, gt=0.0, le=1.0)
    """The rate at the end of the warm-up."""
    checkpoint_dir: str = "models/continuous_learning"
    """Where checkpoints lie: a folder, which also has the keys unless told otherwise, or a URL."""
    vocab_size: int = Field(default=50_000, ge=1000, le=10_000_000)
    """Number of token ids."""
    embedding_dim: int = Field(default=512, ge=16)
    """Width of the network."""
    hidden_dim: int = Field(default=1024, ge=16)
    """Width inside of the feed-forward parts."""
    num_heads: int = Field(default=8, ge=1)
    """Attention heads of a layer."""
    num_layers: int = Field(default=6, ge=1)
    """Encoder layers."""
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the activations that are dropped in training."""
    max_sequence_length: int = Field(default=512, ge=16)
    """Tokens of the longest text; of a longer one the head and the tail are read."""

    def model_size(
        self,
        wide_buckets: int = 2**18,
        memory_places: int = 4096,
        sentences: Sentences | None = None,
    ) -> ModelConfig:
        """The model's size; raises ValueError where the sizes do not fit together."""
        return ModelConfig(
            vocab_size=self.vocab_size,
            embedding_dim=self.embedding_dim,
            hidden_dim=self.hidden_dim,
            num_heads=self.num_heads,
            num_layers=self.num_layers,
            dropout=self.dropout,
            max_sequence_length=self.max_sequence_length,
            wide_buckets=wide_buckets,
            memory_places=memory_places,
            sentence_encoder=sentences.digest if sentences else "",
            sentence_width=sentences.width if sentences else 0,
        )

    def tokenizer_config(self) -> TokenizerConfig:
        """The tokenizer that fits the network."""
        return TokenizerConfig(vocab_size=self.vocab_size, max_tokens=self.max_sequence_length)

    def optimizer_config(self) -> OptimizerConfig:
        """The schedule at the specification's rate."""
        return OptimizerConfig(peak_rate=self.learning_rate)


class TrainerSettings(ServiceSettings):
    """How the training service runs."""

    model_config = SettingsConfigDict(env_prefix="FIXSTREAM_TRAINER_")

    model: str = Field(default="error-learning", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Name of the model in its updates."""
    seed: int = Field(default=0, ge=0)
    """Of the first weights, of dropout and of the replay's choices."""
    warm_start: Path | None = None
    """Folder of warm starts; a trainer without a checkpoint begins with the newest one there."""
    num_threads: int = Field(default=0, ge=0, le=256)
    """Threads of the matrix products; 0 leaves it to torch (one a core)."""
    device: Device = Device.AUTO
    """Where the network trains: `auto` takes a GPU if there is one, else the CPU."""
    compiled: bool | None = None
    """Whether torch.compile fuses the layers' dense parts; unset, on a GPU only."""
    precision: Precision | None = None
    """Number format of the matrix products; what a short measurement at the start finds faster."""
    niceness: int = Field(default=5, ge=0, le=19)
    """How far the trainer stands back for other processes on a shared machine."""
    sentence_encoder: Path | None = None
    """Folder of a sentence-transformers model whose frozen embeddings one path reads; none."""
    generation: bool = False
    """Whether a decoder learns to adapt fixes to errors, as a further part of the checkpoints."""
    wide_buckets: int = Field(default=2**18, ge=256, le=2**24)
    """Hash buckets of the wide n-gram path."""
    memory_places: int = Field(default=4096, ge=0, le=100_000)
    """Recent examples that the memory path compares with; each prediction looks at all of them."""
    replay_share: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Part of a step that is replayed when there is no backlog of new examples."""
    replay_capacity: int = Field(default=4096, ge=0)
    """Examples kept for replay."""
    max_training_tokens: int = Field(default=128, ge=16)
    """Of a longer text the network trains on the head and the tail; the wide path reads it all."""
    step_wait_s: float = Field(default=2.0, gt=0.0)
    """After so long a step is taken with the new examples that are there, filled up by replay."""
    checkpoint_every_steps: int = Field(default=100, ge=1)
    """A checkpoint is due after so many steps."""
    checkpoint_interval_s: float = Field(default=300.0, gt=0.0)
    """A checkpoint is due after so long, if there was a step since the last one."""
    checkpoints_kept: int = Field(default=3, ge=2)
    """Newest checkpoints that stay; the one in use stays in any case."""
    validation_size: int = Field(default=256, ge=0)
    """Examples held out, balanced over classes, to compare a candidate with the champion."""
    held_out_share: float = Field(default=0.05, ge=0.0, le=0.5)
    """Share of the new examples that may go to the validation set while it has room."""
    promotion_margin: float = Field(default=0.05, ge=0.0, le=1.0)
    """A head or class that surely fell by more than this part of its examples forbids promotion."""
    lease_wait_s: float = Field(default=20.0, gt=0.0)
    """How long to wait for another trainer's lease; a killed one's is free after ten seconds."""
    accept_gaps: bool = False
    """Go on after lost offsets instead of stopping; an operator sets it for one start."""
    max_waiting_examples: int = Field(default=4096, ge=1)
    """With more than this waiting, no more batches are read for now."""
    max_silence_s: float = Field(default=120.0, gt=0.0)
    """/healthz fails when the loop has not turned for so long."""
    signing_key: Path | None = None
    """The private key's file: `<CHECKPOINT_DIR>/keys/signing.pem`; has to be set with a URL."""
    metrics_port: int = Field(default=9103, ge=0, le=65_535)
    """Port of /metrics and /healthz; 0 lets the system choose."""
    metrics_host: str = "127.0.0.1"
    """Address that the metrics port binds to."""
