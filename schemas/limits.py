"""How large things may be. The producers cut to these; the codec and `validation` enforce them."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 1_000_000
"""An encoded record. Kafka's own default limit is 1,048,588 with key and headers."""

MAX_ID_CHARS = 200
"""Ids, fingerprints, names of services, environments, topics, keys and versions."""
MAX_TITLE_CHARS = 500
"""Titles and error types."""
MAX_TEXT_CHARS = 32_768
"""Messages, comments and the texts of solutions."""
MAX_TRACE_CHARS = 131_072
"""Stack traces."""
MAX_ADDRESS_CHARS = 2_048
"""URLs."""
MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE_CHARS = 4_096
"""One attribute's value; its name is an id."""
MAX_FIXES = 100
"""Fixes in one suggestion."""
MAX_EXAMPLES = 10_000
"""Examples in one batch."""
