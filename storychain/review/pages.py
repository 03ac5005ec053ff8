"""The pages: each is a look at the views, rendered. Addresses in, answers out; nothing is measured or decided here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from storychain.directing import planned
from storychain.errors import CapReached, ConsentNeeded, InvalidStory, StorychainError, StoryHeld, UsageError
from storychain.review.charts import days_svg, drift_svg
from storychain.review.forms import decide, form_of
from storychain.review.rendering import STATIC, Served, part, rendered
from storychain.review.retaking import retake_of
from storychain.review.serving import Stills, facts, segment_path, video
from storychain.review.spending import Offers, check_price, offer_of
from storychain.review.view import FilmView, SceneView, SeamView, StoryView, TakeView, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from storychain.directing import Table
    from storychain.review.gathering import Views
    from storychain.review.live import News
    from storychain.review.spending import Till


_AT_ONCE = 20
"""Stories of the list that come with their strips; those of the others come when one scrolls near them."""


class Pages:
    """The pages of one workspace."""

    def __init__(self, views: Views, news: News, till: Till | None = None) -> None:
        self._till = till
        self._offers = Offers()
        self._views = views
        self._news = news
        self._stills = Stills(views.places.workspace)
        self._to = Served()
        self._rows: dict[tuple[str, bool], tuple[StoryView, int, str]] = {}

    def application(self) -> Starlette:
        """All of them, without a guard."""
        story = "/stories/{story}"
        routes = [
            Route("/", self._page(self._index)),
            Route("/spent", self._page(self._spent)),
            Route(story, self._page(self._story)),
            Route(f"{story}/row", self._page(self._story_row)),
            Route(f"{story}/scenes", self._page(self._story_scenes)),
            Route(f"{story}/films/{{film}}.mp4", self._film),
            Route(f"{story}/buy", self._page(self._offer)),
            Route(f"{story}/buy", self._buy, methods=["POST"]),
            Route(f"{story}/scenes/{{scene}}", self._page(self._scene)),
            Route(f"{story}/scenes/{{scene}}/takes/{{key}}/{{what}}", self._say, methods=["POST"]),
            Route(f"{story}/seams/{{seam:int}}", self._page(self._seam)),
            Route("/media/{name}.mp4", self._video),
            Route("/media/{name}.json", self._facts),
            Route("/stills/{name}/{where}-{size}.jpg", self._stills.answer),
            Route("/events", self._events),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]
        troubles: Mapping[Any, Any] = {HTTPException: _refused, StorychainError: _trouble}
        return Starlette(routes=routes, exception_handlers=troubles)

    def _page(self, make: Callable[[Request], str]) -> Callable[[Request], Any]:
        """A page is made in a thread: it looks at the ledger and at files."""

        async def answer(request: Request) -> Response:
            return HTMLResponse(await asyncio.to_thread(make, request))

        return answer

    def _index(self, request: Request) -> str:  # noqa: ARG002 - every page is asked the same way
        space = self._views.workspace()
        rows = [self._row(story, later=place >= _AT_ONCE) for place, story in enumerate(space.stories)]
        return rendered("index.html", space=space, rows=rows, to=self._to)

    def _row(self, story: StoryView, *, later: bool = False) -> str:
        """A story's row in the list, or one whose strip comes later; of many stories most are as they were."""
        serial = self._views.serial(story.name)
        known = self._rows.get((story.name, later))
        if known is None or known[:2] != (story, serial):
            known = (story, serial, part("_row.html", story=story, serial=serial, to=self._to, later=later))
            self._rows[story.name, later] = known
        return known[2]

    def _story_row(self, request: Request) -> str:
        return self._row(self._found(request))

    def _spent(self, request: Request) -> str:  # noqa: ARG002
        spent = self._views.spent()
        return rendered("spent.html", spent=spent, days=days_svg(spent.days), to=self._to)

    def _story(self, request: Request) -> str:
        story = self._found(request)
        drift = drift_svg(story.drift) if story.drift else None
        asked = request.query_params.get("film")
        film = _film_of(story, asked) if asked else story.film
        return rendered("story.html", **self._about(story), film=film, drift=drift)

    def _story_scenes(self, request: Request) -> str:
        return rendered("_story_live.html", **self._about(self._found(request)))

    def _scene(self, request: Request) -> str:
        story = self._found(request)
        scene = story.scene(request.path_params["scene"])
        if scene is None:
            raise HTTPException(404, "The story has no such scene.")
        pair = _pair(scene, request.query_params)
        settings = _settings(*pair) if pair else []
        retake = retake_of(self._table(story), scene.id)
        told = {"scene": scene, "pair": pair, "settings": settings, "retake": retake}
        return rendered("scene.html", **self._about(story), **told)

    def _seam(self, request: Request) -> str:
        story, number = self._found(request), request.path_params["seam"]
        if not 1 <= number <= len(story.seams):
            raise HTTPException(404, "The story has no such seam.")
        seam = story.seams[number - 1]
        return rendered("seam.html", **self._about(story), seam=seam, rows=_measures(seam))

    def _about(self, story: StoryView) -> dict[str, Any]:
        till, written = self._till if not story.free else None, self._views.written(story.name)
        trouble = till.told(written) if till and written else None
        return {"story": story, "serial": self._views.serial(story.name), "to": self._to, "till": till, "said": trouble}

    def _found(self, request: Request) -> StoryView:
        found = self._views.story(request.path_params["story"])
        if found is None:
            raise HTTPException(404, "There is no such story.")
        if isinstance(found, Unreadable):
            raise InvalidStory(found.problem)
        return found

    async def _say(self, request: Request) -> Response:
        """A verdict, a comment, or which take is shown; then back to the scene."""
        told = await form_of(request)
        path = request.path_params

        def say() -> str:
            found = self._found(request)
            table, ledger = self._table(found), self._views.places.ledger()
            if ledger is None:
                raise HTTPException(404, "There is no such take.")
            decide(ledger, table, path["scene"], path["key"], path["what"], told)
            number = table.take(path["scene"], path["key"]).number
            scene = found.scene(path["scene"])
            assert scene is not None
            return f"{self._to.scene(found, scene)}#take-{number}"

        return RedirectResponse(await asyncio.to_thread(say), status_code=303)

    def _offer(self, request: Request) -> str:
        """The price of what a form asks for, to be agreed to."""
        story, till, asked = self._found(request), self._till, request.query_params
        if till is None or story.free:
            raise HTTPException(404, "This page buys nothing: it was opened without --allow-spend.")
        keep, prompt = asked.get("keep") == "1", asked.get("prompt", "")
        table = self._table(story)
        offer = offer_of(table, asked.get("scene", ""), prompt=prompt, keep_after=keep)
        refusal = till.refusal(table.story, planned(table, offer.choices))
        # What is refused is not to be agreed to.
        token = "" if refusal else self._offers.make(offer)
        told = {"offer": offer, "token": token, "left": till.left, "refusal": refusal}
        return rendered("offer.html", **self._about(story), **told)

    async def _buy(self, request: Request) -> Response:
        """Agree to an offer: once, at the price that was shown, as long as it may be spent."""
        token = (await form_of(request)).get("token", "")
        story, till = await asyncio.to_thread(self._found, request), self._till
        if till is None or story.free:
            raise HTTPException(404, "This page buys nothing: it was opened without --allow-spend.")
        table = await asyncio.to_thread(self._table, story)
        # From here to `begin` nothing else has a turn: two offers cannot both be under the cap, nor is one had twice.
        offer = self._offers.of(token)
        if offer is not None:
            till.choose(table, offer.choices, check_price(offer, table, till))
            self._offers.agree(token)
            till.begin(table.story, offer.credits)
        return RedirectResponse(self._to.story(story), status_code=303)

    def _table(self, story: StoryView) -> Table:
        table = self._views.table(story.name)
        if table is None:
            raise HTTPException(404, "There is no such story.")
        return table

    async def _film(self, request: Request) -> Response:
        story = await asyncio.to_thread(self._found, request)
        return video(_film_of(story, request.path_params["film"]).path, request)

    async def _video(self, request: Request) -> Response:
        return video(segment_path(self._views.places.workspace, request.path_params["name"]), request)

    async def _facts(self, request: Request) -> Response:
        return await facts(self._views.places.workspace, request)

    async def _events(self, request: Request) -> Response:  # noqa: ARG002
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._news.stream(), media_type="text/event-stream", headers=headers)


