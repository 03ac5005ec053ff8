"""Carrying a sound on past its end, so that what follows can be faded in over it: arithmetic on samples alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTEXT = 4096
"""Samples from which a sound is carried on: 85 ms, several periods of the lowest voice."""

_ORDER = 64
"""Of the prediction: a pair for each of 32 resonances."""

_END = 960
"""Samples at the end, 20 ms, whose power the excitation is held to: of a slam that dies away the mirror would make
another."""

_LEAST = 16
"""Samples below which nothing can be predicted."""


def carried_on(recent: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """`count` samples of what may have come after `recent`; both have a row a sample and a column a channel.

    The mirrored tail by itself would bend sharply where it begins, which clicks. So the sound is taken apart into its
    resonances (linear prediction by Burg's method, always stable) and what excites them; the excitation is mirrored
    and the resonances ring on through it. Tones go on in phase, noise keeps its colour and its power.
    """
    recent = recent[-CONTEXT:]
    if not count or len(recent) < _LEAST or not recent.any():
        return np.zeros((count, recent.shape[1]))
    if (recent == recent[:, :1]).all():
        return np.repeat(_channel(recent[:, 0], count)[:, None], recent.shape[1], axis=1)
    return np.stack([_channel(column, count) for column in recent.T], axis=1)


def _channel(recent: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    weights, excitation = _predictor(recent)
    order = len(weights)
    mirrored = np.resize(np.concatenate([excitation[::-1], excitation]), count)
    power = np.convolve(np.square(np.pad(mirrored, _END // 2, mode="symmetric")), np.ones(_END) / _END, "valid")[:count]
    end = np.square(excitation[-_END:]).mean()
    mirrored *= np.sqrt(np.divide(end, power, out=np.ones(count), where=power > end))
    sound = np.concatenate([recent[len(recent) - order :], np.zeros(count)])
    for place in range(count):
        sound[place + order] = weights @ sound[place : place + order] + mirrored[place]
    loudest = 2 * np.abs(recent).max()  # where resonances build up; otherwise never reached, for a clip clicks
    return cast("NDArray[np.float64]", np.clip(sound[order:], -loudest, loudest))


def _predictor(recent: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of the samples before one, oldest first, that predict it; and what they leave unexplained."""
    forward, backward = recent, recent
    error_filter = np.ones(1)
    for _ in range(min(_ORDER, len(recent) // 3)):
        ahead, behind = forward[1:], backward[:-1]
        power = ahead @ ahead + behind @ behind
        if power <= 0:
            break  # all is explained
        reflection = -2 * (ahead @ behind) / power
        grown = np.append(error_filter, 0.0)
        error_filter = grown + reflection * grown[::-1]
        forward, backward = ahead + reflection * behind, behind + reflection * ahead
    return -error_filter[:0:-1], forward
