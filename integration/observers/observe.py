"""Prints the entries of a room as JSON, whenever they change. It speaks NATS's protocol over
a socket, with the standard library only:

    python3 observe.py nats://observer:PASSWORD@127.0.0.1:4222 default admin/online 60

The last arguments are the nodes' --presence-ttl in seconds, and their --nats-prefix if they have one.
"""

import json
import re
import socket
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote, urlsplit

address, site, room, ttl, prefix = (sys.argv[1:] + ["nats://127.0.0.1:4222", "default", "admin/online", "60", ""][len(sys.argv) - 1:])[:5]
url = urlsplit(address)
login = {"user": unquote(url.username), "pass": unquote(url.password or "")} if url.username else {}
keys = {}  # the last value of each subject; each page has one
written = {}  # when that was
lifetime = float(ttl) + max(float(ttl) / 6, 2)  # entries are written again every third of the TTL
lock = threading.Lock()  # guards both


def show():
    def order(key):  # of several pages of one user, the one that had the focus last
        return keys[key]["focused_at"], keys[key]["date_gmt"], key.rsplit(".", 1)[1]
    shown = {keys[key]["client_id"]: keys[key] for key in sorted(keys, key=order) if keys[key]["room"] == room}
    active = {e["client_id"] for e in keys.values() if e["room"] == room and e.get("idle") is False}  # in any page
    old = (datetime.now(timezone.utc) - timedelta(seconds=30)).strftime("%Y-%m-%d %H:%M:%S")

    def idle(e):  # as the page reports it, else by the date
        return e["client_id"] not in active and e.get("idle", e["date_gmt"] < old)
    print(json.dumps([{"client_id": c, "name": e["display_name"], "data": e["data"], "idle": idle(e)} for c, e in sorted(shown.items())]), flush=True)


def heard(subject, header, value):
    if re.search(rb"^(KV-Operation|Nats-Marker-Reason):", header, re.M):
        keys.pop(subject, None)  # left, was removed, or expired
    else:
        keys[subject] = json.loads(value)
    written[subject] = time.monotonic()
    show()


def sweep():  # the message that says so may be lost
    while True:
        time.sleep(1)
        with lock:
            old = [subject for subject in written if time.monotonic() - written[subject] > lifetime]
            for subject in old:
                del written[subject]
            if any([keys.pop(subject, None) for subject in old]):
                show()


def ping():
    while True:
        time.sleep(10)
        connection.sendall(b"PING\r\n")


# A server that is cut off from this machine may never say that the connection is gone.
connection = socket.create_connection((url.hostname, url.port or 4222), timeout=30)
threading.Thread(target=sweep, daemon=True).start()
threading.Thread(target=ping, daemon=True).start()
lines = connection.makefile("rb")
connection.sendall(b"CONNECT %s\r\nSUB %spresence.%s.> 1\r\n" % (json.dumps({"verbose": False, "headers": True, **login}).encode(), (prefix and prefix + ".").encode(), site.encode()))
try:
    for line in lines:
        verb, *rest = line.decode().split()
        if verb in ("MSG", "HMSG"):
            head, total = (int(rest[-2]), int(rest[-1])) if verb == "HMSG" else (0, int(rest[-1]))
            body = lines.read(total + 2)
            with lock:
                heard(rest[0], body[:head], body[head:total])
        elif verb == "PING":
            connection.sendall(b"PONG\r\n")
        elif verb == "-ERR":
            print(*rest, file=sys.stderr)
except OSError:
    pass
sys.exit("connection to NATS lost, or NATS is silent: start again")
