"""Client of the realtime gateway: notifications, clan chat, topics of declared services and calls, over one WebSocket that is
kept and continued.

`Client` is for asyncio, and `gateway.sync.Client` for programs without an event loop.
"""

from __future__ import annotations

from . import codec
from .clan_chat import ClanChat
from .client import Client
from .codec import UNSET, DecodeError, Unset
from .errors import (
    ClosedError,
    ConnectionLostError,
    GatewayError,
    InvalidError,
    Outcome,
    QueueFullError,
    RefusedError,
    ReplacedError,
    SignedOut,
    TimedOutError,
    TokenError,
    TrapError,
    UnauthorizedError,
    UsageError,
)
from .events import Event, Gap, Message, Missed, Position, UnknownMessage
from .listeners import Frame
from .messages import (
    AckConfirmed,
    CallResult,
    Chat,
    ChatDeleted,
    ChatEntry,
    ChatHistory,
    ClanUser,
    Connected,
    EphemeralEvent,
    Limits,
    MessageSent,
    Notification,
    NotificationAcked,
    Presence,
    PresenceChanged,
    PublishAccepted,
    SubscriptionConfirmed,
    SubscriptionEnded,
    TopicHistory,
    TopicMessage,
    TopicMessageEntry,
    TopicPresence,
    TopicPresenceChanged,
    TopicUser,
    Typing,
)
from .notifications import Notifications
from .state import State, Status
from .subscription import Subscription
from .tokens import TokenProvider
from .topic import Topic
from .version import VERSION as __version__
from .version import core_digest

__all__ = [
    "UNSET",
    "AckConfirmed",
    "CallResult",
    "Chat",
    "ChatDeleted",
    "ChatEntry",
    "ChatHistory",
    "ClanChat",
    "ClanUser",
    "Client",
    "ClosedError",
    "Connected",
    "ConnectionLostError",
    "DecodeError",
    "EphemeralEvent",
    "Event",
    "Frame",
    "Gap",
    "GatewayError",
    "InvalidError",
    "Limits",
    "Message",
    "MessageSent",
    "Missed",
    "Notification",
    "NotificationAcked",
    "Notifications",
    "Outcome",
    "Position",
    "Presence",
    "PresenceChanged",
    "PublishAccepted",
    "QueueFullError",
    "RefusedError",
    "ReplacedError",
    "SignedOut",
    "State",
    "Status",
    "Subscription",
    "SubscriptionConfirmed",
    "SubscriptionEnded",
    "TimedOutError",
    "TokenError",
    "TokenProvider",
    "Topic",
    "TopicHistory",
    "TopicMessage",
    "TopicMessageEntry",
    "TopicPresence",
    "TopicPresenceChanged",
    "TopicUser",
    "TrapError",
    "Typing",
    "UnauthorizedError",
    "UnknownMessage",
    "Unset",
    "UsageError",
    "__version__",
    "codec",
    "core_digest",
]
