"""Settings: which source wins, what is refused, and that the key is nowhere to be seen."""

from decimal import Decimal
from pathlib import Path

import pytest

from storychain.catalogue import MODELS
from storychain.errors import UsageError
from storychain.printable import counted, printable, without_query
from storychain.settings import DEFAULT_BASE_URL, read_settings

KEY = "pictai_0123456789"


def read(folder, flags=None, environ=None, *, toml=None, dotenv=None):
    if toml is not None:
        (folder / "storychain.toml").write_text(toml, "utf-8")
    if dotenv is not None:
        (folder / ".env").write_text(dotenv, "utf-8")
    return read_settings(flags or {}, environ or {}, folder)


def refused(folder, *arguments, **sources):
    with pytest.raises(UsageError) as caught:
        read(folder, *arguments, **sources)
    return str(caught.value)


def test_without_any_source_there_are_defaults(tmp_path):
    settings = read(tmp_path)
    assert (settings.workspace, settings.out) == (Path(".storychain"), Path("films"))
    assert (settings.base_url, settings.api_key, settings.catalogue) == (DEFAULT_BASE_URL, None, MODELS)
    assert (settings.poll, settings.jobs, settings.max_credits_per_day) == (10.0, 4, None)


def test_flags_win_over_environment_over_dotenv_over_toml_over_defaults(tmp_path):
    sources = [
        ("toml", "poll = 11", 11.0),
        ("dotenv", "STORYCHAIN_POLL=12", 12.0),
        ("environ", {"STORYCHAIN_POLL": "13"}, 13.0),
        ("flags", {"poll": "14"}, 14.0),
    ]
    given = {}
    assert read(tmp_path).poll == 10.0
    for name, value, wins in sources:
        given[name] = value
        assert read(tmp_path, **given).poll == wins


def test_a_flag_that_was_not_given_and_an_empty_variable_are_not_there(tmp_path):
    environ = {"STORYCHAIN_POLL": "  ", "PICTORY_API_KEY": ""}
    settings = read(tmp_path, {"poll": None}, environ, dotenv=f"PICTORY_API_KEY={KEY}\nSTORYCHAIN_POLL=12")
    assert settings.poll == 12.0
    assert settings.api_key == KEY


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"PICTORY_API_KEY={KEY}", KEY),
        (f"export PICTORY_API_KEY='{KEY}'  # mine", KEY),
        (f"\ufeffPICTORY_API_KEY={KEY}", KEY),
        ("PICTORY_API_KEY=a${HOME}b", "a${HOME}b"),
        ("PICTORY_API_KEY", None),
        ("# nothing", None),
    ],
)
def test_a_dotenv_is_read_by_its_rules(tmp_path, text, key):
    assert read(tmp_path, dotenv=text).api_key == key


