"""The command line ``nss``, and the third host beside Krita and GIMP."""