def _film_of(story: StoryView, name: str) -> FilmView:
    found = next((film for film in story.films if film.name == name), None)
    if found is None:
        raise HTTPException(404, "The story has no such film.")
    return found


def _pair(scene: SceneView, asked: Mapping[str, str]) -> tuple[TakeView, TakeView] | None:
    """The two takes that are held against each other: those asked for, else the last two."""
    if len(scene.takes) < 2:
        return None
    by_number = {str(take.number): take for take in scene.takes}
    before = by_number.get(asked.get("a", ""), scene.takes[-2])
    return before, by_number.get(asked.get("b", ""), scene.takes[-1])


def _settings(before: TakeView, after: TakeView) -> list[tuple[str, str, str]]:
    """The settings of two takes, by name."""
    told = (("Model", "model"), ("Seconds", "seconds"), ("Credits", "credits"), ("State", "state"), ("Job", "job_id"))
    return [(name, *(_said(getattr(take, field)) for take in (before, after))) for name, field in told]  # type: ignore[misc]


def _said(value: object) -> str:
    return "-" if value in (None, "") else str(value)


def _measures(seam: SeamView) -> list[tuple[str, str, str, str]]:
    """What was measured at a seam: name, before, after, step."""
    told = seam.measures
    if told is None:
        return []

    def of(name: str, form: str) -> str:
        value = told.get(name)
        return "-" if value is None else format(value, form)

    return [
        (
            "Brightness, levels",
            of("brightness_before", ".1f"),
            of("brightness_after", ".1f"),
            of("brightness_step", "+.1f"),
        ),
        ("Contrast, times", "", "", of("contrast_ratio", ".2f")),
        ("Colour, CIEDE2000", "", "", of("colour_step", ".1f")),
        ("Sharpness, times", "", "", of("sharpness_ratio", ".2f")),
        (
            "Motion, levels a second",
            of("motion_before", ".0f"),
            of("motion_after", ".0f"),
            f"x {of('motion_ratio', '.2f')}",
        ),
        (
            "Loudness, LUFS",
            of("loudness_before", ".1f"),
            of("loudness_after", ".1f"),
            f"{of('loudness_step', '+.1f')} LU",
        ),
        ("Frames shown again", "", "", of("repeated", "d")),
    ]


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    page = rendered("trouble.html", what=error.detail, words="", to=Served())
    return HTMLResponse(page, status_code=error.status_code, headers=error.headers)


def _trouble(request: Request, error: Exception) -> Response:  # noqa: ARG001
    status, what = 500, "This cannot be shown"
    match error:
        case ConsentNeeded() | CapReached() | StoryHeld():
            status, what = 409, "Nothing was bought"
        case UsageError():
            status, what = 400, "This cannot be done"
        case InvalidStory():
            status, what = 422, "This story cannot be read"
    page = rendered("trouble.html", what=what, words=str(error), to=Served())
    return HTMLResponse(page, status_code=status)
