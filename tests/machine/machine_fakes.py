"""A node's console made of this host's shell on a terminal, and a QEMU that is a small program."""

import contextlib
import os
import select
import socket
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

PROMPT = "(ns: getty) test:~# "


@contextlib.contextmanager
def node(path: Path, noise: Callable[[bytes], bytes] = lambda data: data) -> Iterator[subprocess.Popen[bytes]]:
    """A serial console at `path` with an interactive shell behind a real terminal; `noise` may add to what it prints."""
    commands = path.parent / "bin"
    commands.mkdir()
    (commands / "dmesg").write_text("#!/bin/sh\nexit 0\n")  # the host's kernel is none of a test's business
    (commands / "dmesg").chmod(0o755)
    master, slave = os.openpty()
    environment = {"PATH": f"{commands}:{os.environ['PATH']}", "PS1": PROMPT, "TERM": "dumb", "HOME": str(path.parent)}
    shell = subprocess.Popen(
        ["setsid", "--ctty", "sh", "-i"], stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=path.parent,
    )  # fmt: skip
    os.close(slave)
    try:
        with _served(path, master, noise):
            yield shell
    finally:
        shell.kill()
        shell.wait()


@contextlib.contextmanager
def control_node(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The control channel of a node at `path`: the node's own control.sh behind a terminal that is as plain as a virtio port."""
    master, slave = os.openpty()
    tty.setraw(slave, termios.TCSANOW)
    script = Path(__file__).parents[2] / "pkg/getty/files/usr/bin/control.sh"
    environment = {"PATH": os.environ["PATH"], "HOME": str(path.parent)}
    argv = ["sh", str(script), os.ttyname(slave)]
    server = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env=environment, cwd=path.parent, start_new_session=True)
    try:
        with _served(path, master, lambda data: data):
            yield server
    finally:
        os.close(slave)
        server.kill()
        server.wait()


@contextlib.contextmanager
def _served(path: Path, master: int, noise: Callable[[bytes], bytes]) -> Iterator[None]:
    """What is behind the terminal, on a unix socket."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(1)
    over = threading.Event()
    pump = threading.Thread(target=_serve, args=(server, master, noise, over))
    pump.start()
    try:
        yield
    finally:
        over.set()
        pump.join(10)
        server.close()
        os.close(master)


def _serve(server: socket.socket, master: int, noise: Callable[[bytes], bytes], over: threading.Event) -> None:
    """One client after another, as QEMU's chardev does, until it is over."""
    server.settimeout(0.1)
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            client, _ = server.accept()
            with client:
                _pump(client, master, noise, over)


def _pump(client: socket.socket, master: int, noise: Callable[[bytes], bytes], over: threading.Event) -> None:
    while not over.is_set():
        ready, _, _ = select.select([client.fileno(), master], [], [], 0.1)
        if client.fileno() in ready:
            data = _received(client)
            if not data:
                return
            os.write(master, data)
        if master in ready:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(noise(os.read(master, 65536)))


def _received(client: socket.socket) -> bytes:
    """Nothing where the client went, with or without having read all."""
    try:
        return client.recv(65536)
    except ConnectionResetError:
        return b""


