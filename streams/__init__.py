"""The processor: raw events in; triaged errors, training batches and dead letters out."""
