"""The codes that a finding can carry, each with its rule and its remedy: shown with the finding and in the catalog."""

from enum import StrEnum


class Code(StrEnum):
    """The rule that was broken. Stable: the error catalog explains each under its name."""

    REQUIRED = "required"
    WRONG_TYPE = "wrong_type"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    NOT_STORABLE = "not_storable"
    NOT_A_TIME = "not_a_time"
    NOT_A_DECIMAL = "not_a_decimal"
    NEGATIVE = "negative"
    NOT_POSITIVE = "not_positive"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_CURRENCY = "unknown_currency"
    UNKNOWN_COUNTRY = "unknown_country"
    METADATA_SHAPE = "metadata_shape"
    METADATA_CONFLICT = "metadata_conflict"
    OMS_ORDER_ID_MISSING = "oms_order_id_missing"
    OMS_ORDER_ID_DIFFERS = "oms_order_id_differs"
    OMS_ITEM_ID_MISSING = "oms_item_id_missing"
    OMS_ITEM_ID_REPEATED = "oms_item_id_repeated"
    LINE_ID_REPEATED = "line_id_repeated"
    TOO_MANY_LINE_IDS = "too_many_line_ids"
    LINES_WITHOUT_ORDER = "lines_without_order"
    UNKNOWN_FIELD = "unknown_field"
    ID_DIFFERS_FROM_PATH = "id_differs_from_path"
    TOO_MANY = "too_many"
    TOO_DEEP = "too_deep"
    REPEATED_FIELD = "repeated_field"
    NOT_JSON = "not_json"
    TOO_LARGE = "order_too_large"
    NO_ITEMS = "no_items"
    CURRENCY_MISSING = "currency_missing"
    NOT_CSV = "not_csv"
    ROWS_DIFFER = "rows_differ"
    ROWS_APART = "rows_apart"


RULES: dict[Code, tuple[str, str]] = {
    Code.REQUIRED: ("The field must be there and not null.", "Add it."),
    Code.WRONG_TYPE: (
        "The field has one JSON type.",
        "Send the type that `detail` names.",
    ),
    Code.EMPTY: (
        "An id is not empty or blank, a batch not empty.",
        "Send the id that the OMS uses; in a batch, at least one order.",
    ),
    Code.TOO_LONG: ("Ids have at most 255 characters; other texts the length that `detail` names.", "Shorten it."),
    Code.NOT_STORABLE: (
        "A text holds no NUL and no half of a surrogate pair.",
        "Remove the character; mend the encoding that made it.",
    ),
    Code.NOT_A_TIME: ("Times are RFC 3339 with an offset.", "Send 2026-11-23T14:05:00Z or 2026-11-23T15:05:00+01:00."),
    Code.NOT_A_DECIMAL: (
        "Money and weight are decimal numbers.",
        'Send "19.90", without a currency sign or thousands separators.',
    ),
    Code.NEGATIVE: ("Money and weight are 0 or more.", "Leave discounts out; send the price of one unit."),
    Code.NOT_POSITIVE: ("A quantity is 1 or more.", "Leave out items that were not ordered."),
    Code.OUT_OF_RANGE: ("A number has a range.", "Send a number in the range that `detail` names."),
    Code.UNKNOWN_CURRENCY: ("Currencies are ISO 4217 codes.", "Send three capital letters, such as GBP."),
    Code.UNKNOWN_COUNTRY: ("Countries are ISO 3166-1 alpha-2 codes.", "Send two capital letters, such as GB."),
    Code.METADATA_SHAPE: (
        "clientMetadata is an object, or a list of objects with key and value.",
        "Use one of these shapes.",
    ),
    Code.METADATA_CONFLICT: ("One key of clientMetadata has one value.", "Send the key once."),
    Code.OMS_ORDER_ID_MISSING: (
        "clientMetadata.omsOrderId must be there: a return is linked by it.",
        "Add it, with the value of clientOrderId.",
    ),
    Code.OMS_ORDER_ID_DIFFERS: (
        "clientMetadata.omsOrderId equals clientOrderId.",
        "Send the external order id that TikTok holds in both.",
    ),
    Code.OMS_ITEM_ID_MISSING: (
        "Every item has clientMetadata.omsItemId: items are matched by it, never by SKU.",
        "Add the external item id that TikTok holds.",
    ),
    Code.OMS_ITEM_ID_REPEATED: (
        "omsItemId is unique within an order.",
        "Give each line its own id, or send one line with the sum of the quantities.",
    ),
    Code.LINE_ID_REPEATED: (
        "A line of TikTok's is one unit of one item: its id stands in `ttsLineItemIds` once.",
        "Leave it with the item that TikTok sold with this line.",
    ),
    Code.TOO_MANY_LINE_IDS: (
        "TikTok has one line a unit: an item has at most as many `ttsLineItemIds` as its quantity.",
        "Send the line ids of this item alone, or the quantity that was ordered.",
    ),
    Code.LINES_WITHOUT_ORDER: (
        "`ttsLineItemIds` are of use with the order's `ttsOrderId` alone.",
        "Add `ttsOrderId` to the order's clientMetadata, or leave the line ids out.",
    ),
    Code.UNKNOWN_FIELD: (
        "In strict mode every field is a documented one; otherwise this is a warning.",
        "Check the spelling, or leave out X-Strict.",
    ),
    Code.ID_DIFFERS_FROM_PATH: (
        "The id in the path equals clientOrderId in the body.",
        "Percent-encode the id in the path, / included.",
    ),
    Code.TOO_MANY: ("An order has at most 1000 items, a batch at most 500 orders.", "Send it in parts."),
    Code.TOO_DEEP: ("A field of yours is nested at most 20 levels deep.", "Flatten it, or leave it out."),
    Code.REPEATED_FIELD: ("A field stands once in its object.", "Send it once."),
    Code.NOT_JSON: (
        "Each order of a batch, and each line of one in lines, is one JSON object.",
        "Mend this one; the others were not affected.",
    ),
    Code.TOO_LARGE: ("One order has at most 1 MiB of JSON.", "Leave out what the order is not: images, histories."),
    Code.NO_ITEMS: ("A warning: without items, no returned item can be matched.", "Push the items with the order."),
    Code.CURRENCY_MISSING: ("A warning: money has its ISO 4217 currency.", "Send currencyCode beside price."),
    Code.NOT_CSV: ("Of a file: each row is CSV in UTF-8.", "Close every quote; save the file as CSV UTF-8."),
    Code.ROWS_DIFFER: (
        "Of a file: the rows of one order say the same of the order.",
        "Mend the cell, or leave it empty in all rows but the first.",
    ),
    Code.ROWS_APART: (
        "Of a file: the rows of one order follow each other.",
        "Sort the file by clientOrderId, and send this order again with all of its rows.",
    ),
}
