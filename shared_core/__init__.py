"""NSS shared core: real models where the machine can host them, labelled classical algorithms elsewhere."""
