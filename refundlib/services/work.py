"""What one pass of a background job did: the answer every job of the worker gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Work:
    """What was done, by kind; `more` when the pass stopped at its limit and another one has work at once."""

    counts: Mapping[str, int] = field(default_factory=dict)
    more: bool = False

    def __getitem__(self, kind: str) -> int:
        return self.counts.get(kind, 0)

    @property
    def is_anything(self) -> bool:
        """Whether anything was done at all."""
        return any(self.counts.values())
