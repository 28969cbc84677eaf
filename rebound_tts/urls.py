"""Every address of the product, and the steps of the install wizard, which come from every layer."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from matching.api.urls import order_api
from matching.coverage.pages import COVERAGE
from matching.setup import MATCHING
from merchants.wizard.connect import CONNECT
from merchants.wizard.lanes import LANES
from merchants.wizard.rebound_account import REBOUND
from merchants.wizard.review import REVIEW
from merchants.wizard.seller_center import SELLER_CENTER
from merchants.wizard.urls import merchant_pages
from rebound_tts import accounts
from rebound_tts.field_names import translate_names
from rebound_tts.ops import views as ops
from returns.arrivals import wake_for_orders
from returns.bell import bell
from returns.shop_figures import shop_figures
from returns.trial_pages import TEST_RETURN
from returns.webhooks import ReboundWebhook, TikTokWebhook

handler404 = "rebound_tts.staff_site.not_found"

translate_names()
admin.autodiscover()

# In the order in which a merchant walks through them; see merchants/wizard/steps.py.
STEPS = [
    CONNECT,
    REBOUND,
    MATCHING,
    COVERAGE,
    LANES,
    SELLER_CENTER,
    TEST_RETURN,
    REVIEW,
]

urlpatterns = [
    path("webhooks/tiktok", TikTokWebhook.as_view(), name="tiktok-webhook"),
    path("webhooks/rebound/<slug:key>", ReboundWebhook.as_view(), name="rebound-webhook"),
    path("livez", ops.livez, name="livez"),
    path("readyz", ops.readyz, name="readyz"),
    path("readyz/web", ops.readyz_web, name="readyz-web"),
    path("metrics", ops.metrics, name="metrics"),
    path("admin/account/", include(accounts)),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    re_path(r"^docs/?$", RedirectView.as_view(pattern_name="docs-orders")),
    *order_api(on_arrival=wake_for_orders, on_errands=bell.ring),
    *merchant_pages(steps=STEPS, figures=shop_figures),
]
