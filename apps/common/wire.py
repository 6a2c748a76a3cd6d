"""A few words with Redis at a time: what redis-py's client does around one command takes twice as long as the command."""

import os
from collections import deque
from functools import lru_cache
from typing import Any, cast

import redis
from hiredis import pack_command
from redis.exceptions import ResponseError

# So many connections are at hand without asking the pool; what a crowd needs beyond these goes back to it.
_MOST_KEPT = 4
# Commands that are said again and again, as with each request of a key.
_MOST_PACKED = 1024


class Wire:
    """
    Sends commands over connections of a pool that are kept at hand.

    :param pool: makes the connections, and decides how long somebody waits for one and for an answer
    """

    def __init__(self, pool: "redis.ConnectionPool") -> None:
        self._pool = pool
        self._at_hand: deque[Any] = deque()
        self._process = os.getpid()

    def ask(self, *commands: tuple[str | int, ...]) -> list[Any]:
        """
        Send commands in one go; return the answers.

        :raises redis.RedisError: Redis does not answer, or refuses one of them, having done the others
        """
        connection: Any = self._taken()
        try:
            try:
                answers = _asked(connection, commands)
            except (redis.ConnectionError, redis.TimeoutError):
                # One more try, at once: a restarted Redis shows as one broken connection.
                connection.disconnect()
                answers = _asked(connection, commands)
        except BaseException:
            # Whatever is still to come over it answers nobody.
            connection.disconnect()
            self._pool.release(connection)
            raise
        self._put_back(connection)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    def _taken(self) -> Any:
        if self._process != os.getpid():
            # A child of the process that made them, which goes on to use them.
            self._at_hand, self._process = deque(), os.getpid()
        try:
            return self._at_hand.pop()
        except IndexError:
            return self._pool.get_connection()

    def _put_back(self, connection: Any) -> None:
        if len(self._at_hand) < _MOST_KEPT:
            self._at_hand.append(connection)
        else:
            self._pool.release(connection)


def _asked(connection: Any, commands: tuple[tuple[str | int, ...], ...]) -> list[Any]:
    connection.send_packed_command([b"".join(map(_packed, commands))])
    return [_answer(connection) for _each in commands]


@lru_cache(_MOST_PACKED)
def _packed(command: tuple[str | int, ...]) -> bytes:
    # Its types know of commands of one word only.
    packed: bytes = pack_command(cast("Any", command))
    return packed


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
