"""Pure functions on error text: scrub, parse traces, normalise, fingerprint, classify.

`triage.Triager` does all of it in one call. This part does no I/O and keeps no state that an
answer depends on.
"""
