"""A client that asks REST for fixes all the time, so that a failed request would show."""

from __future__ import annotations

import itertools
import threading

import httpx
import structlog

from fixstream.cli.demo.story import Story

log = structlog.get_logger(__name__)

REQUEST_TIMEOUT_S = 70.0
"""Longer than the service's own deadline, so that a late answer is its word and not ours."""

QUESTIONS = (
    {"error_message": "JWT token validation failed", "domain": "security"},
    {"error_message": "connection to the payment gateway refused", "domain": "network"},
    {"error_message": "certificate has expired", "error_type": "ssl.SSLCertVerificationError"},
    {"error_message": "database is locked", "error_type": "sqlite3.OperationalError"},
    {"error_message": "Expecting value: line 1 column 1", "error_type": "JSONDecodeError"},
)


class Probe(threading.Thread):
    """Asks `/predict` at a steady pace until it is stopped."""

    def __init__(self, rest_url: str, story: Story, interval_s: float = 0.25) -> None:
        """Stores its collaborators; `start()` begins."""
        super().__init__(name="demo-probe", daemon=True)
        self._url = f"{rest_url}/api/v1/learning/predict"
        self._story = story
        self._interval_s = interval_s
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Asks until stopped; a request that fails is counted, never raised."""
        numbered = enumerate(itertools.cycle(QUESTIONS))
        with httpx.Client(timeout=REQUEST_TIMEOUT_S) as client:
            while not self._stop_asked.wait(self._interval_s):
                number, question = next(numbered)
                # A changing number keeps the cache from answering for the model.
                message = f"{question['error_message']} (attempt {number})"
                self._ask(client, {**question, "error_message": message})

    def stop(self) -> None:
        """Ends the thread and waits for its last answer."""
        self._stop_asked.set()
        self.join()

    def _ask(self, client: httpx.Client, question: dict[str, str]) -> None:
        try:
            response = client.post(self._url, json=question)
            response.raise_for_status()
            self._story.on_response(int(response.json()["model_version"]))
        except (httpx.HTTPError, KeyError, ValueError) as error:
            log.warning("request failed", error=type(error).__name__, reason=str(error))
            self._story.on_response(None)
