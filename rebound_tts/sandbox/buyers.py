"""Made-up buyers with plausible addresses, for orders of the sandbox. No real person stands behind them."""

import random

from rebound_tts.sandbox.world import Buyer, World

_FIRST = ("Amelia", "Jack", "Priya", "Oliver", "Zofia", "Mateo", "Chloe", "Kwame", "Grace", "Noah", "Aisha", "Leo")
_LAST = ("Hughes", "Okafor", "Patel", "Nowak", "Turner", "Bianchi", "Fraser", "Lindqvist", "Marsh", "Ortega")
_STREETS = {
    "GB": ("High Street", "Church Lane", "Victoria Road", "Mill Close"),
    "US": ("Maple Avenue", "Oak Street", "Sunset Drive", "2nd Street"),
    "DE": ("Lindenstraße", "Gartenweg", "Bergstraße", "Am Markt"),
    "FR": ("Rue de la Paix", "Avenue Foch", "Rue des Lilas", "Place du Marché"),
}
_CITIES = {
    "GB": (("Leeds", "England", "LS1 4AP"), ("Cardiff", "Wales", "CF10 1EP"), ("Glasgow", "Scotland", "G2 1DY")),
    "US": (("Portland", "Oregon", "97204"), ("Austin", "Texas", "78701"), ("Columbus", "Ohio", "43215")),
    "DE": (("Köln", "Nordrhein-Westfalen", "50667"), ("Leipzig", "Sachsen", "04109")),
    "FR": (("Lyon", "Auvergne-Rhône-Alpes", "69002"), ("Nantes", "Pays de la Loire", "44000")),
    "IE": (("Dublin", "Leinster", "D02 X285"), ("Cork", "Munster", "T12 W8KP")),
    "ES": (("Valencia", "Comunitat Valenciana", "46002"), ("Sevilla", "Andalucía", "41001")),
    "IT": (("Bologna", "Emilia-Romagna", "40121"), ("Torino", "Piemonte", "10121")),
}
_DIAL = {"GB": "44", "US": "1", "DE": "49", "FR": "33", "IE": "353", "ES": "34", "IT": "39"}
CURRENCIES = {"GB": "GBP", "US": "USD"}  # every other country here pays in euros


def new_buyer(world: World, country: str) -> Buyer:
    city, state, postal_code = random.choice(_CITIES.get(country, _CITIES["GB"]))
    number = random.randint(1, 180)
    street = random.choice(_STREETS.get(country, _STREETS["GB"]))
    first_line = f"{street} {number}" if country == "DE" else f"{number} {street}"
    lines = (first_line, f"Flat {random.randint(1, 12)}") if random.random() < 0.3 else (first_line,)
    user_id = world.new_id("7293")
    dial = _DIAL.get(country, "44")
    return Buyer(
        user_id=user_id,
        first_name=random.choice(_FIRST),
        last_name=random.choice(_LAST),
        email=f"v2{user_id[-10:]}@chat.seller.tiktok.com",
        phone=f"(+{dial})20794{random.randint(0, 99999):05d}",
        address_lines=lines,
        city=city,
        state=state,
        postal_code=postal_code,
        region=country,
    )


def currency_of(country: str) -> str:
    return CURRENCIES.get(country, "EUR")
