"""The upload of a return label or QR code, once for each return: what the whole product is for. Reference: 6.3, 3.3."""

from rebound_tts.sandbox import return_lifecycle as states
from rebound_tts.sandbox.tiktok_gateway import Call, TikTokError, endpoint, invalid_parameter
from rebound_tts.sandbox.tiktok_logistics import SHIPPING_PROVIDERS
from rebound_tts.sandbox.world import Return, Upload

ALREADY_UPLOADED = 25021022
WRONG_FORMAT = 25021023
UNKNOWN_RETURN = 25023001
FOREIGN_RETURN = 25023002
LABEL = "return_shipping_label"
QR_CODE = "return_qr_code"
MAX_RETURNS = 50
# RETURN is what one SDK calls the default
_ID_TYPES = ("SKU_RETURN_ORDER", "RETURN", "RMA")
_MAGIC = {LABEL: {b"%PDF": "application/pdf"}, QR_CODE: {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}}


@endpoint(
    "POST",
    "/return_refund/202405/returns/shipping_documents",
    scope="seller.return_refund.basic",
    multipart=True,
)
def upload_document(call: Call) -> None:
    """Several return ids are one parcel: all of them get the document, or none."""
    return_ids = call.values("return_ids", MAX_RETURNS)
    if call.choice("return_id_type", _ID_TYPES, "SKU_RETURN_ORDER") == "RMA":
        raise TikTokError(UNKNOWN_RETURN, "The return id is invalid: this shop has no RMA.")
    tracking_number = _form_text(call, "tracking_number")
    provider_id = _form_text(call, "return_provider_id")
    if provider_id not in SHIPPING_PROVIDERS:
        raise invalid_parameter("return_provider_id", f"got '{provider_id}'", "the id of a shipping provider")
    kind = _kind(call)
    data = call.files[kind].stream.read()
    returns = [_uploadable(call, return_id) for return_id in return_ids]
    content_type = _content_type(kind, data)
    for found in returns:
        _check_choice(call, found, kind)
    for found in returns:
        found.uploads.append(
            Upload(kind, content_type, data, tracking_number, provider_id, uploaded_at=call.world.now())
        )
        found.return_tracking_number = tracking_number
        found.return_provider_id = provider_id
        found.return_provider_name = SHIPPING_PROVIDERS[provider_id]
        states.touch(call.world, found)


def _form_text(call: Call, name: str) -> str:
    value = call.form.get(name, "").strip()
    if not value:
        raise invalid_parameter(name, "the form part is missing", "a text part")
    return value


def _kind(call: Call) -> str:
    kinds = [kind for kind in (LABEL, QR_CODE) if kind in call.files]
    if len(kinds) != 1:
        raise invalid_parameter(LABEL, f"{len(kinds)} files were sent", f"one file, as {LABEL} or {QR_CODE}")
    return kinds[0]


def _uploadable(call: Call, return_id: str) -> Return:
    found = call.world.returns.get(return_id)
    if found is None:
        raise TikTokError(UNKNOWN_RETURN, f"The return id {return_id} is invalid.")
    if found.shop_id != call.shop.id:
        raise TikTokError(FOREIGN_RETURN, f"The return {return_id} belongs to another seller.")
    if found.uploads:
        raise TikTokError(ALREADY_UPLOADED, f"A shipping document was already uploaded for return {return_id}.")
    # TikTok does not say which code a wrong state has; an id that is not open to an upload is the nearest
    if found.return_status != states.AWAITING_BUYER_SHIP:
        raise TikTokError(UNKNOWN_RETURN, f"The return {return_id} is invalid: its status is {found.return_status}.")
    if found.return_method != "SELLER_SHIPPED" or found.return_type == "REFUND":
        raise TikTokError(UNKNOWN_RETURN, f"The return {return_id} is invalid: the seller does not ship it.")
    return found


def _content_type(kind: str, data: bytes) -> str:
    for magic, content_type in _MAGIC[kind].items():
        if data.startswith(magic):
            return content_type
    expected = "a PDF" if kind == LABEL else "a PNG or JPEG image"
    raise TikTokError(WRONG_FORMAT, f"The file format is not accepted: {kind} must be {expected}.")


def _check_choice(call: Call, found: Return, kind: str) -> None:
    if not call.world.settings.check_document_type:
        return
    wanted = QR_CODE if found.return_shipping_document_type.startswith("QR_CODE") else LABEL
    if kind != wanted:
        raise TikTokError(WRONG_FORMAT, f"The file format is not accepted: the buyer of {found.id} chose {wanted}.")
