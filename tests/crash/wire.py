"""Entries as gateways read them, decoded without the project's code and without protobuf's.

An entry is one gRPC message: a zero byte, the length as u32 big endian, and a PushEvent
(proto/galaxy/backend/push/v1/push.proto) whose members stand in field order, the cursor last.
"""
import hashlib, re, struct

CURSOR = re.compile(r"^([0-9a-f]{16})-([0-9a-f]{12})$")
CANARY_USER = "galaxy:canary"
EVENT_FIELDS = {1: "user", 2: "session", 3: "kind", 4: "payload", 5: "id", 6: "request_id", 7: "trace_id"}
INVALIDATION_FIELDS = {1: "session", 2: "user", 3: "reason"}


class Malformed(Exception):
    pass


def cursor_parts(text):
    """(sequence, milliseconds) of a cursor's text (semantics.md 1.1)."""
    match = CURSOR.match(text)
    if not match:
        raise Malformed("not a cursor: %r" % text)
    return int(match[1], 16), int(match[2], 16)


def digest(*parts):
    """Names what an entry says: recipient, ids and content, not its place."""
    h = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        h.update(struct.pack(">I", len(data)) + data)
    return h.hexdigest()[:24]


def event_digest(user, session, kind, payload, id, request_id="", trace_id=""):
    return digest("event", user, session, kind, payload, id, request_id, trace_id)


def invalidation_digest(user, session, reason):
    return digest("invalidation", user, session, reason)


class Entry:
    """type is "event" or "invalidation"; the strings are those of the contract."""

    def __init__(self, type, fields, cursor, raw):
        self.type, self.cursor, self.raw = type, cursor, raw
        self.sequence, self.ms = cursor_parts(cursor)
        self.user, self.session = fields.get("user", b"").decode(), fields.get("session", b"").decode()
        if type == "event":
            self.kind, self.payload, self.id = fields.get("kind", b"").decode(), fields.get("payload", b""), fields.get("id", b"").decode()
            self.digest = event_digest(self.user, self.session, self.kind, self.payload, self.id,
                                       fields.get("request_id", b"").decode(), fields.get("trace_id", b"").decode())
        else:
            self.id = fields.get("reason", b"").decode()
            self.digest = invalidation_digest(self.user, self.session, self.id)

    def record(self):
        return {"cursor": self.cursor, "type": self.type, "user": self.user, "session": self.session, "id": self.id, "digest": self.digest,
                "raw": hashlib.sha256(self.raw).hexdigest()[:24]}


def entries(data):
    """The entries that lie back to back in `data`."""
    at, found = 0, []
    while at < len(data):
        if len(data) - at < 5:
            raise Malformed("%d bytes are left, less than a prefix" % (len(data) - at))
        flag, length = struct.unpack_from(">BI", data, at)
        if flag != 0 or at + 5 + length > len(data):
            raise Malformed("flag %d, length %d, %d bytes left" % (flag, length, len(data) - at - 5))
        found.append(decode(data[at + 5:at + 5 + length]))
        at += 5 + length
    return found


def decode(message):
    """One PushEvent without the prefix."""
    cursor, kinds = None, []
    for number, value in fields(message):
        if number == 3:
            cursor = value.decode("ascii")
        elif number in (1, 2):
            kinds.append((number, value))
        else:
            raise Malformed("PushEvent has no field %d" % number)
    if cursor is None or len(kinds) != 1:
        raise Malformed("cursor %r, %d kinds" % (cursor, len(kinds)))
    number, value = kinds[0]
    names = EVENT_FIELDS if number == 1 else INVALIDATION_FIELDS
    members = {}
    for field, text in fields(value):
        if field not in names or names[field] in members:
            raise Malformed("field %d is unknown or doubled" % field)
        members[names[field]] = text
    return Entry("event" if number == 1 else "invalidation", members, cursor, message)


def fields(message):
    """(number, bytes) of a message all of whose fields are strings, bytes or messages."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 != 2:
            raise Malformed("wire type %d" % (key & 7))
        length, at = varint(message, at)
        if at + length > len(message):
            raise Malformed("a field is longer than its message")
        yield key >> 3, message[at:at + length]
        at += length


def varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("varint")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
