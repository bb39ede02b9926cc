"""Capture: what turns errors into events on a topic, from inside other people's applications.

Installs without torch, Faust or FastAPI, and never breaks, slows or leaks from its host.
"""
