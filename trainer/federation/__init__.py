"""Several deployments learn one model together; none of them shows its events to another.

Needs the extra `federated` (Flower), and is imported by `fixstream federate` only.
"""

import os

# Flower reports its use to its makers unless this is set before it is imported.
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
