"""Acts on one return: a page that says what will happen and asks why, and nothing happens before it is sent.

Running again shows first what a run would do (a dry run), and what of that differs from what was done.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from matching.candidates import candidates_for, suggestions_for
from matching.decision_words import in_words
from matching.models import SalesOrder
from matching.services import current_match
from merchants.act_pages import ReasonForm, act_page
from returns.acts import ON_ONE, PERMISSION_OF, ActRefusedError, Name, link_to_order, perform, take_back
from returns.admin.dry_run_words import in_words as difference_in_words
from returns.bell import bell
from returns.dry_run import DryRun, dry_run
from returns.models import Act, Kind, ManualAct, TikTokReturn
from returns.rehearsals import WITH_DRY_RUN
from returns.steps.match import subject_of

EFFECTS = {
    Name.RUN_AGAIN: _(
        "TikTok is asked again, and the return goes on from where its facts say it stands. What exists at ReBound is "
        "never created twice."
    ),
    Name.MATCH_AGAIN: _(
        "The rules decide anew, with the shop's settings of now. A label that was delivered stays as it is."
    ),
    Name.SEND_DIRECT: _("It no longer waits for an order and is created direct, without a link to the order."),
    Name.CANCEL_WAIT: _("The wait ends now. What matches is still linked, now or later."),
    Name.UNLINK: _("It belongs to no order, and the rules do not link it again until this is taken back."),
    Name.RESOLVE: _("Nothing is done for it any more, unless the buyer cancels it. This can be taken back."),
    Name.LINK: _(
        "Linked where exactly one order comes into question and the OMS itself says so: by the same id, or by naming "
        "the TikTok order. Lines take the items that TikTok's references name, never one by SKU; a line without one "
        "travels as an additional item. No automatic run changes the link, and each can be taken back."
    ),
}


class MayBeEmptyForm(ReasonForm):
    """Running again decides nothing, so that no reason is wanted."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].required = False


