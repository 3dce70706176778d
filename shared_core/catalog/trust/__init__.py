"""A model is data from strangers: looked at, and tried where it can harm nobody, before its use."""
