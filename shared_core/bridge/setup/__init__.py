"""Setting up the worker: its own Python environment, made from an editor or the command line.

``guide`` is what an editor shows and asks; ``flow`` does the work, in a process of its own.
"""
