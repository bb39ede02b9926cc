"""The inference service: serves the newest good model and suggests fixes."""
