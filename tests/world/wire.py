"""The way to the provider: an httpx transport that speaks the documented API and fails as the weather says.

The far side is the world's own: what has left a process arrives and is worked on whether or not that process lives.
"""

import asyncio
import json
from contextvars import Context

import httpx

from tests.world.account import LATE

SILENCE = 45.0
"""Seconds without a byte after which the program gives a request up."""


class Wire(httpx.AsyncBaseTransport):
    """One process's way to the account."""

    def __init__(self, world, process):
        self.world = world
        self.process = process

    async def handle_async_request(self, request):
        await request.aread()
        await self.process.reach(f"{request.method} {request.url.path}")
        world = self.world
        if _is_paid(request):
            world.posted(self.process, json.loads(request.content))
        reply = asyncio.get_running_loop().create_future()
        on_its_way = _Exchange(world, self.process, request, reply)
        # In a context of its own: the far side does not die with the process that asked.
        world.loop.call_later(world.rng.uniform(0.01, 0.4), on_its_way.arrive, context=Context())
        answer = await reply
        await self.process.reach(f"… {answer.status_code}")
        return answer


def _is_paid(request):
    return request.method == "POST" and request.url.path == "/v1/aistudio/videos"


class _Exchange:
    """One request on its way, and what becomes of it."""

    def __init__(self, world, process, request, reply):
        self.world = world
        self.process = process
        self.request = request
        self.reply = reply

    def arrive(self):
        world, request = self.world, self.request
        world.pass_strangers()
        if world.is_out():
            return self._fail(httpx.ConnectError, "the API is down")
        if _is_paid(request):
            return self._submit(json.loads(request.content))
        if request.url.host == "api.test":
            return self._read()
        return self._file()

    # Ways to end

    def _answer(self, status, body=None, *, content=None, headers=None, after=0.0):
        data = content if content is not None else json.dumps(body).encode()
        response = httpx.Response(status, headers=headers, content=data)
        self._end(lambda: self.reply.set_result(response), after)

    def _stream(self, status, headers, stream):
        self._end(lambda: self.reply.set_result(httpx.Response(status, headers=headers, stream=stream)), 0.0)

    def _fail(self, kind, why, after=0.0):
        self._end(lambda: self.reply.set_exception(kind(why, request=self.request)), after)

    def _end(self, end, after):
        def unless_gone():
            if not self.reply.done() and not self.process.dead:  # of the dead nobody asks how it ended
                end()

        self.world.loop.call_later(after, unless_gone, context=Context())

    def _fault(self, rates):
        """The name of a fault that happens now, or None."""
        for name, rate in rates.items():
            if self.world.rng.random() < rate:
                self.world.fault(name)
                return name
        return None

    # Paid requests

    def _submit(self, body):
        world = self.world
        fault = self._fault(world.weather.post)
        if fault:
            world.pass_strangers(often=5)  # where they do harm
        match fault:
            case "refused":
                return self._fail(httpx.ConnectError, "connection refused")
            case "connect_timeout":
                return self._fail(httpx.ConnectTimeout, "no connection", after=10.0)
            case "cut_before":
                return self._fail(httpx.RemoteProtocolError, "cut")
            case "unaccepted_500" | "unaccepted_503":
                return self._answer(int(fault[-3:]), {"message": "retry after a brief delay"})
            case "busy" | "busy_for_a_while":
                wait = {"Retry-After": str(world.rng.choice((1, 30, 700)))} if fault != "busy" else {}
                return self._answer(429, {"message": "too many requests"}, headers=wait)
            case "accepted_late":
                world.later(world.rng.uniform(0.5, LATE), lambda: self._accept(body))
                return self._fail(httpx.ReadError, "cut")
            case "accepted_in_silence":
                world.later(world.rng.uniform(30.0, SILENCE + LATE), lambda: self._accept(body))
                return self._fail(httpx.ReadTimeout, "no answer", after=SILENCE)
        return self._answered(fault, self._accept(body))

    def _accept(self, body):
        """The account's decision: an answer's status and body."""
        return self.world.submit(self.process, body)

    def _answered(self, fault, decision):
        status, body = decision
        match fault:
            case "accepted_cut":
                return self._fail(httpx.ReadError, "cut")
            case "accepted_timeout":
                return self._fail(httpx.ReadTimeout, "no answer", after=SILENCE)
            case "accepted_500" | "accepted_502" | "accepted_503":
                return self._answer(int(fault[-3:]), content=b"<html>Bad gateway</html>")
            case "accepted_garbled":
                return self._answer(200, content=json.dumps(body).encode()[:17])
            case "accepted_empty":
                return self._answer(200, content=b"")
            case "accepted_nameless":
                return self._answer(200, {"success": True, "data": {}})
        return self._answer(status, body)

    # Reads

    def _read(self):
        fault = self._fault(self.world.weather.read)
        match fault:
            case None:
                return self._answer(*self._told())
            case "refused":
                return self._fail(httpx.ConnectError, "connection refused")
            case "cut":
                return self._fail(httpx.ReadError, "cut")
            case "timeout":
                return self._fail(httpx.ReadTimeout, "no answer", after=45.0)
            case "500" | "502":
                return self._answer(int(fault), {"message": "retry after a brief delay"})
            case "429":
                return self._answer(429, {"message": "slow down"}, headers={"Retry-After": "2"})
            case "garbled":
                return self._answer(200, content=b'{"success": true, "da')
            case "empty":
                return self._answer(200, content=b"")
        return self._answer(200, content=b"<html>maintenance</html>", headers={"Content-Type": "text/html"})

    def _told(self):
        """A read's honest answer: status and body."""
        account, now, path = self.world.account, self.world.now, self.request.url.path
        if path == "/v1/jobs":
            page, after = account.page(self.request.url.params.get("nextPageKey"), now)
            return 200, {"items": [self._listed(job) for job in page], "nextPageKey": after}
        if path == "/v1/quota":
            return 200, {"aiCredits": {"used": float(account.used), "limit": float(account.limit)}}
        if path == "/v1/aicredits/usage":
            return 200, [
                {"transactionId": job.id, "type": "debit", "amount": float(job.charged)}
                for job in reversed(account.jobs)
            ]
        if path == "/v1/media/generateurl":
            return 200, {"success": True, "data": self.world.upload_address()}
        return 200, self._job(account.find(path.removeprefix("/v1/jobs/"), now))

    def _listed(self, job):
        if self.world.lists_tell == "all":
            return self._job(job)
        told = {"jobId": job.id}
        if self.world.lists_tell == "states":
            told["status"] = self.world.account.status(job, self.world.now)
        elif self.world.lists_tell == "what was":
            told["status"] = "in-progress"
        return {"success": True, "data": told}

    def _job(self, job):
        account, now = self.world.account, self.world.now
        if job is None:
            return {"success": False, "data": {"error_code": "5000", "error_message": "JOB_NOT_FOUND"}}
        state = account.status(job, now)
        data = {"status": state}
        if state == "completed":
            data |= {"url": account.sign(f"/v/{job.id}", now), "duration": job.body["duration"]}
            data |= {"lastFrameImageUrl": account.sign(f"/f/{job.id}", now)}
        if state == "failed":
            data |= {"error_code": "INTERNAL", "error_message": "the model gave up"}
        if state in ("completed", "failed") and account.weather.credits_told:
            data["aiCreditsUsed"] = float(job.charged)
        return {"job_id": job.id, "success": state != "failed", "data": data}

    # Files

    def _file(self):
        world, request = self.world, self.request
        if request.method == "PUT":
            if world.rng.random() < world.weather.upload:
                world.fault("upload")
                return self._answer(500, content=b"")
            world.account.files[request.url.path] = request.content
            return self._answer(200, content=b"")
        data = world.account.file(request.url.path, request.url.params.get("sig"), world.now)
        if data is None:
            gone = world.rng.random() < 0.7
            return self._answer(
                403 if gone else 200, content=b"<html>expired</html>", headers={"Content-Type": "text/html"}
            )
        return self._deliver(data, self._fault(world.weather.file))

    def _deliver(self, data, fault):
        rng = self.world.rng
        headers = {"Content-Type": "video/mp4", "ETag": f'"{len(data)}"'}
        match fault:
            case "refused":
                return self._fail(httpx.ConnectError, "connection refused")
            case "html":
                return self._answer(200, content=b"<html>login</html>", headers={"Content-Type": "text/html"})
            case "403" | "500":
                return self._answer(int(fault), content=b"")
            case "garbled":
                place = rng.randrange(7, len(data) - 4)
                # Never twice the same damage: what comes broken alike each time is the provider's own, and is taken.
                flipped = data[place] ^ (1 + self.world.report.faults % 255)
                data = data[:place] + bytes([flipped]) + data[place + 1 :]
            case "nothing":
                data = b""
        status, begin = 200, self._begins(data, fault)
        if begin:
            status, headers["Content-Range"] = 206, f"bytes {begin}-{len(data) - 1}/{len(data)}"
        rest = data[begin:] if self.request.headers.get("range") != "bytes=0-0" else data[:1]
        ends = rng.randrange(len(rest) + 1) if fault in ("cut", "short") else len(rest)
        if fault != "no_length":
            headers["Content-Length"] = str(ends if fault == "short" else len(rest))
        return self._stream(status, headers, _Pieces(self.process, rest[:ends], cut=fault == "cut"))

    def _begins(self, data, fault):
        """Where the asked-for rest of a file begins; some servers begin anew whatever is asked."""
        asked = self.request.headers.get("range", "")
        if fault == "restart" or asked == "bytes=0-0" or not asked:
            return 0
        return min(int(asked.removeprefix("bytes=").partition("-")[0]), max(0, len(data) - 1))


class _Pieces(httpx.AsyncByteStream):
    """A file on its way in pieces, cut off at its end if so told."""

    def __init__(self, process, data, *, cut):
        self._process = process
        self._data = data
        self._cut = cut

    async def __aiter__(self):
        for begin in range(0, len(self._data), 100):
            await self._process.reach("bytes arrive")
            yield self._data[begin : begin + 100]
        if self._cut:
            raise httpx.ReadError("cut")
