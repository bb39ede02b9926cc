"""Parsers of stack traces, one module for each family of languages that share a form."""
