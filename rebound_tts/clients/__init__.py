"""How the product speaks to TikTok Shop and ReBound over HTTP. A leaf: it knows no Django, no settings and no models.

Start at `tiktok_shop` and `rebound` for the calls, at `errors` for what they raise.
"""
