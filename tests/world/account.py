"""The provider: its jobs, its files and its books. Knows nothing of how it is spoken to, nor of the program."""

import hashlib
import uuid
from dataclasses import dataclass, field
from decimal import Decimal

PER_SECOND = {"veo3.1_fast": Decimal(10), "pixverse5.5": Decimal("1.6"), "veo3.1": Decimal(20)}

LATE = 8.0
"""Seconds after which a request whose connection has ended is accepted at the latest."""


def video(name, size=160):
    """A video that knows whether it is whole: a head, its name, filling, a checksum and an end."""
    body = b"VIDEO:" + name.encode() + b":" + hashlib.sha512(name.encode()).hexdigest().encode()[:size]
    return body + hashlib.sha256(body).digest()[:8] + b":END"


def is_whole(data):
    """Whether every byte is as it was made."""
    body, told = data[:-12], data[-12:-4]
    return decodes(data) and hashlib.sha256(body).digest()[:8] == told


def decodes(data):
    """Whether it looks like a video: what a decoder without a checksum can tell."""
    return data.startswith(b"VIDEO:") and data.endswith(b":END")


def frame(data):
    """The last picture of a video."""
    return b"FRAME:" + hashlib.sha256(data).hexdigest().encode()


@dataclass
class Job:
    """One accepted request. `charged` is what the books say it took."""

    id: str
    body: dict
    accepted: float
    ends: float
    fails: bool
    price: Decimal
    charged: Decimal
    listed: float
    readable: float
    stranger: bool
    poster: object = None
    video: bytes = b""
    begins: bytes | None = None
    """The bytes its beginning was given as."""

    @property
    def prompt(self):
        return self.body["prompt"]


@dataclass
class Account:
    """One customer's account. Times are the world's seconds."""

    rng: object
    weather: object
    limit: Decimal = Decimal(1_000_000)
    jobs: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    """Address without its query → bytes, of uploads and of whatever else is public."""
    signatures: dict = field(default_factory=dict)
    """Signature → when it expires."""
    used: Decimal = Decimal(0)

    def price(self, body):
        return PER_SECOND[body["model"]] * int(body["duration"].removesuffix("s"))

    def can_pay(self, body):
        return self.used + self.price(body) <= self.limit

    def accept(self, body, now, poster=None, *, begins=None):
        """Take a request: from now on it costs."""
        rng, weather, price = self.rng, self.weather, self.price(body)
        fails = rng.random() < weather.job_fails
        name = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        job = Job(
            id=name,
            body=body,
            accepted=now,
            ends=now + (rng.uniform(250, 900) if rng.random() < weather.job_slow else rng.uniform(2, 40)),
            fails=fails,
            price=price,
            charged=Decimal(0) if fails and weather.failures_free else price,
            listed=now + rng.uniform(0, weather.list_lag),
            readable=now + rng.uniform(0, weather.read_lag),
            stranger=poster is None,
            poster=poster,
            video=video(name),
            begins=begins,
        )
        self.used += job.charged
        self.jobs.append(job)
        self.files[f"/v/{name}"] = job.video
        self.files[f"/f/{name}"] = frame(job.video)
        return job

    def stranger(self, now):
        """Somebody else's job, made in the account's own web page."""
        seconds = self.rng.choice((4, 8))
        self.accept(
            {"prompt": f"A stranger's {len(self.jobs)}", "model": "veo3.1_fast", "duration": f"{seconds}s"}, now
        )

    def is_cleaned(self, job, now):
        kept = self.weather.retention
        return kept is not None and now > job.ends + kept

    def status(self, job, now):
        if now < job.ends:
            return "in-progress"
        if job.fails:
            return "failed"
        return "cleaned" if self.is_cleaned(job, now) else "completed"

    def find(self, job_id, now):
        return next((job for job in self.jobs if job.id == job_id and now >= job.readable), None)

    def page(self, after, now):
        """Jobs newest first after the one called `after`, and where the next page begins."""
        listed = [job for job in reversed(self.jobs) if now >= job.listed]
        if after:
            # By position of acceptance: what is listed meanwhile moves nothing.
            order = {job.id: place for place, job in enumerate(self.jobs)}
            listed = [job for job in listed if order[job.id] < order[after]]
        page = listed[: self.weather.page]
        return page, page[-1].id if len(listed) > len(page) else None

    def sign(self, path, now):
        name = f"{self.rng.getrandbits(40):x}"
        self.signatures[name] = now + self.weather.url_life
        return f"https://files.test{path}?sig={name}"

    def file(self, path, signature, now):
        """The bytes at an address, or None where it has expired or was removed."""
        if path.startswith(("/v/", "/f/")):
            job = next(job for job in self.jobs if job.id == path[3:])
            if now > self.signatures.get(signature, 0.0) or self.is_cleaned(job, now):
                return None
        return self.files.get(path)
