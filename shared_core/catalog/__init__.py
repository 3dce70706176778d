"""Which models exist (``cards``), which are here and usable (``store``), and how they come here."""
