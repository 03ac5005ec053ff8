"""The sound bed as an ffmpeg filter graph: a soft chord and the air of the place. Text only; runs nothing."""

from __future__ import annotations

from storychain.studio.animatic.look import Look

RATE = 48000
_AIR = {
    "rain": ("pink", 0.10, "highpass=f=700,lowpass=f=7000"),
    "snow": ("pink", 0.035, "lowpass=f=900"),
    "clear": ("brown", 0.05, "lowpass=f=700"),
    "dust": ("brown", 0.035, "lowpass=f=600"),
    "stars": ("pink", 0.02, "lowpass=f=1400"),
}
_SEA_AIR = ("brown", 0.16, "lowpass=f=900,tremolo=f={swell}:d=0.55")


def bed(look: Look, seed: int, seconds: int) -> str:
    """A graph that ends in `[sound]`: stereo, 48 kHz, exactly `seconds` long, level near -28 dBFS.

    Tones are whole hertz from phase zero and swells are whole in the segment, so both begin and end alike: where
    two segments of one world meet, the chord runs through without a click.
    """
    voices = [_voice(place, tone, seconds) for place, tone in enumerate(look.chord)]
    air = _air(look, seed, seconds)
    inputs = "".join(f"[v{place}]" for place in range(len(voices)))
    exact = f"atrim=end_sample={seconds * RATE},asetpts=N/SR/TB"
    mix = f"{inputs}[air]amix=inputs={len(voices) + 1}:normalize=0,{exact}[sound]"
    return ";".join([*voices, air, mix])


def _voice(place: int, tone: int, seconds: int) -> str:
    level = 0.30 / (1 + 0.75 * place)
    swell = (2 + place % 3) / seconds
    left = 0.5 + 0.32 * (-1) ** place
    return (
        f"sine=f={tone}:r={RATE}:d={seconds},volume={level:.3f},tremolo=f={max(0.1, swell):.4f}:d=0.35,"
        f"pan=stereo|c0={left:.2f}*c0|c1={1 - left:.2f}*c0[v{place}]"
    )


def _air(look: Look, seed: int, seconds: int) -> str:
    colour, level, shape = _SEA_AIR if look.terrain == "sea" and look.weather != "rain" else _AIR[look.weather]
    sides = "".join(
        f"anoisesrc=c={colour}:r={RATE}:a={level}:s={(seed + side) % 2**31}:d={seconds},"
        f"{shape.format(swell=2 / seconds)}[a{side}];"
        for side in (0, 1)
    )
    fade = f"afade=t=in:d=0.25,afade=t=out:st={seconds - 0.25}:d=0.25"
    return f"{sides}[a0][a1]join=inputs=2:channel_layout=stereo,{fade}[air]"
