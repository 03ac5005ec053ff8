"""Which frames are copied and which drawn: every frame of the film exactly once, whatever the shots are."""

from hypothesis import given
from hypothesis import strategies as st

from storychain.media.timeline import Copied, Drawn, Shot, Source, Span, begins, pieces_of, settled


@st.composite
def films(draw):
    sources, shots = [], []
    for number in range(draw(st.integers(1, 5))):
        frames = draw(st.integers(1, 60))
        keys = (0, *sorted(draw(st.sets(st.integers(1, 59), max_size=6))))
        keys = tuple(key for key in keys if key < frames)
        stops = {*keys[1:], *draw(st.sets(st.integers(1, frames))), frames}
        sources.append(Source(keys, tuple(sorted(stops))))
        begin = draw(st.integers(0, frames - 1))
        end = draw(st.integers(begin + 1, frames))
        shots.append(Shot(number, begin, end, draw(st.integers(0, 20)), redrawn=draw(st.integers(0, 5)) == 0))
    shots = settled(shots)
    whole = begins(shots)[-1]
    touched = [
        Span(a, b) for a, b in draw(st.lists(st.tuples(st.integers(-3, whole), st.integers(0, whole + 3)))) if a < b
    ]
    return shots, sources, touched


def seen(pieces):
    """For each frame of the film the (source, frame) pairs that are shown in it, and whether it is copied."""
    shown = []
    for piece in pieces:
        if isinstance(piece, Copied):
            shown += [({(piece.source, n)}, True) for n in range(piece.begin, piece.end)]
            continue
        assert piece.at == len(shown)
        for shot in piece.shots:
            place = len(shown) - shot.blend
            for n in range(shot.begin, shot.end):
                if place < len(shown):
                    shown[place][0].add((shot.source, n))
                else:
                    shown.append(({(shot.source, n)}, False))
                place += 1
    return shown


@given(films())
def test_every_frame_is_there_once_in_its_place(film):
    shots, sources, touched = film
    places = begins(shots)
    wanted = [set() for _ in range(places[-1])]
    for shot, place in zip(shots, places, strict=False):
        for n in range(shot.begin, shot.end):
            wanted[place + n - shot.begin].add((shot.source, n))
    pieces = pieces_of(shots, sources, touched)
    shown = seen(pieces)
    assert [frames for frames, _ in shown] == wanted
    assert all(piece.frames > 0 for piece in pieces)
    for place, (frames, copied) in enumerate(shown):
        if copied:
            assert len(frames) == 1
            assert not any(span.begin <= place < span.end for span in touched)
    for piece in pieces:
        if isinstance(piece, Copied):
            source = sources[piece.source]
            assert piece.begin in source.keys
            assert piece.end in source.stops
            assert not shots[piece.source].redrawn


@given(films())
def test_nothing_is_drawn_farther_than_needed(film):
    shots, sources, touched = film
    copied = {
        (p.source, n)
        for p in pieces_of(shots, sources, touched)
        if isinstance(p, Copied)
        for n in range(p.begin, p.end)
    }
    places = begins(shots)
    for number, (shot, place) in enumerate(zip(shots, places, strict=False)):
        over = shots[number + 1].blend if number + 1 < len(shots) else 0
        keys, stops = sources[number].keys, sources[number].stops
        for one, two in ((key, stop) for key in keys for stop in stops if stop > key):
            inside = one >= shot.begin + shot.blend and two <= shot.end - over
            film = Span(one - shot.begin + place, two - shot.begin + place)
            free = not any(span.begin < film.end and span.end > film.begin for span in touched)
            if inside and free and not shot.redrawn:
                assert {(number, n) for n in range(one, two)} <= copied


def test_a_hard_cut_between_drawn_shots_begins_a_piece():
    shots = [Shot(0, 5, 20), Shot(1, 5, 20)]
    assert pieces_of(shots, [Source((0,), (20,))] * 2) == (Drawn(0, (shots[0],)), Drawn(15, (shots[1],)))


def test_whole_sources_are_copied_whole():
    shots = [Shot(0, 0, 48), Shot(1, 0, 48)]
    assert pieces_of(shots, [Source((0, 24), (24, 48))] * 2) == (Copied(0, 0, 48), Copied(1, 0, 48))


def test_a_transition_is_drawn_from_the_last_stop_to_the_next_key():
    shots = settled([Shot(0, 0, 96), Shot(1, 0, 96, 12)])
    sources = [Source((0, 24, 48, 72), (24, 48, 72, 77, 82, 87, 92, 96))] * 2
    assert pieces_of(shots, sources) == (
        Copied(0, 0, 82),
        Drawn(82, (Shot(0, 82, 96), Shot(1, 0, 24, 12))),
        Copied(1, 24, 96),
    )
