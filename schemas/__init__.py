"""The contracts: records, enums, topics, ids, the codec and the exception tree.

This part does no I/O: it opens no socket and reads no file but its own `.avsc` resources.
"""
