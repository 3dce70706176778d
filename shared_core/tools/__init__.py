"""One module per tool: ``classical()`` and ``real()`` on a picture, no hosts, no routing."""
