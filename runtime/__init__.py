"""Plumbing shared by the services: settings, Kafka clients, embedded broker, clock, logs, metrics.

This part knows nothing about errors, fixes or models.
"""
