"""What `benchmarks/generation.py` compares texts on, and how; no benchmarks of their own."""
