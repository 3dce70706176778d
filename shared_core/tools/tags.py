"""Tags: CLIP's likeliest labels for a picture, else facts that can be measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from shared_core.algorithms.measurements import Tones, sharpness
from shared_core.algorithms.noise import estimate_sigma
from shared_core.bridge.language import _
from shared_core.bridge.paths import paths
from shared_core.pixels import Box, WrongOutput

from . import clip, tag_list
from .work import Made, Model, Work

MEASURED = _("classical measurements, not recognition")
YUNET = "yunet-2023mar"
PATCH_SIDE = 512
_STRIP_PIXELS = 1 << 20


def classical(work: Work) -> Made:
    """Size, tones, colours, sharpness, noise, and the faces where the detector is here."""
    box = work.selected
    tones = Tones()
    strips = list(_strips(box))
    for number, strip in enumerate(strips):
        work.step(number, len(strips) + 1)
        weight = work.picture.alpha(strip)
        if work.selection is not None:
            weight = weight * (work.selection[strip.slices] * np.float32(1 / 255))
        tones.add(work.picture.rgb(strip), weight)
    patches = [work.picture.rgb(patch) for patch in _patches(box)]
    work.step(len(strips), len(strips) + 1)
    visible = tones.weight / (box.width * box.height)
    measured: dict[str, Any] = {
        _("size"): f"{box.width} × {box.height} px, {box.width * box.height / 1e6:.2g} MP",
        _("brightness (L*, 0 to 100)"): round(tones.brightness, 1),
        _("contrast (standard deviation of L*)"): round(tones.contrast, 1),
        _("colourfulness (15 slight, 45 average, 80 strong)"): round(tones.colourfulness, 1),
        _("highlights clipped (%)"): round(100 * tones.highlights_clipped, 2),
        _("shadows clipped (%)"): round(100 * tones.shadows_clipped, 2),
        _("sharpness (0 to 1)"): round(sharpness(patches), 2),
        _("noise (standard deviation, levels of 255)"): round(
            float(np.median([estimate_sigma(patch) for patch in patches])), 1
        ),
        _("colours"): ", ".join(f"{colour} {share:.0%}" for colour, share in tones.palette()),
    }
    if visible < 0.999:
        measured[_("visible and selected (%)")] = round(100 * visible, 1)
    faces = _faces(work, box)
    if faces is not None:
        measured[_("faces found")] = faces
    return Made(len(strips), MEASURED, {}, {"measurements": measured})


def real(work: Work, model: Model) -> Made:
    """CLIP's likelihoods for the labels of the list and of the user."""
    own = tag_list.own(work.text("labels"))
    fixed = {} if work.choice("among") == "own" and len(own) > 1 else tag_list.built_in()
    # A label that the user repeats from the list counts once.
    own = {label: prompt for label, prompt in own.items() if label not in fixed}
    if fixed:
        prompts = list(fixed.values())
        known = clip.remembered(
            paths().cache / "labels",
            model,
            prompts,
            lambda: clip.embed_texts(model, prompts, work.step, work.cancelled),
        )
    parts = [known] if fixed else []
    if own:
        parts.append(clip.embed_texts(model, list(own.values()), work.step, work.cancelled))
    texts = np.concatenate(parts)

    spec = next(spec for spec in model.card.inputs if spec.role == "vision")
    tensor = clip.picture_tensor(work.picture, work.selected, spec, lambda: work.step(0, 1))
    embedding = clip.embed_picture(model.sessions["vision"], tensor, work.cancelled)
    if embedding.shape[1] != texts.shape[1]:
        raise WrongOutput(
            _(
                "The two parts of {model} do not fit each other: {shape} and {texts} "
                "values. Download it again, or use the classical path.",
                model=model.card.title,
                shape=embedding.shape[1],
                texts=texts.shape[1],
            )
        )
    likely = clip.scores(embedding, texts)
    labels = [*fixed, *own]
    best = np.argsort(-likely, kind="stable")[: int(work.number("count"))]
    work.step(1, 1)
    return Made(
        1,
        _("softmax of 100 times the cosine over the labels"),
        {
            "prompt": tag_list.PROMPT.format("…"),
            "labels": " and ".join(["the list"] * bool(fixed) + ["your own"] * bool(own)),
            "labels_compared": len(labels),
        },
        {"labels": [[labels[index], round(float(likely[index]), 4)] for index in best]},
    )


def _strips(box: Box) -> Iterator[Box]:
    step = max(1, _STRIP_PIXELS // box.width)
    for top in range(box.top, box.bottom, step):
        yield Box(box.left, top, box.width, min(step, box.bottom - top))


def _patches(box: Box) -> list[Box]:
    """Up to five patches for measures that need every pixel."""
    width, height = min(PATCH_SIDE, box.width), min(PATCH_SIDE, box.height)
    spots = [(0.5, 0.5), (0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
    places = {
        Box(
            box.left + round(x * (box.width - width)),
            box.top + round(y * (box.height - height)),
            width,
            height,
        )
        for x, y in (spots if box.width * box.height > 2 * PATCH_SIDE**2 else spots[:1])
    }
    return sorted(places)


def _faces(work: Work, box: Box) -> int | None:
    """How many faces there are, None where the detector is not here."""
    detector = work.helpers.get(YUNET)
    if detector is None:
        return None
    from .faces import find_faces

    return len(find_faces(work.picture, detector.session, work.cancelled, box))