class ActViews:
    """Mixed into the admin of returns. `get_object` answers 404 for what is not theirs."""

    opts: Any
    admin_site: Any
    get_object: Any
    may: Any
    message_user: Any

    def act_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        urls = [
            path(f"<int:key>/{name}/", view(self._view_of(name)), name=f"returns_tiktokreturn_{name}")
            for name in ON_ONE
        ]
        urls.append(path("<int:key>/link/", view(self.link_view), name="returns_tiktokreturn_link"))
        urls.append(path("<int:key>/undo/", view(self.undo_view), name="returns_tiktokreturn_undo"))
        return urls

    def acts_on(self, request: HttpRequest, row: TikTokReturn, *, is_matched: bool) -> list[dict[str, Any]]:
        """The acts to offer on the page of a return: those that the role allows and its state does not rule out."""
        held = row.rebound_return
        fits = {
            Name.RUN_AGAIN: True,
            Name.MATCH_AGAIN: row.fetched_at is not None and (held is None or held.kind == "DIRECT"),
            Name.SEND_DIRECT: held is None and row.direct_asked_at is None,
            Name.CANCEL_WAIT: held is None and row.status == "WAITING" and row.match_wait_until is not None,
            Name.UNLINK: is_matched,
            Name.RESOLVE: row.resolved_at is None,
        }
        if row.status in {"CANCELLED", "NOT_OURS"}:
            fits = {Name.RUN_AGAIN: True}
        offered = [name for name in ON_ONE if fits.get(name) and self.may(request, name.value)]
        acts = [{"url": self._address(name, row), "label": name.label, "dry": name in WITH_DRY_RUN} for name in offered]
        if self.may(request, "link") and row.fetched_at and row.status not in {"CANCELLED", "NOT_OURS"}:
            acts.append({"url": self._address("link", row), "label": _("Link to order"), "dry": False})
        return acts

    def _address(self, name: str, row: TikTokReturn) -> str:
        return reverse(f"admin:returns_tiktokreturn_{name}", args=[row.pk])

    def _view_of(self, name: Name) -> Any:
        def act_view(request: HttpRequest, key: int) -> HttpResponse:
            return self._act(request, key, name)

        return act_view

    def _allowed(self, request: HttpRequest, key: int, permission: str) -> TikTokReturn:
        row: TikTokReturn = self.get_object(request, str(key))
        if not self.may(request, permission):
            raise PermissionDenied
        return row

    def _act(self, request: HttpRequest, key: int, name: Name) -> HttpResponse:
        row = self._allowed(request, key, name.value)
        form_class = MayBeEmptyForm if name is Name.RUN_AGAIN else ReasonForm
        asks_first = request.method == "POST" and "dry" in request.POST
        form = form_class(request.POST if request.method == "POST" and not asks_first else None)
        if form.is_bound and form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                perform(name=name, tiktok_return=row, actor=request.user, reason=reason, now=timezone.now())  # type: ignore[arg-type]
            except ActRefusedError as error:
                form.add_error(None, str(error))
            else:
                return self._done(request, row, _("{act}: queued, and logged with your name.").format(act=name.label))
        rehearsal = dry_run(tiktok_return=row, now=timezone.now()) if asks_first and name in WITH_DRY_RUN else None
        buttons: list[tuple[str, Any]] = [("act", name.label)]
        if name in WITH_DRY_RUN and rehearsal is None:
            buttons.append(("dry", _("First show what it would do")))
        return act_page(
            self,  # type: ignore[arg-type]  # an admin, once mixed in
            request,
            row=row,
            title=name.label,
            effect=EFFECTS[name],
            form=form,
            buttons=buttons,
            rehearsal=rehearsal,
            rehearsed=_told(rehearsal) if rehearsal else None,
            would_differ=[difference_in_words(each) for each in rehearsal.differences] if rehearsal else None,
        )

    def _done(self, request: HttpRequest, row: TikTokReturn, said: str) -> HttpResponse:
        bell.ring()
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:returns_tiktokreturn_change", args=[row.pk]))

    # Linking by hand: choose the order, then its items

    def link_view(self, request: HttpRequest, key: int) -> HttpResponse:
        row = self._allowed(request, key, "link")
        orders = SalesOrder.objects.for_merchant(row.merchant).defer("payload", "customer_address")
        chosen = request.GET.get("order", "")
        if chosen:
            order = orders.filter(pk=chosen).first() if chosen.isdigit() else None
            if order is None:
                raise Http404
            return self._link_to(request, row, order)
        asked = request.GET.get("q", "").strip()
        subject = subject_of(row, lines=list(row.items.all()))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Link to order"),
            "opts": self.opts,
            "original": row,
            "asked": asked,
            "found": list(orders.filter(external_order_id=asked)[:20]) if asked else [],
            "candidates": candidates_for(shop=row.shop, subject=subject),
        }
        return TemplateResponse(request, "admin/returns/choose_order.html", context)

    def _link_to(self, request: HttpRequest, row: TikTokReturn, order: SalesOrder) -> HttpResponse:
        form = LinkForm(request.POST if request.method == "POST" else None, row=row, order=order)
        if form.is_bound and form.is_valid():
            try:
                link_to_order(
                    tiktok_return=row,
                    sales_order=order,
                    items=form.items(),
                    actor=request.user,  # type: ignore[arg-type]  # signed in: the admin's view sees to it
                    reason=form.cleaned_data["reason"],
                    now=timezone.now(),
                )
            except ActRefusedError as error:
                form.add_error(None, str(error))
            else:
                return self._done(request, row, _("Linked to {order}.").format(order=order))
        return act_page(
            self,  # type: ignore[arg-type]  # an admin, once mixed in
            request,
            row=row,
            title=_("Link to order {order}").format(order=order),
            effect=_(
                "The return is linked to this order with the items chosen here; lines that are left out travel as "
                "additional items. No automatic run changes it, and it can be taken back."
            ),
            form=form,
            button=_("Link"),
        )

    def undo_view(self, request: HttpRequest, key: int) -> HttpResponse:
        row = self.get_object(request, str(key))
        wanted = request.GET.get("act", "")
        # Whoever may do nothing of the kind is refused before anything is looked for.
        if not any(self.may(request, permission) for permission in PERMISSION_OF.values()):
            raise PermissionDenied
        act = ManualAct.objects.filter(tiktok_return=row, pk=wanted).first() if wanted.isdigit() else None
        if act is None or act.act == Act.UNDO:
            raise Http404
        if not self.may(request, PERMISSION_OF[Act(act.act)]):
            raise PermissionDenied
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                take_back(act=act, actor=request.user, reason=form.cleaned_data["reason"], now=timezone.now())  # type: ignore[arg-type]
            except ActRefusedError as error:
                form.add_error(None, str(error))
            else:
                return self._done(request, row, _("Taken back: {act}.").format(act=act.get_act_display()))
        return act_page(
            self,  # type: ignore[arg-type]  # an admin, once mixed in
            request,
            row=row,
            title=_("Take back: {act}").format(act=act.get_act_display()),
            effect=_("{who} gave as the reason: {reason}").format(who=act.by, reason=act.reason),
            form=form,
            button=_("Take back"),
        )


