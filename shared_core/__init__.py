"""NSS: real models where the machine can host them, labelled classical algorithms elsewhere."""
