"""The ffmpeg command that puts a segment's layers together. Builds argument lists; runs nothing and reads no file.

No text of a prompt is ever in a command: words come as pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from storychain.studio.animatic.canvas import Plate
from storychain.studio.animatic.shot import Shot

DISSOLVE = 0.75
"""Seconds in which the picture that is continued gives way to the segment's own."""

REPEATED = 12
"""Frames of the source that `media.repeat` puts at the head."""

_MATRIX = "out_color_matrix=bt709:out_range=tv"
_FIRST_FRAME = ("-x264-params", "zones=0,0,q=8")
"""The first frame is kept finer than the rest: it has to look exactly like the frame it continues."""

_RAW = ("-f", "rawvideo", "-framerate", "24", "-pixel_format")


@dataclass(frozen=True, slots=True)
class Layers:
    """What is laid over each other: plates and their files from back to front, the words
    and prints with their places (pixels from the left and top), the opening frame."""

    plates: tuple[tuple[Plate, Path], ...]
    cards: tuple[tuple[Path, int, int], ...]
    opening: Path | None
    sound: str
    tag: str


def command(ffmpeg: Path, shot: Shot, layers: Layers, output: Path) -> list[str]:
    """Render a segment to `output`; stdout tells the progress."""
    inputs: list[str] = []
    for plate, path in layers.plates:
        rows, columns = plate.pixels.shape[:2]
        inputs += reading(path, *_RAW, "rgba", "-video_size", f"{columns}x{rows}")
    for card, _, _ in layers.cards:
        inputs += reading(card, "-f", "image2", "-framerate", "24", "-pattern_type", "none")
    if layers.opening:
        inputs += reading(layers.opening, *_RAW, "yuv420p", "-video_size", f"{shot.width}x{shot.height}")
    silent = "media.silent" in shot.flaws
    graph = _picture(shot, layers) + ("" if silent else f";{layers.sound}")
    sound = ["-an"] if silent else ["-map", "[sound]", "-c:a", "aac", "-aac_coder", "fast", "-b:a", "128k"]
    return [
        *start(ffmpeg),
        *inputs,
        *("-filter_complex_threads", "2", "-filter_complex", graph, "-map", "[picture]", *sound),
        *("-frames:v", str(shot.frames), *picture_codec(shot), *container(layers.tag), str(output.absolute())),
    ]


def merged(ffmpeg: Path, shot: Shot, source: Path, fresh: Path, output: Path, tag: str, *, sound: bool) -> list[str]:
    """The whole source and then what was rendered; with the sound of both if the source has `sound`."""
    graph = f"[0:v]{_fit(shot)}[a];[1:v]setpts=PTS-STARTPTS[b];[a][b]concat=n=2:v=1:a=0[picture]"
    joined = ["-map", "[sound]", "-c:a", "aac", "-aac_coder", "fast", "-b:a", "128k"]
    graph += ";[0:a:0]aresample=48000[c];[c][1:a:0]concat=n=2:v=0:a=1[sound]" if sound else ""
    return [
        *(*start(ffmpeg), *reading(source, "-f", "mov"), *reading(fresh, "-f", "mov"), "-filter_complex", graph),
        *(
            "-map",
            "[picture]",
            *(joined if sound else ["-an"]),
            *picture_codec(shot),
            *container(tag),
            str(output.absolute()),
        ),
    ]


def repeating(ffmpeg: Path, shot: Shot, source: Path, fresh: Path, output: Path, tag: str) -> list[str]:
    """The last frames of the source and then what was rendered, in all no longer than was asked for."""
    last = f"{_fit(shot)},reverse,trim=end_frame={REPEATED},reverse,setpts=PTS-STARTPTS"
    graph = f"[0:v]{last}[a];[1:v]setpts=PTS-STARTPTS[b];[a][b]concat=n=2:v=1:a=0[picture]"
    return [
        *(*start(ffmpeg), *reading(source, "-f", "mov"), *reading(fresh, "-f", "mov"), "-filter_complex", graph),
        *("-map", "[picture]", "-map", "1:a?", "-c:a", "copy", "-frames:v", str(shot.frames)),
        *(*picture_codec(shot), *container(tag), str(output.absolute())),
    ]


def start(ffmpeg: Path) -> list[str]:
    """How every command begins."""
    quiet = ["-hide_banner", "-nostdin", "-y", "-v", "error", "-progress", "pipe:1", "-stats_period", "0.2"]
    return [str(ffmpeg), *quiet]