def test_everything_may_be_set(tmp_path):
    toml = (
        'workspace = "~/w"\nout = "o"\nbase_url = "http://127.0.0.1:8000/x/"\npoll = 0.5\njobs = 2\njob_timeout = 60\n'
        "settle = 0\nsilence = 9\nmax_credits_per_day = 10.5\nmax_credits_per_month = 100"
    )
    settings = read(tmp_path, toml=toml)
    assert settings.workspace == Path.home() / "w"
    assert settings.base_url == "http://127.0.0.1:8000/x"
    assert (settings.poll, settings.jobs, settings.job_timeout) == (0.5, 2, 60.0)
    assert (settings.settle, settings.silence) == (0.0, 9.0)
    assert (settings.max_credits_per_day, settings.max_credits_per_month) == (Decimal("10.5"), Decimal(100))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("pol = 5", "unknown setting 'pol'\n  Did you mean 'poll'?"),
        ("max_credits_per_dya = 5", "Did you mean 'max_credits_per_day'?"),
        ("zebra = 5", "Known settings: workspace"),
        (f'api_key = "{KEY}"', "does not belong in this file"),
        ("poll = [", "cannot be read"),
        ("poll = 'soon'", "storychain.toml, poll: 'soon' is not a number"),
        ("poll = true", "is not a number"),
        ("poll = nan", "too small"),
        ("poll = inf", "too large"),
        ("poll = 0", "the least is 0.01"),
        ("poll = 1e300", "too large"),
        ("jobs = 0", "the least is 1"),
        ("jobs = 2.5", "is not a whole number"),
        ("max_credits_per_day = -1", "the least is 0"),
        ("max_credits_per_month = 1e999", "too large"),
        ("workspace = 5", "has to be text"),
        ("out = true", "has to be text"),
        ("base_url = 5", "has to be text"),
        ("models = 5", "must be tables"),
        ("models.new = 5", "models.new"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, toml, words):
    assert words in refused(tmp_path, toml=toml)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"STORYCHAIN_JOBS": "two"}, "STORYCHAIN_JOBS: 'two' is not a number"),
        ({"STORYCHAIN_SUBMIT_LANES": "2.5"}, "STORYCHAIN_SUBMIT_LANES: '2.5' is not a whole number"),
        ({"STORYCHAIN_MAX_CREDITS_PER_DAY": "NaN"}, "STORYCHAIN_MAX_CREDITS_PER_DAY"),
        ({"STORYCHAIN_MAX_CREDITS_PER_DAY": "1e999999999"}, "too large"),
        ({"STORYCHAIN_WORKSPACE": "~nobody-of-that-name/x"}, "STORYCHAIN_WORKSPACE"),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(tmp_path, environ, words):
    assert words in refused(tmp_path, {}, environ)


def test_a_flag_that_makes_no_sense_is_named(tmp_path):
    assert "--poll: '5s' is not a number" in refused(tmp_path, {"poll": "5s"})


@pytest.mark.parametrize(
    "address",
    ["api.example.com", "ftp://x", "https://", "https:///v1", "http://x:99999", "http://x:p", "file:///x", "http://[x"],
)
def test_an_api_address_that_is_none_is_refused(tmp_path, address):
    assert "is not an http(s) address" in refused(tmp_path, {}, {"PICTORY_API_BASE_URL": address})


MISTAKES = {
    **dict.fromkeys(("workspace", "out", "c2pa_cert", "log_file", "metrics_file", "notify"), "5"),
    **dict.fromkeys(("poll", "jobs", "submit_lanes", "job_timeout", "settle", "silence", "lease"), "'many'"),
    **dict.fromkeys(("max_credits_per_day", "max_credits_per_month", "requests_per_minute"), "'many'"),
    **dict.fromkeys(("base_url", "webhook_url", "url", "store", "ping_url", "temporal_address"), "'hc-ping.com/uuid'"),
    **dict.fromkeys(("engine", "notify_on", "webhook_listen"), "'x'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_file_names_its_setting(tmp_path, name):
    assert refused(tmp_path, toml=f"{name} = {MISTAKES[name]}").startswith(f"storychain.toml, {name}")


@pytest.mark.parametrize("setting", ["PICTORY_API_BASE_URL", "STORYCHAIN_WEBHOOK_URL"])
@pytest.mark.parametrize("tail", ["a b", "ä", "%zz", "a%2", "a|b", "\N{ZERO WIDTH SPACE}"])
def test_an_address_that_could_not_be_sent_as_it_is_is_refused(tmp_path, setting, tail):
    words = refused(tmp_path, {}, {setting: f"https://hooks.example/{tail}/x"})
    assert words.startswith(setting)
    assert "percent-encoded" in words
    assert read(tmp_path, {}, {setting: "https://xn--mnchen-3ya.example/a%20b"})


def test_the_advice_for_an_address_is_that_of_its_setting(tmp_path):
    words = refused(tmp_path, {"webhook_url": "https://x/hook?token=hunter2"})
    assert words.startswith("--webhook-url: 'https://x/hook'")
    assert "called back at an address of its own" in words
    assert "PICTORY_API_KEY" not in words


@pytest.mark.parametrize("address", ["https://me:hunter2@x/v1", "https://x/v1?key=hunter2", "https://x/v1#hunter2"])
def test_an_api_address_with_secrets_in_it_is_refused_without_showing_them(tmp_path, address):
    words = refused(tmp_path, {}, {"PICTORY_API_BASE_URL": address})
    assert "PICTORY_API_KEY" in words
    assert "hunter2" not in words


@pytest.mark.parametrize("key", [f"Bearer {KEY}", f"{KEY}\u200b", f"{KEY}é", f"{KEY}\x07", f"{KEY}\nX-Header: 1"])
def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path, key):
    words = refused(tmp_path, {}, {"PICTORY_API_KEY": key})
    assert "PICTORY_API_KEY" in words
    assert KEY not in words


def test_the_key_is_in_no_representation(tmp_path):
    settings = read(tmp_path, {}, {"PICTORY_API_KEY": f" {KEY}\n"})
    assert settings.api_key == KEY
    assert KEY not in repr(settings)
    assert KEY not in str(settings)


@pytest.mark.parametrize("name", [".env", "storychain.toml"])
def test_a_file_in_another_encoding_is_an_error_with_its_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"poll = '\xe9\xff'\n")
    assert name in refused(tmp_path)


