"""
The hub: one per process. It listens to Redis once, reads each moved stream from PostgreSQL once, and hands
what it read to all who watch.

Pokes only save waiting. At each heartbeat every watched stream's head is read, so that a poke that was lost
with Redis costs a heartbeat at most.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary

import redis.asyncio as redis
from django.conf import settings
from django.db import close_old_connections

from apps.accounts import access, cuts
from apps.accounts.faces.sockets import NOT_LOGGED_IN, access_stream, may_watch
from apps.accounts.models import User
from apps.events.streams import StreamEvent, StreamSource, source_of
from apps.events.wakeup import STREAMS_CHANNEL
from apps.gateway import messages
from apps.gateway.watchers import Watcher

logger = logging.getLogger(__name__)

# Who has missed more than this gets the state instead of the story, and so does who asks for more at once
# than the second figure.
MAX_BEHIND = 200
MAX_CAUGHT_UP = 1_000
PAGE = 200
# Rights are asked about when a poke says that they changed, when the user's perm_version or a cut of tokens says so at
# a heartbeat or something they had for a while has ended, and this often anyway: rows change hands, and sessions end.
RIGHTS_SECONDS = 30.0
# The poke of a logout may come before the session is gone.
RIGHTS_DELAY_SECONDS = 0.25
_THREADS = 4
_ACCESS = access_stream(0).removesuffix("0")

T = TypeVar("T")


@dataclass(frozen=True)
class Since:
    """What a watcher saw last of a stream; without an epoch, nothing."""

    epoch: str = ""
    seq: int = 0


@dataclass
class Feed:
    """A stream that somebody here watches, and how far it has been read."""

    name: str
    source: StreamSource
    key: str
    epoch: str
    position: int
    watchers: set[Watcher] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    has_moved: bool = False
    pump: "asyncio.Task[None] | None" = None


class Hub:
    """Whoever watches in this process, and what they watch."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}
        self._watchers: set[Watcher] = set()
        # When the access tokens of those who came with one expire.
        self._ends: dict[Watcher, asyncio.TimerHandle] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub")
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_started = False

    # Who watches

    def join(self, watcher: Watcher) -> None:
        """Let somebody in; they watch nothing yet."""
        self._watchers.add(watcher)
        if "exp" in watcher.claims:
            seconds = max(0.0, watcher.claims["exp"] - time.time())
            loop = asyncio.get_running_loop()
            self._ends[watcher] = loop.call_later(seconds, watcher.dismiss, NOT_LOGGED_IN)
        if not self._is_started:
            self._is_started = True
            self._spawn(self._listen())
            self._spawn(self._beat())

    def leave(self, watcher: Watcher) -> None:
        """Forget somebody whose connection is over."""
        self._watchers.discard(watcher)
        end = self._ends.pop(watcher, None)
        if end is not None:
            end.cancel()
        for name in list(watcher.positions):
            self.unwatch(watcher, name)

    def count_of(self, user: User) -> int:
        """Return how many connections of a user there are in this process."""
        return sum(watcher.actor.pk == user.pk for watcher in self._watchers)

    async def watch(self, watcher: Watcher, wanted: Mapping[str, Since]) -> None:
        """
        Let somebody watch streams: they are sent a welcome, then what they missed of each, then what comes.
        """
        actor = watcher.actor
        heads = await self._run(lambda: _heads_of(actor, list(wanted)))
        watcher.put(messages.welcome(heads, wanted.keys() - heads.keys()))
        budget = MAX_CAUGHT_UP
        for name, (epoch, head) in heads.items():
            budget -= await self._watch(watcher, name, (epoch, head), wanted[name], budget)
        if watcher.actor is not actor:
            # Rights changed meanwhile, and these streams were not yet among those that were asked about.
            await self._check(watcher)

    def unwatch(self, watcher: Watcher, name: str) -> None:
        """Let somebody stop watching a stream."""
        watcher.positions.pop(name, None)
        feed = self._feeds.get(name)
        if feed is None:
            return
        feed.watchers.discard(watcher)
        if not feed.watchers and not feed.lock.locked():
            del self._feeds[name]

    async def _watch(
        self, watcher: Watcher, name: str, head: tuple[str, int], since: Since, budget: int
    ) -> int:
        """Catch somebody up with a stream and let them watch it; return how many events that took."""
        feed = self._feeds.get(name)
        if feed is None:
            source, key = source_of(name)
            feed = self._feeds[name] = Feed(name, source, key, *head)
        async with feed.lock:
            if feed.epoch != head[0]:
                await self._start_over(feed)
            missed = await self._missed(feed, since, budget)
            if watcher.is_gone:
                return 0
            feed.watchers.add(watcher)
            # Whoever unwatched the stream last may have dropped it while this one waited.
            self._feeds[name] = feed
            if missed is None:
                await self._reset(feed, [watcher])
                return 1
            watcher.positions[name] = since.seq
            for event in missed:
                watcher.put_event(name, feed.epoch, event.seq, messages.event(name, event))
        if watcher.positions.get(name, feed.position) < feed.position or feed.has_moved:
            self._moved(feed)
        return len(missed)

    async def _missed(self, feed: Feed, since: Since, budget: int) -> list[StreamEvent] | None:
        """Return the events that somebody missed of a stream; None if the whole state serves them better."""
        behind = feed.position - since.seq
        if since.epoch != feed.epoch or behind < 0 or behind > min(MAX_BEHIND, budget):
            return None
        if behind == 0:
            return []
        events = await self._run(lambda: feed.source.read(feed.key, since.seq, MAX_BEHIND + PAGE))
        if not events or events[0].seq != since.seq + 1 or events[-1].seq < feed.position:
            return None
        return events

    # What moves

    def _moved(self, feed: Feed) -> None:
        """Read a stream on soon; many pokes make one reading."""
        feed.has_moved = True
        if feed.pump is None or feed.pump.done():
            feed.pump = self._spawn(self._pump(feed))

    async def _pump(self, feed: Feed) -> None:
        while feed.has_moved and feed.watchers:
            feed.has_moved = False
            async with feed.lock:
                try:
                    await self._read_on(feed)
                except Exception:
                    # The next heartbeat tries again.
                    logger.exception("stream %s could not be read", feed.name)

    async def _read_on(self, feed: Feed) -> None:
        """Read what is new of a stream, once for all who watch it."""
        while events := await self._run(lambda: feed.source.read(feed.key, feed.position, PAGE)):
            if events[0].seq != feed.position + 1:
                await self._reset(feed, list(feed.watchers))
                return
            for event in events:
                text = messages.event(feed.name, event)
                for watcher in feed.watchers:
                    watcher.put_event(feed.name, feed.epoch, event.seq, text)
            feed.position = events[-1].seq
            if len(events) < PAGE:
                return

    async def _reset(self, feed: Feed, watchers: list[Watcher]) -> None:
        """Send the whole state to watchers of a stream."""
        seq, state = await self._run(lambda: feed.source.state(feed.key))
        text = messages.reset(feed.name, feed.epoch, seq, state)
        for watcher in feed.watchers.intersection(watchers):
            watcher.positions[feed.name] = seq
            watcher.put(text, f"{feed.epoch},{seq}")
        if len(watchers) == len(feed.watchers):
            feed.position = seq

    async def _start_over(self, feed: Feed) -> None:
        """Follow a stream into its new epoch, if it is in one."""
        epoch, head = await self._run(lambda: feed.source.head(feed.key))
        if epoch == feed.epoch and head >= feed.position:
            # What made it look so was read before the feed moved on.
            return
        feed.epoch, feed.position = epoch, head
        if feed.watchers:
            await self._reset(feed, list(feed.watchers))

    # The pokes

    async def _listen(self) -> None:
        pause = 0.1
        while True:
            try:
                async with _redis() as client, client.pubsub() as pubsub:
                    await pubsub.subscribe(STREAMS_CHANNEL)
                    self._poke_all()
                    pause = 0.1
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            self._poked(message["data"].decode())
            except (redis.RedisError, OSError) as error:
                logger.warning("no pokes from Redis, heartbeats go on: %s", error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5)

    def _poked(self, name: str) -> None:
        feed = self._feeds.get(name)
        if feed is not None:
            self._moved(feed)
        elif name.startswith(_ACCESS):
            user_id = name.removeprefix(_ACCESS)
            self._ask_soon(watcher for watcher in self._watchers if user_id in _people_of(watcher))
        elif (subject := cuts.subject_of_stream(name)) is not None:
            self._ask_soon(watcher for watcher in self._watchers if subject in cuts.ranks_of(watcher.claims))

    def _ask_soon(self, concerned: Iterable[Watcher]) -> None:
        watchers = list(concerned)
        if watchers:
            self._spawn(self._check_soon(watchers))

    def _poke_all(self) -> None:
        for feed in self._feeds.values():
            self._moved(feed)

    # The heartbeat

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(settings.STREAM_HEARTBEAT_SECONDS)
            try:
                await self._beat_once()
            except Exception:
                # Without a word the watchers' pages say that the connection is away, which is the truth.
                logger.exception("no heartbeat")

    async def _beat_once(self) -> None:
        await self._check_rights()
        self._feeds = {
            name: feed for name, feed in self._feeds.items() if feed.watchers or feed.lock.locked()
        }
        feeds = list(self._feeds.values())
        heads = await self._run(lambda: _read_heads(feeds))
        for feed in feeds:
            await self._compare(feed, *heads.get(feed.name, (feed.epoch, feed.position)))
        for watcher in list(self._watchers):
            watcher.put(messages.heartbeat(watcher.positions))

    async def _compare(self, feed: Feed, epoch: str, head: int) -> None:
        """Put a feed right that differs from the stream's head."""
        if epoch != feed.epoch or head < feed.position:
            async with feed.lock:
                await self._start_over(feed)
        elif head > feed.position:
            self._moved(feed)
            if feed.pump is not None:
                await feed.pump

    # Rights

    async def _check_rights(self) -> None:
        """Ask again about those whose permissions have changed, and about those not asked about for long."""
        watchers = list(self._watchers)
        users = {watcher.actor.pk for watcher in watchers}
        versions = await self._run(lambda: _versions_of(users))
        now = time.monotonic()
        cut = await self._cut_among(watchers)
        for watcher in watchers:
            is_changed = versions.get(watcher.actor.pk) != watcher.actor.perm_version or watcher in cut
            is_changed = is_changed or access.has_lapsed(watcher.actor)
            if is_changed or now - watcher.checked_at > RIGHTS_SECONDS:
                await self._check(watcher)

    async def _cut_among(self, watchers: list[Watcher]) -> set[Watcher]:
        """Return those whose access token was ended, which a lost poke has not told."""
        bearers = [watcher for watcher in watchers if watcher.claims]
        if not bearers:
            return set()
        are_cut = await self._run(lambda: cuts.cut_among(watcher.claims for watcher in bearers))
        return {watcher for watcher, is_cut in zip(bearers, are_cut, strict=True) if is_cut}

    async def _check_soon(self, watchers: list[Watcher]) -> None:
        await asyncio.sleep(RIGHTS_DELAY_SECONDS)
        for watcher in watchers:
            await self._check(watcher)

    async def _check(self, watcher: Watcher) -> None:
        watcher.checked_at = time.monotonic()
        actor, lost = await self._run(lambda: _ask(watcher))
        # Who acts as somebody else, or has stopped, opens a socket of their own.
        if actor is None or _people_of(watcher) != _people_behind(actor):
            watcher.dismiss(NOT_LOGGED_IN)
            return
        watcher.actor = actor
        for name in lost:
            self.unwatch(watcher, name)
        if lost:
            watcher.put(messages.denied(lost))

    # Machinery

    async def _run(self, work: Callable[[], T]) -> T:
        """Run something that asks the database in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: _with_connection(work))

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        # The loop itself keeps tasks only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _people_of(watcher: Watcher) -> set[str]:
    return _people_behind(watcher.actor)


def _people_behind(actor: User) -> set[str]:
    """Return the keys of a user and of who acts as them: what becomes of either matters to both."""
    session = actor.impersonation
    return {str(actor.pk)} if session is None else {str(actor.pk), str(session.actor_id)}


def _redis() -> "redis.Redis":
    return redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_keepalive=True)


def _with_connection(work: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


def _heads_of(actor: User, names: list[str]) -> dict[str, tuple[str, int]]:
    """Return epoch and head of those streams that `actor` may watch."""
    allowed = [name for name in names if may_watch(actor, name)]
    return {name: _head_of(name) for name in allowed}


def _head_of(name: str) -> tuple[str, int]:
    source, key = source_of(name)
    return source.head(key)


def _read_heads(feeds: list[Feed]) -> dict[str, tuple[str, int]]:
    return {feed.name: feed.source.head(feed.key) for feed in feeds}


def _versions_of(user_ids: set[int]) -> dict[int, int]:
    return dict(User.objects.filter(pk__in=user_ids, is_active=True).values_list("pk", "perm_version"))


def _ask(watcher: Watcher) -> tuple[User | None, list[str]]:
    """Return who a watcher is by now, and which of their streams they may not watch any more."""
    actor = watcher.who()
    if actor is None:
        return None, []
    return actor, [name for name in list(watcher.positions) if not may_watch(actor, name)]


_hubs: "WeakKeyDictionary[asyncio.AbstractEventLoop, Hub]" = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
