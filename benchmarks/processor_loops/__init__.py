"""What `benchmarks/processor.py` runs beside the processor; no benchmarks of their own."""