# Models


def test_models_are_added_and_replaced(tmp_path):
    toml = (
        '[models.new]\naspect_ratios = ["1:1"]\ndurations = [3, 6]\ncredits_per_second = 2.5\n'
        '[models."veo3.1"]\naspect_ratios = ["16:9"]\ndurations = [8]\n'
    )
    catalogue = read(tmp_path, toml=toml).catalogue
    assert set(catalogue) == {*MODELS, "new"}
    assert catalogue["new"].credits(6) == Decimal(15)
    assert catalogue["new"].aspect_ratios == ("1:1",)
    assert catalogue["veo3.1"].credits(8) is None
    assert MODELS["veo3.1"].credits(8) == 160


WHOLE = {"aspect_ratios": '["1:1"]', "durations": "[5]", "credits_per_second": "1"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("aspect_ratios", "[]"),
        ("aspect_ratios", '["wide"]'),
        ("aspect_ratios", "[969]"),
        ("durations", "[]"),
        ("durations", "[0]"),
        ("durations", "[-8]"),
        ("durations", "[8.5]"),
        ("durations", "[true]"),
        ("durations", '["8s"]'),
        ("credits_per_second", "-1.6"),
        ("credits_per_second", "nan"),
        ("credits_per_second", "inf"),
        ("credits_per_second", "1e30"),
        ("credits_per_second", '"cheap"'),
        ("credit_per_second", "5"),
    ],
)
def test_a_model_whose_price_could_not_be_reckoned_with_is_refused(tmp_path, name, value):
    """A price below nothing would make room under every cap."""
    lines = "\n".join(f"{field} = {given}" for field, given in {**WHOLE, name: value}.items())
    assert f"models.new.{name}" in refused(tmp_path, toml=f"[models.new]\n{lines}\n")


def test_a_model_without_its_lists_is_refused(tmp_path):
    assert "models.new.aspect_ratios" in refused(tmp_path, toml="[models.new]\ncredits_per_second = 1\n")


