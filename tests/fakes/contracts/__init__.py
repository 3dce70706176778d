"""The contract models, one module per tool; see ``contract_models.py``."""
