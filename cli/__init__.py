"""The `fixstream` command: composes the parts; holds the demo."""