class LinkForm(ReasonForm):
    """The item of each returned line; an item that TikTok's reference names is chosen, a SKU only suggests one."""

    def __init__(self, *args: Any, row: TikTokReturn, order: SalesOrder, **options: Any) -> None:
        super().__init__(*args, **options)
        lines = list(row.items.order_by("return_line_item_id"))
        items = list(order.items.filter(removed_at__isnull=True).order_by("position"))
        subject = subject_of(row, lines=lines)
        suggested = {
            each.return_line_item_id: each.item.pk
            for each in suggestions_for(shop=row.shop, return_id=row.return_id, lines=subject.lines, order=order)
        }
        match = current_match(shop=row.shop, return_id=row.return_id)
        named = dict(match.items.values_list("return_line_item_id", "external_item_id")) if match else {}
        self._lines = {f"line_{line.pk}": line.return_line_item_id for line in lines}
        for name, line in zip(self._lines, lines, strict=True):
            line_id = line.return_line_item_id
            choices: list[tuple[str, Any]] = [("", _("Leave this line out"))]
            for item in items:
                note = _(" (suggested: the one free item with this SKU)") if suggested.get(line_id) == item.pk else ""
                choices.append((str(item.pk), f"{item.external_item_id or '-'} · {item}{note}"))
            same = [item.pk for item in items if item.external_item_id and item.external_item_id == named.get(line_id)]
            self.fields[name] = forms.ChoiceField(
                label=_("Item for {line}").format(line=line.name or line.seller_sku or line_id),
                choices=choices,
                required=False,
                initial=str(same[0]) if len(same) == 1 else "",
                widget=UnfoldAdminSelectWidget,
            )
        self.order_fields([*self._lines, "reason"])

    def items(self) -> dict[str, int | None]:
        chosen = {line: self.cleaned_data[name] for name, line in self._lines.items()}
        return {line: int(key) if key else None for line, key in chosen.items()}


def _told(rehearsal: DryRun) -> list[tuple[Any, Any]]:
    """What the dry run says, name and value, for people."""
    decision = rehearsal.decision
    told: list[tuple[Any, Any]] = [
        (_("Problem"), rehearsal.problem),
        (_("Decision"), in_words(f"{decision.outcome} {decision.reason or ''}".strip()) if decision else ""),
        (_("Steps that would follow"), ", ".join(str(step.label) for step in rehearsal.steps)),
        (_("It would then be"), rehearsal.rest.status.label if rehearsal.rest else ""),
        (_("Kind"), Kind(rehearsal.kind).label if rehearsal.kind else ""),
        (_("Order"), rehearsal.order),
        (_("Lane"), rehearsal.lane),
    ]
    return [(name, value) for name, value in told if value]
