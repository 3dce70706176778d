"""All that an editor needs to know: tools, plans, the worker's messages, pixel files, receipts.

Standard library and appdirs only, Python 3.10 to 3.14; packaging copies this folder into the
editors' plug-ins.
"""

__version__ = "0.1.0"
