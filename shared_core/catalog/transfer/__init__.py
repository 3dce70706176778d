"""Bytes of models on their way to this disk: the download, its pace, its unfinished files."""
