"""The addresses of the merchant's pages, made from the list of steps."""

from collections.abc import Sequence
from functools import partial

from django.urls import URLPattern, path

from merchants.wizard import arrival, pages
from merchants.wizard.copy_shop import copy
from merchants.wizard.home import FiguresOf, disconnect, pause, resume
from merchants.wizard.order_system import new_credentials, new_secret, order_system, revoke
from merchants.wizard.steps import Step, StepView


def merchant_pages(*, steps: Sequence[Step], figures: FiguresOf) -> list[URLPattern]:
    """`steps` in the order in which a merchant walks through them; see `merchants.wizard.steps`. `figures(shop, now=…)`
    tells the status home of a shop's returns; see `merchants.wizard.home`."""
    ordered = tuple(steps)
    found = [
        path("", partial(pages.front, steps=ordered), name="front"),
        path("tiktok/connect", arrival.start, name="tiktok-start"),
        path("tiktok/callback", arrival.callback, name="tiktok-callback"),
        path("shops/choose/", pages.choose, name="choose-shops"),
        path("shops/", partial(pages.shops, steps=ordered), name="shops"),
        path("shops/<str:shop_id>/", partial(pages.shop, steps=ordered, figures=figures), name="shop"),
        path("sign-out", pages.leave, name="sign-out"),
        path("help", pages.get_help, name="help"),
    ]
    for name, show in (
        ("pause", pause),
        ("resume", resume),
        ("copy", copy),
        ("disconnect", partial(disconnect, figures=figures)),
    ):
        act = partial(pages.act, steps=ordered, show=show)
        found.append(path(f"shops/<str:shop_id>/{name}", act, name=f"{name}-shop"))
    beside: list[tuple[str, str, StepView]] = [
        ("", "order-system", partial(order_system, figures=figures)),
        ("new", "credentials-new", new_credentials),
        ("<str:client_id>/secret", "credentials-secret", new_secret),
        ("<str:client_id>/revoke", "credentials-revoke", revoke),
        ("<str:client_id>/revoke/<str:secret>", "credentials-revoke-secret", revoke),
    ]
    for route, name, show in beside:
        act = partial(pages.act, steps=ordered, show=show)
        found.append(path(f"shops/<str:shop_id>/order-system/{route}", act, name=name))
    for step in ordered:
        address = f"shops/<str:shop_id>/setup/{step.slug}/"
        show = partial(pages.step, steps=ordered, which=step, show=step.show)
        found.append(path(address, show, name=f"setup-{step.slug}"))
        for page in step.pages:
            show = partial(pages.step, steps=ordered, which=step, show=page.show)
            found.append(path(f"{address}{page.route}", show, name=f"setup-{step.slug}-{page.name}"))
    return found
