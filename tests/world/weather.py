"""What may go wrong in a schedule, and how often: a seed gets a few kinds of trouble rather than a little of all."""

from dataclasses import dataclass, field, fields

POST_FAULTS = (
    "refused",
    "connect_timeout",
    "cut_before",
    "unaccepted_500",
    "unaccepted_503",
    "busy",
    "busy_for_a_while",
    "accepted_cut",
    "accepted_timeout",
    "accepted_500",
    "accepted_502",
    "accepted_503",
    "accepted_garbled",
    "accepted_empty",
    "accepted_nameless",
    "accepted_late",
    "accepted_in_silence",
)
READ_FAULTS = ("refused", "cut", "timeout", "500", "502", "429", "garbled", "empty", "html")
FILE_FAULTS = ("refused", "cut", "short", "html", "403", "500", "garbled", "nothing", "no_length", "restart")
TROUBLES = (
    *("upload", "outages", "strangers", "job_fails", "job_slow", "disk", "deaths", "interrupts"),
    *("power", "rot", "restored"),
)


@dataclass
class Weather:
    """Probabilities per occasion unless said otherwise; times in seconds."""

    post: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    file: dict[str, float] = field(default_factory=dict)
    upload: float = 0.0
    outages: float = 0.0
    strangers: float = 0.0
    job_fails: float = 0.0
    job_slow: float = 0.0
    disk: float = 0.0
    deaths: float = 0.0
    interrupts: float = 0.0
    power: float = 0.0
    rot: float = 0.0
    restored: float = 0.0
    clocks: bool = False
    list_lag: float = 0.0
    read_lag: float = 0.0
    page: int = 50
    url_life: float = 86400.0
    retention: float | None = None
    credits_told: bool = True
    failures_free: bool = False

    def calm(self):
        """No more trouble; what the provider is like stays."""
        for name in ("post", "read", "file"):
            setattr(self, name, {})
        for name in TROUBLES:
            setattr(self, name, 0.0)

    def told(self):
        """In words, without what is at rest."""
        return ", ".join(f"{each.name}={getattr(self, each.name)}" for each in fields(self) if getattr(self, each.name))


def weather(rng):
    """The weather of a schedule."""

    def some(names, share):
        return {name: rng.choice((0.03, 0.1, 0.3)) for name in names if rng.random() < share}

    def maybe(share, *rates):
        return rng.choice(rates) if rng.random() < share else 0.0

    return Weather(
        post=some(POST_FAULTS, 0.25) if rng.random() < 0.8 else {},
        read=some(READ_FAULTS, 0.2) if rng.random() < 0.6 else {},
        file=some(FILE_FAULTS, 0.3) if rng.random() < 0.6 else {},
        upload=maybe(0.3, 0.1, 0.4),
        outages=maybe(0.2, 0.5, 1.0),
        strangers=maybe(0.3, 0.02, 0.1),
        job_fails=maybe(0.25, 0.1, 0.4),
        job_slow=maybe(0.2, 0.2, 0.5),
        disk=maybe(0.25, 0.02, 0.1),
        deaths=maybe(0.75, 0.5, 0.9),
        interrupts=maybe(0.2, 0.3, 0.6),
        power=maybe(0.3, 0.3, 0.8),
        rot=maybe(0.15, 0.3),
        restored=maybe(0.2, 0.5, 0.9),
        clocks=rng.random() < 0.2,
        list_lag=maybe(0.5, 2.0, 12.0),
        read_lag=maybe(0.2, 3.0),
        page=rng.choice((1, 2, 5, 50)),
        url_life=rng.choice((40.0, 600.0, 86400.0, 86400.0)),
        retention=rng.choice((None, None, None, None, 7200.0)),
        credits_told=rng.random() < 0.7,
        failures_free=rng.random() < 0.5,
    )
