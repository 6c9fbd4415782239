"""Files from HTTP(S) sources into the store: resumed, tried again, and checked before they enter."""

import hashlib
import http.client
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from builder.errors import BuildError, InputError
from builder.progress import step, warn
from builder.store import Digest, Store, disk_errors, key_of

ATTEMPTS = 4
BACKOFF = 1.0  # seconds before the second attempt; doubled before each further one
LONGEST = 60.0  # seconds that a source is waited for where it asks for more (Retry-After)
TIMEOUT = 30.0  # seconds without a byte
REACH = 5.0  # seconds until a source that does not take the connection counts as out of reach
BLOCK = 1 << 16
PASSING = (408, 425, 429, 500, 502, 503, 504)  # RFC 9110, 6585, 8470: states that may pass


class NotThere(BuildError):
    """The source answered that it does not have the file (404, 410)."""


class NoAnswer(BuildError):
    """The source could not be reached, or broke off every time."""


class _Passing(Exception):
    """A fault that another attempt may not meet, not sooner than after some seconds where the source says so."""

    def __init__(self, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.after = after


@dataclass(frozen=True)
class Remote:
    """A file elsewhere: where it is, what it must be, and what a user calls it. `size` is in bytes.

    digest: by SHA-256, or by any other hash that hashlib knows, written alike ("sha512:...").
    """

    url: str
    digest: Digest
    size: int | None = None
    title: str = ""

    @property
    def name(self) -> str:
        return self.title or self.url.rsplit("/", 1)[-1]


def fetch(
    remote: Remote,
    store: Store,
    *,
    moved: Callable[[int], None] | None = None,
    sized: Callable[[int], None] = lambda _: None,
    attempts: int = ATTEMPTS,
) -> Digest:
    """The file's digest once it is in the store; a file that is there already costs nothing.

    An interrupted download goes on where it stopped, in a later run too. Proxies come from the environment (http_proxy,
    https_proxy, no_proxy). `moved` is told by how many bytes the download has advanced (fewer than none where a part had
    to be dropped), and `sized` what the source says of the whole; without `moved` the download is a step of its own.
    Raises NotThere, NoAnswer, and BuildError when size or checksum differ (then nothing entered the store).
    """
    if urllib.parse.urlsplit(remote.url).scheme not in ("http", "https"):
        raise InputError(f"{remote.url} is not an HTTP(S) address", why=f"it is the source of {remote.name}")
    if moved is None:
        with step(f"fetch {remote.name}", total=remote.size, unit="B") as work:
            return fetch(remote, store, moved=work.advance, sized=work.expect, attempts=attempts)
    with store.lock(f"fetch-{remote.digest.rpartition(':')[2]}"):
        if here := fetched(remote.digest, store):
            moved(store.path(here).stat().st_size)
            return here
        found = _Download(remote, store, moved, sized).run(attempts)
        if found != remote.digest:
            store.remember(_by_other_hash(remote.digest), {"blob": found})
        return found


def fetched(digest: Digest, store: Store) -> Digest | None:
    """The blob with that digest of any hash, where it was fetched before."""
    if digest.startswith("sha256:"):
        return digest if store.has(digest) else None
    known = store.recall(_by_other_hash(digest))
    return known["blob"] if known else None


def _by_other_hash(digest: Digest) -> str:
    return key_of("fetched", digest)


def out_of_reach(url: str) -> str:
    """Why nothing takes a connection for the address, or at the proxy for it; "" where something does."""
    asked = urllib.parse.urlsplit(url)
    proxy = "" if urllib.request.proxy_bypass(asked.hostname or "") else urllib.request.getproxies().get(asked.scheme, "")
    to = urllib.parse.urlsplit(proxy if "://" in proxy else f"//{proxy}") if proxy else asked
    port = to.port or {"https": 443}.get(to.scheme, 80)
    try:
        socket.create_connection((to.hostname or "", port), REACH).close()
    except OSError as error:
        return f"{'the proxy ' if proxy else ''}{to.hostname}: {error.strerror or error}"
    return ""


def text(url: str, longest: int = 1 << 20) -> str:
    """A small text, asked for once. Raises NotThere, NoAnswer, BuildError."""
    request = urllib.request.Request(url, headers={"User-Agent": "kubeiso"})
    try:
        with urllib.request.build_opener().open(request, timeout=TIMEOUT) as answer:
            read: bytes = answer.read(longest)
            return read.decode(errors="replace")
    except urllib.error.HTTPError as error:
        error.close()
        raise _kind(error.code)(f"{url} could not be read", why=_answered(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"{url} could not be read", why=_broken(error)) from error


def _kind(code: int) -> type[BuildError]:
    """What a state of HTTP that does not pass is for us."""
    return NotThere if code in (404, 410) else BuildError


def _answered(error: urllib.error.HTTPError) -> str:
    return f"the source answered {error.code} {error.reason}"


def _broken(error: Exception) -> str:
    """Why there was no answer, or no whole one."""
    return str(getattr(error, "reason", "") or error) or type(error).__name__


class _Download:
    """One file under way. The part lies in the store's scratch space under the name of the digest that it must get."""

    def __init__(
        self, remote: Remote, store: Store, moved: Callable[[int], None], sized: Callable[[int], None]
    ) -> None:  # fmt: skip
        self._remote, self._store, self._moved, self._sized = remote, store, moved, sized
        self._algorithm, _, name = remote.digest.partition(":")
        self._part = store.scratch("downloads") / f"{name}.part"
        self._told = 0

    def run(self, attempts: int) -> Digest:
        reason, wait = "", 0.0
        for attempt in range(attempts):
            if attempt:
                warn(f"{self._remote.name}: {reason}; attempt {attempt + 1} of {attempts}")
                time.sleep(max(BACKOFF * 2 ** (attempt - 1), wait))
            try:
                return self._attempt()
            except _Passing as passing:
                reason, wait = str(passing), min(passing.after, LONGEST)
        raise NoAnswer(
            f"{self._remote.name} could not be fetched", details=(self._remote.url,), why=f"{reason} ({attempts} attempts)",
            hint="look at the network and at http_proxy / https_proxy; the next run goes on where this one stopped",
        )  # fmt: skip

    def _attempt(self) -> Digest:
        have = self._usable()
        resumed = have == self._remote.size or self._transfer(have)
        found, size = self._digest(), self._part.stat().st_size
        if found == self._remote.digest and self._remote.size in (None, size):
            return self._store.adopt(self._part)
        self._drop()
        if resumed:  # the source may have changed the file between the two parts
            raise _Passing("the resumed file has another checksum")
        sizes = "" if self._remote.size in (None, size) else f"; {size} bytes instead of {self._remote.size}"
        raise BuildError(
            f"{self._remote.name} is not what it should be; it was not taken", details=(self._remote.url,),
            why=f"expected {self._remote.digest}, got {found}{sizes}",
            hint="the source, or something on the way, has changed the file: try again or use another source",
        )  # fmt: skip

    def _digest(self) -> Digest:
        with self._part.open("rb") as file:
            return Digest(f"{self._algorithm}:{hashlib.file_digest(file, self._algorithm).hexdigest()}")

    def _usable(self) -> int:
        """The bytes of an earlier attempt that the file can begin with."""
        have = self._part.stat().st_size if self._part.exists() else 0
        if self._remote.size is not None and have > self._remote.size:
            self._drop()
            have = 0
        self._tell(have)
        return have

    def _transfer(self, have: int) -> bool:
        """Brings the part to its full length; True if it begins with bytes of an earlier attempt."""
        span = {"Range": f"bytes={have}-"} if have else {}
        request = urllib.request.Request(self._remote.url, headers={"User-Agent": "kubeiso", **span})
        try:
            # an opener of its own, since the common one keeps the proxies of its first use
            with urllib.request.build_opener().open(request, timeout=TIMEOUT) as answer:
                resumed = answer.status == 206 and _first_byte(answer) == have
                self._receive(answer, have if resumed else 0)
                return resumed
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and have:  # no byte after `have`: the part is whole, or it is of another file
                return True
            raise self._refusal(error) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(_broken(error)) from error

    def _receive(self, answer: http.client.HTTPResponse, start: int) -> None:
        due = answer.length
        if due is not None:
            self._sized(start + due)
        with disk_errors(self._store.root), self._part.open("ab" if start else "wb") as file:
            while data := answer.read(BLOCK):
                file.write(data)
                due = None if due is None else due - len(data)
                self._tell(file.tell())
                if self._remote.size is not None and file.tell() > self._remote.size:
                    return
        if due:
            raise _Passing(f"the source broke off, {due} bytes were still to come")

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        if error.code in PASSING:
            return _Passing(_answered(error), _seconds(error.headers.get("Retry-After", "")))
        what = f"{self._remote.name} could not be fetched"
        return _kind(error.code)(what, details=(self._remote.url,), why=_answered(error))

    def _drop(self) -> None:
        self._part.unlink(missing_ok=True)
        self._tell(0)

    def _tell(self, position: int) -> None:
        self._moved(position - self._told)
        self._told = position


def _first_byte(answer: http.client.HTTPResponse) -> int:
    """The offset in "Content-Range: bytes 100-199/200", or -1."""
    first = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else -1


def _seconds(retry_after: str) -> float:
    """The wait that "Retry-After: 30" or one with a date asks for (RFC 9110, section 10.2.3); 0 where it is neither."""
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0