# Words of strangers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\n c\x00\x1b[2Jd\u202ee\u200bf", "a b c[2Jdef"),
        ("see https://x/v.mp4?sig=1&b=2 now", "see https://x/v.mp4 now"),
        ('{"url":"HTTPS://x/v#frag"}', '{"url":"HTTPS://x/v"}'),
        ("https://me:pw@x/v and http://me@x", "https://x/v and http://x"),
        (f"bad key {KEY}!", "bad key pictai_…!"),
        ("x" * 600, "x" * 499 + "…"),
        ("\ud800half", "half"),
    ],
)
def test_words_of_strangers_are_made_fit_to_be_shown(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("url", ["https://me:pw@x/v?s=1", "https://x/v#f?s", "https://x/v"])
def test_an_address_is_shown_without_its_secrets(url):
    assert without_query(url) == "https://x/v"


SECRET = "a-secret-nobody-may-see"


def test_the_ledgers_address_comes_from_the_environment_dotenv_or_toml_and_is_never_shown(tmp_path):
    url = f"postgresql://mara:{SECRET}@db.example:5433/tales?sslmode=require"
    assert read(tmp_path).url is None
    for sources in (
        {"toml": f'url = "{url}"'},
        {"dotenv": f"STORYCHAIN_URL={url}"},
        {"environ": {"STORYCHAIN_URL": url}},
    ):
        (tmp_path / "storychain.toml").unlink(missing_ok=True)
        settings = read(tmp_path, **sources)
        assert settings.url == url
        assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://mara:{SECRET}@db/tales",
        f"postgresql://mara:{SECRET}@db",
        f"postgresql://mara:{SECRET}@db:port/tales",
        f"postgresql://mara:{SECRET}@{SECRET}@db/tales",
        f"postgresql://mara:1/{SECRET}@db/tales",
        f"postgresql://mara:1?{SECRET}@db/tales",
        f"postgresql://mara:{SECRET}#x@db/tales",
        f"{SECRET}",
    ],
)
def test_an_address_of_no_database_is_refused_without_repeating_it(tmp_path, url):
    said = refused(tmp_path, None, {"STORYCHAIN_URL": url})
    assert "STORYCHAIN_URL is not the address of a PostgreSQL database" in said
    assert "%40" in said
    assert SECRET not in said


def test_who_is_told_of_unattended_runs(tmp_path):
    assert (read(tmp_path).notify, read(tmp_path).notify_on, read(tmp_path).ping_url) == ((), "failure", None)
    toml = 'log_file = "a.jsonl"\nnotify = ["json://a", "json://b  json://c"]\nnotify_on = "always"'
    settings = read(tmp_path, toml=toml)
    assert (settings.log_file, settings.notify_on) == (Path("a.jsonl"), "always")
    assert settings.notify == ("json://a", "json://b", "json://c")
    environ = {"STORYCHAIN_NOTIFY": "json://d json://e", "STORYCHAIN_PING_URL": "https://hc-ping.com/s3cret?create=1"}
    settings = read(tmp_path, {"metrics_file": "m.prom"}, environ)
    assert (settings.notify, settings.metrics_file) == (("json://d", "json://e"), Path("m.prom"))
    assert settings.ping_url == "https://hc-ping.com/s3cret?create=1"
    assert "s3cret" not in repr(settings)
    assert "json://d" not in repr(settings)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('notify_on = "allways"', "neither 'failure' nor 'always'"),
        ("notify = 5", "has to be addresses"),
        ('notify = ["json://s3cret", 5]', "has to be addresses"),
        ('ping_url = "s3cret"', "not an http(s) address"),
        ('ping_url = "https://hc/s3cret me"', "not an http(s) address"),
        ('ping_url = "ftp://hc/s3cret"', "not an http(s) address"),
        ('ping_url = "https://hc:99999/s3cret"', "not an http(s) address"),
    ],
)
def test_who_cannot_be_told_is_refused_without_their_address(tmp_path, toml, words):
    message = refused(tmp_path, toml=toml)
    assert words in message
    assert "s3cret" not in message


@pytest.mark.parametrize("store", ["s3://", "s3:///x", "gs://", "/mnt/x", "file://x/y", "://b/x"])
def test_a_store_that_names_no_place_is_refused(tmp_path, store):
    assert "s3://bucket/prefix" in refused(tmp_path, {}, {"STORYCHAIN_STORE": store})


@pytest.mark.parametrize(
    ("number", "word", "said"),
    [
        (0, "scene", "0 scenes"),
        (1, "story", "1 story"),
        (2, "more story", "2 more stories"),
        (Decimal("1.0"), "credit", "1.0 credit"),
        (Decimal("0.5"), "credit", "0.5 credits"),
    ],
)
def test_things_are_counted_as_people_say_them(number, word, said):
    assert counted(number, word) == said
