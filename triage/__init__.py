"""Pure functions on error text: scrub, parse traces, normalise, fingerprint, classify.

This part does no I/O and keeps no state between events.
"""
