"""How far one query of one source has been read: the state that a restart goes on from.

Lists are read oldest change first, from a time `since` on. That time moves over full pages only;
within the last page posts are told apart by what was seen of them. So a crash, a full run or a
limit in the middle of a page leaves nothing out and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fixstream.schemas.errors import Misconfigured

MAX_SEEN = 5_000
"""Posts that are remembered for one query: far more than a page holds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was last read of a post."""

    stamp: str
    """Changes when anything about the post did."""
    revision: str = ""
    """Changes when its text did; empty when it was passed over."""
    checked_at: int = 0
    """When it was last known to be there, in seconds since 1970; 0 is never looked after."""


class Trail:
    """Mutable; sources change it right before they yield, so that a save finds it consistent."""

    def __init__(self, since: int, seen: Mapping[str, Seen] | None = None, etag: str = "") -> None:
        self.since = since
        self.etag = etag
        """Of the page at `since`, once all of it was read."""
        self._seen = dict(seen or {})

    def get(self, post_id: str) -> Seen | None:
        """What was seen of a post."""
        return self._seen.get(post_id)

    def is_new(self, post_id: str, stamp: str) -> bool:
        """Whether the post was not seen, or has changed since."""
        seen = self._seen.get(post_id)
        return seen is None or seen.stamp != stamp

    def has_revision(self, post_id: str, revision: str) -> bool:
        """Whether this text of the post was read already."""
        seen = self._seen.get(post_id)
        return seen is not None and seen.revision == revision

    def note(self, post_id: str, seen: Seen) -> None:
        """Remember a post; those not noted for longest are forgotten first."""
        self._seen.pop(post_id, None)
        self._seen[post_id] = seen
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]

    def forget(self, post_id: str) -> None:
        """As if the post had never been seen."""
        self._seen.pop(post_id, None)

    def due_for_check(self, prefix: str, before: int, max_posts: int) -> list[str]:
        """Ids with this prefix that were last looked after before a time, longest ago first."""
        due = [
            (seen.checked_at, post_id)
            for post_id, seen in self._seen.items()
            if post_id.startswith(prefix) and 0 < seen.checked_at < before
        ]
        return [post_id for _, post_id in sorted(due)[:max_posts]]

    def ids(self, prefix: str) -> list[str]:
        """All remembered ids with this prefix."""
        return [post_id for post_id in self._seen if post_id.startswith(prefix)]

    def to_state(self) -> dict[str, Any]:
        """As JSON; `from_state` reads it."""
        seen = {key: [one.stamp, one.revision, one.checked_at] for key, one in self._seen.items()}
        return {"since": self.since, "etag": self.etag, "seen": seen}

    @classmethod
    def from_state(cls, state: Mapping[str, Any] | None, *, since: int) -> Trail:
        """The saved trail, or one that begins at `since` (seconds since 1970).

        Raises:
            Misconfigured: The state is none of ours.
        """
        if state is None:
            return cls(since)
        try:
            seen = {
                str(key): Seen(str(stamp), str(revision), int(checked_at))
                for key, (stamp, revision, checked_at) in state["seen"].items()
            }
            return cls(int(state["since"]), seen, str(state["etag"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Misconfigured("a saved cursor cannot be read") from None


class Walk:
    """Decides which page to ask for next.

    Page numbers shift when a post changes while they are turned, so the time is moved on instead:
    the next request is for the first page from the newest change on. Where that does not get on (a
    full page of one second, or a host that ignores the time), pages are turned after all.
    """

    def __init__(self, trail: Trail, max_pages: int) -> None:
        self._trail = trail
        self._max_pages = max_pages
        self._num_pages = 0
        self._last_page: Mapping[str, int] = {}
        self.page = 1

    def goes_on(self, page: Mapping[str, int], *, has_more: bool) -> bool:
        """Takes note of a page that was read to its end; whether there is another one to read.

        Args:
            page: When each of its posts changed, in seconds since 1970, by id.
            has_more: Whether the host says so. It is not believed where a turned page was the
                same as the one before.
        """
        self._num_pages += 1
        newest = max(page.values(), default=0)
        is_repeated = self.page > 1 and page == self._last_page
        self._last_page = dict(page)
        if not has_more or is_repeated or self._num_pages >= self._max_pages:
            return False
        if self.page == 1 and newest > self._trail.since:
            self._trail.since = newest
            self._trail.etag = ""
        else:
            self.page += 1
        return True