# What a fake QEMU does at which moment. `{behaviour}` decides: "runs", "dies", "panics", "at once", "deaf".
_QEMU = """#!{python}
import json, os, signal, socket, sys, threading, time
arguments = sys.argv[1:]
behaviour = {behaviour!r}
if "--version" in arguments:
    print("QEMU emulator version 0.0 (fake)")
    sys.exit(0)
if arguments == ["-netdev", "help"]:
    print("socket stream user vde")
    sys.exit(0)
after = lambda option: [arguments[at + 1] for at, word in enumerate(arguments) if word == option]
if behaviour == "at once":
    print("fake: no such accelerator", file=sys.stderr)
    sys.exit(1)
chardevs = [dict(pair.split("=") for pair in words.split(",") if "=" in pair) for words in after("-chardev")]
paths = {{chardev["id"]: chardev for chardev in chardevs}}
def listen(name):
    server = socket.socket(socket.AF_UNIX)
    server.bind(paths[name]["path"])
    server.listen(1)
    return server
console, control, qmp = listen("console"), listen("control"), listen("qmp")
if child := os.fork():
    open(after("-pidfile")[0], "w").write(str(child))
    os._exit(0)
os.setsid()
null = os.open("/dev/null", os.O_RDWR)
log = os.open(after("-D")[0], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.dup2(null, 0); os.dup2(null, 1); os.dup2(log, 2)
clients, going = [], threading.Event()
def attach():
    while True:
        client = console.accept()[0]
        clients.append(client)
        while client.recv(4096):
            pass
        clients.remove(client)
def say(text):
    with open(paths["console"]["logfile"], "a") as file:
        file.write(text)
    for client in clients:
        client.sendall(text.encode())
def boot():
    going.wait()
    late = time.monotonic() + 5
    while not clients and time.monotonic() < late:  # QEMU accepts the console's client before it takes `cont`
        time.sleep(0.01)
    say('KUBEISO {{"t":1,"stage":"init","state":"ok"}}\\r\\n')
    if behaviour == "dies":
        time.sleep(0.3)
        print("fake: the processor caught fire", file=sys.stderr, flush=True)
        os._exit(1)
    if behaviour == "panics":
        say("[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs\\r\\n")
    if behaviour == "runs":
        say('KUBEISO {{"t":2,"stage":"ready","state":"ok","cpu_ms":50}}\\r\\n')
def answer(command):
    if command == "query-chardev":
        prefix = "" if clients else "disconnected:"
        found = [{{"label": "console", "filename": prefix + "unix:x", "frontend-open": True}}]
        return [*found, {{"label": "control", "filename": "disconnected:unix:x", "frontend-open": True}}]
    if command == "query-status":
        return {{"status": "running" if going.is_set() else "prelaunch", "singlestep": False, "running": going.is_set()}}
    if command == "cont":
        going.set()
    if command == "stop":
        going.clear()
    return {{}}
def refusal(request):
    if request["execute"] != "set_link":
        return None
    asked = request["arguments"]
    print("set_link", asked["name"], asked["up"], file=sys.stderr, flush=True)
    if any(f"id={{asked['name']}}" in words.split(",") for words in after("-netdev")):
        return None
    return {{"class": "DeviceNotFound", "desc": f"Device '{{asked['name']}}' not found"}}
def requests(client):
    text = ""
    while data := client.recv(4096):
        text += data.decode()
        while text.strip():
            try:
                request, end = json.JSONDecoder().raw_decode(text.lstrip())
            except json.JSONDecodeError:
                break
            text = text.lstrip()[end:]
            yield request
def serve():
    while True:
        client = qmp.accept()[0]
        def send(message):
            client.sendall(json.dumps(message).encode() + b"\\n")
        send({{"QMP": {{"version": {{"qemu": {{"major": 0, "minor": 0, "micro": 0}}, "package": ""}}, "capabilities": []}}}})
        for request in requests(client):
            error = refusal(request)
            result = {{"error": error}} if error else {{"return": answer(request["execute"])}}
            send({{**result, **({{"id": request["id"]}} if "id" in request else {{}})}})
            if request["execute"] == "quit" and behaviour != "deaf":
                now = {{"seconds": 0, "microseconds": 0}}
                send({{"event": "SHUTDOWN", "data": {{"guest": False, "reason": "host-qmp-quit"}}, "timestamp": now}})
                os._exit(0)
for work in (attach, boot, serve):
    threading.Thread(target=work, daemon=True).start()
signal.pause()
"""


def write_qemu(directory: Path, behaviour: str) -> Path:
    """A fake qemu-system-x86_64 in `directory`; "deaf" ignores `quit`, so that only signals end it."""
    program = directory / "qemu-system-x86_64"
    program.write_text(_QEMU.format(python=sys.executable, behaviour=behaviour))
    program.chmod(0o755)
    return program
