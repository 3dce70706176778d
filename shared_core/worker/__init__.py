"""The processes that do the work: a light supervisor and its runner child that touches pixels."""
