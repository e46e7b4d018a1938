"""Prints who is in a room, as JSON, whenever that changes. NATS's own protocol
over a socket, the standard library alone:

    python3 observe.py nats://observer:PASSWORD@127.0.0.1:4222 default admin/online
"""

import json
import re
import socket
import sys
from datetime import datetime, timedelta, timezone
from urllib.parse import unquote, urlsplit

address, site, room = (sys.argv[1:] + ["nats://127.0.0.1:4222", "default", "admin/online"][len(sys.argv) - 1:])[:3]
url = urlsplit(address)
login = {"user": unquote(url.username), "pass": unquote(url.password or "")} if url.username else {}
keys = {}  # what was last said on each subject: one for each page


def show():
    def order(key):  # of several pages of one person the one focused last
        return keys[key]["focused_at"], keys[key]["date_gmt"], key.rsplit(".", 1)[1]
    shown = {keys[key]["client_id"]: keys[key] for key in sorted(keys, key=order) if keys[key]["room"] == room}
    active = {e["client_id"] for e in keys.values() if e["room"] == room and e.get("idle") is False}  # in any of their pages
    old = (datetime.now(timezone.utc) - timedelta(seconds=30)).strftime("%Y-%m-%d %H:%M:%S")

    def idle(e):  # as the page reports it; without a report, by the date
        return e["client_id"] not in active and e.get("idle", e["date_gmt"] < old)
    print(json.dumps([{"client_id": c, "name": e["display_name"], "data": e["data"], "idle": idle(e)} for c, e in sorted(shown.items())]), flush=True)


def heard(subject, header, value):
    if re.search(rb"^(KV-Operation|Nats-Marker-Reason):", header, re.M):
        keys.pop(subject, None)  # left, was removed, or expired
    else:
        keys[subject] = json.loads(value)
    show()


wire = socket.create_connection((url.hostname, url.port or 4222))
lines = wire.makefile("rb")
wire.sendall(b"CONNECT %s\r\nSUB presence.%s.> 1\r\n" % (json.dumps({"verbose": False, "headers": True, **login}).encode(), site.encode()))
for line in lines:
    verb, *rest = line.decode().split()
    if verb in ("MSG", "HMSG"):
        head, total = (int(rest[-2]), int(rest[-1])) if verb == "HMSG" else (0, int(rest[-1]))
        body = lines.read(total + 2)
        heard(rest[0], body[:head], body[head:total])
    elif verb == "PING":
        wire.sendall(b"PONG\r\n")
    elif verb == "-ERR":
        print(*rest, file=sys.stderr)
sys.exit("NATS is gone: what was heard is worth nothing now, start again")
