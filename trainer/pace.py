"""How often the network trains: as often as it earns.

The network costs a thousand times what the paths beside it cost. At first it trains on every block
of new examples; after that the stretch between two trainings grows with what it has failed to earn.
The blocks between are not lost to it: they lie in the replay buffer. The rule reads the stream's
own state only, so a resumed run keeps the same pace; it reads no clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceConfig:
    """When the network rests."""

    first_blocks: int = 24
    """So many blocks are trained on in any case: its gain fades over a hundred labels, so that by
    then it can be gone by where people label."""
    good_gain: float = 0.01
    """From this fall of the log loss on, in nats, every block is trained on."""
    fair_gain: float = 0.002
    """From this one on, every second block."""
    longest_stretch: int = 6
    """With less, one block in so many; 1 lets the network train on every block."""

    def trains_on(self, block: int, gain: float) -> bool:
        """Whether the network trains on a block.

        Args:
            block: Number of the block, counted from 1.
            gain: What the network has earned of late, in nats.
        """
        if block <= self.first_blocks or gain >= self.good_gain:
            return True
        stretch = 2 if gain >= self.fair_gain else self.longest_stretch
        return block % min(stretch, self.longest_stretch) == 0
