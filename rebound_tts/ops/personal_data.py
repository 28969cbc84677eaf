"""Which columns hold what a person could be known by, or what a remote said in its own words.

Erasure empties exactly these. A column that is encrypted, a payload or a file and is not named here fails a test.
"""

from django.db import models

from matching.import_models import OrderImportPart
from matching.models import SalesOrder
from merchants.models import ReboundAccount, ShopAuthorization
from returns.models import (
    AlertChannel,
    ReboundReturn,
    ReturnLabel,
    StepAttempt,
    TikTokReturn,
    TikTokReturnItem,
    WebhookEvent,
)

# Of buyers: the value that an emptied column has.
OF_BUYERS: dict[type[models.Model], dict[str, object]] = {
    WebhookEvent: {"body": "{}"},
    TikTokReturn: {"buyer_address": {}, "payload": {}, "reason_detail": ""},
    TikTokReturnItem: {"name": ""},
    ReboundReturn: {"payload": {}, "request": {}},
    ReturnLabel: {"content": b""},
    StepAttempt: {"detail": ""},
    SalesOrder: {"customer_address": {}, "payload": {}},
    OrderImportPart: {"content": b""},
}
# Of merchants: what lets us act for them, and their names.
OF_MERCHANTS: dict[type[models.Model], dict[str, object]] = {
    ShopAuthorization: {"access_token": "", "refresh_token": "", "seller_name": "", "last_error": ""},
    ReboundAccount: {
        "client_secret": "",
        "access_token": "",
        "events_secret": "",
        "former_events_secret": "",
        "legal_entity": "",
        "last_error": "",
    },
    AlertChannel: {"address": "", "secret": "", "is_active": False},
}