def reading(path: Path, *form: str) -> list[str]:
    """An input of the given form, kept to files wherever it points; an absolute path is no option and no address."""
    return [*form, "-protocol_whitelist", "file", "-i", str(path.absolute())]


def picture_codec(shot: Shot) -> list[str]:
    """H.264 at a constant rate; threads are fixed for the same bytes each time."""
    colours = ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"]
    codec = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "19",
        "-g",
        "48",
        "-threads",
        "2",
        "-pix_fmt",
        "yuv420p",
    ]
    # A key frame near the end: whoever continues from the last frame need not decode the seconds before it.
    near_end = f"{shot.frames / shot.fps - 0.25:.3f}"
    return [*codec, *colours, *_FIRST_FRAME, "-force_key_frames", near_end, "-r", str(shot.fps)]


def container(tag: str) -> list[str]:
    """MP4 with its index first, no date and no version, and the tag of its world."""
    bare = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]
    return [*bare, "-metadata", f"comment={tag}", "-movflags", "+faststart", "-f", "mp4"]


def _picture(shot: Shot, layers: Layers) -> str:
    ground, *others = [plate for plate, _ in layers.plates]
    parts = [f"[0:v]scale={ground.width}:{ground.height}:flags=bicubic:{_MATRIX},format=yuv420p,{_still(shot)}[g0]"]
    for place, plate in enumerate(others, start=1):
        size = f"scale={plate.width}:{plate.height}:flags=bicubic:{_MATRIX}"
        parts += [
            f"[{place}:v]{size},format=yuva420p,{_still(shot)}[l{place}]",
            f"[g{place - 1}][l{place}]overlay=x='{_x(plate, shot)}':y='{_y(plate, shot)}':format=yuv420[g{place}]",
        ]
    parts += _words(shot, layers)
    parts += _opening(shot, layers) if layers.opening else [f"[w{len(layers.cards)}]null[picture]"]
    return ";".join(parts)


def _fit(shot: Shot) -> str:
    return f"fps={shot.fps},scale={shot.width}:{shot.height},setsar=1,format=yuv420p"


def _still(shot: Shot) -> str:
    return f"loop=loop=-1:size=1,setpts=N/({shot.fps}*TB)"


def _words(shot: Shot, layers: Layers) -> list[str]:
    """Cards come after the dissolve and have left before the last frame, so no words are carried into the next.

    Where there is a stamp they stay: nothing continues from such a segment, and no frame of it is to be mistaken.
    """
    seconds = shot.frames / shot.fps
    fades = f"fade=t=in:st=0.6:d=0.7:alpha=1,fade=t=out:st={seconds - 1.15:.3f}:d=0.75:alpha=1"
    showing = f"between(t,0.55,{seconds - 0.3:.3f})"
    if shot.stamp:
        fades, showing = "null", "1"
    parts = [f"[g{len(layers.plates) - 1}]null[w0]"]
    for place, (_, x, y) in enumerate(layers.cards):
        source = len(layers.plates) + place
        parts += [
            f"[{source}:v]scale={_MATRIX},format=yuva420p,{_still(shot)},{fades}[c{place}]",
            f"[w{place}][c{place}]overlay=x={x}:y={y}:format=yuv420:enable='{showing}'[w{place + 1}]",
        ]
    return parts


def _opening(shot: Shot, layers: Layers) -> list[str]:
    """The frame that is continued, over everything at first. Its colours are named, lest they are converted."""
    source, under = len(layers.plates) + len(layers.cards), len(layers.cards)
    frames = round(DISSOLVE * shot.fps) + 1
    leaving = f"trim=end_frame={frames},fade=t=out:st=0:d={DISSOLVE}:alpha=1"
    return [
        f"[{source}:v]setparams=colorspace=bt709:range=tv,format=yuva420p,{_still(shot)},{leaving}[o]",
        f"[w{under}][o]overlay=format=yuv420:eof_action=pass[picture]",
    ]


def _x(plate: Plate, shot: Shot) -> str:
    """Even pixels only: half a chroma sample cannot be moved by."""
    pan = plate.pan * 24 / shot.fps / 2
    return f"{plate.x}-2*floor(n*{pan:.5f})" if pan else str(plate.x)


def _y(plate: Plate, shot: Shot) -> str:
    fall = plate.fall * 24 / shot.fps / 2
    if not plate.every:
        return str(plate.y)
    moved = f"mod(2*floor(n*{abs(fall):.5f}),{plate.every})"
    return f"{moved}-{plate.every}" if fall > 0 else f"-{moved}"
