"""Drives the real Krita for tests: plays the scenario that NSS_PROBE names, one step per tick."""

import os

from krita import Extension, Krita

from . import deaths, driver, eyes, gallery, models, scenarios


class Probe(Extension):
    def setup(self):
        name = os.environ.get("NSS_PROBE")
        if name:
            places = (scenarios, models, deaths, eyes, gallery)
            driver.play(next(getattr(place, name) for place in places if hasattr(place, name)))

    def createActions(self, window):
        pass


Krita.instance().addExtension(Probe(Krita.instance()))
