"""The sample shop of the demo: an ordinary FastAPI app whose requests fail for real.

Every fault is raised by a real library against a server, a file or a database of this process;
nothing here pretends, and nothing leaves the loopback interface.
"""
