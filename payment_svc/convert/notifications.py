"""Messages to people → messages of NotificationService."""

from __future__ import annotations

from mesh import clock
from mesh.errors import BadInput
from payment_svc.domain.messages import DeliveryStatus, Message
from tutormesh.payment.v1 import notification_pb2


def decode_status(value: notification_pb2.NotificationStatus.ValueType) -> DeliveryStatus | None:
    """The status; None for any. Raises BadInput."""
    if value == notification_pb2.NOTIFICATION_STATUS_UNSPECIFIED:
        return None
    if value not in notification_pb2.NotificationStatus.values():
        raise BadInput("no such status", field="status")
    return DeliveryStatus(notification_pb2.NotificationStatus.Name(value).removeprefix("NOTIFICATION_STATUS_"))


def decode_page_token(token: str) -> int | None:
    """The seq below which a page begins; None for the first page. Raises BadInput."""
    if not token:
        return None
    if not (token.isascii() and token.isdigit() and len(token) < 19):
        raise BadInput("not a token of this list", field="page_token")
    return int(token)


def encode_message(value: Message) -> notification_pb2.Notification:
    return notification_pb2.Notification(
        id=str(value.id),
        channel=value.route.channel,
        audience=value.route.audience.value,
        type=value.type,
        subject_id=str(value.subject_id),
        status=notification_pb2.NotificationStatus.Value(f"NOTIFICATION_STATUS_{value.status.value}"),
        attempt=value.attempt,
        error=value.error,
        wake_at=clock.to_proto(value.wake_at),
        created_at=clock.to_proto(value.created_at),
    )
