"""The step on ReBound: credentials that are tried out before they are kept, and a secret that is never shown again."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from merchants.models import ReboundAccount, ReboundEnvironment, Shop
from merchants.rebound_check import Credentials, Part, Tried, try_credentials
from merchants.services import store_account, use_account
from merchants.wizard.forms import PlainForm, posted
from merchants.wizard.steps import Place, Step, Text

NEW = "new"
WHAT_FAILED: dict[Part, Text] = {
    Part.NETWORK: gettext_lazy("ReBound cannot be reached"),
    Part.CREDENTIALS: gettext_lazy("ReBound refused the client id or the client secret"),
    Part.PERMISSION: gettext_lazy("The credentials are good, but may not read sales orders"),
    Part.FLOW: gettext_lazy("ReBound does not know the flow key"),
}
WHAT_TO_DO: dict[Part, Text] = {
    Part.NETWORK: gettext_lazy(
        "It is not your entry. Wait a minute and press the button again; what you typed is kept."
    ),
    Part.CREDENTIALS: gettext_lazy(
        "Copy both again, whole and without spaces, and check that they belong to the environment that you chose."
    ),
    Part.PERMISSION: gettext_lazy("Ask your implementation manager to allow reading sales orders for this client."),
    Part.FLOW: gettext_lazy("Copy the flow key again, or leave it empty if your account has one flow only."),
}


class AccountForm(PlainForm):
    needed = ("client_id", "client_secret")
    account = forms.ChoiceField(label=gettext_lazy("Account"), widget=forms.RadioSelect, required=False)
    environment = forms.ChoiceField(
        label=gettext_lazy("Environment"),
        choices=[
            (ReboundEnvironment.PROD, gettext_lazy("Production: real returns")),
            (ReboundEnvironment.PRE, gettext_lazy("Pre-production: for trying it out")),
        ],
        initial=ReboundEnvironment.PROD,
        widget=forms.RadioSelect,
        required=False,
    )
    client_id = forms.CharField(
        label=gettext_lazy("Client id"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    client_secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        max_length=1000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
    )
    flow_key = forms.CharField(
        label=gettext_lazy("Flow key"),
        max_length=255,
        required=False,
        help_text=gettext_lazy("Only if ReBound gave you one: it chooses among several flows."),
    )
    legal_entity = forms.CharField(
        label=gettext_lazy("Legal entity"),
        max_length=255,
        required=False,
        help_text=gettext_lazy("Only if your company has several at ReBound."),
    )

    def __init__(self, *args: Any, shop: Shop, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shop = shop
        self.accounts = {str(each.pk): each for each in ReboundAccount.objects.for_merchant(shop.merchant)}
        offered: list[tuple[str, Text]] = [(key, str(each)) for key, each in self.accounts.items()]
        account: Any = self.fields["account"]
        account.choices = [*offered, (NEW, gettext_lazy("Another account"))]
        account.initial = str(shop.rebound_account_id or next(iter(self.accounts), NEW))
        self.fields["client_secret"].help_text = (
            gettext_lazy("Kept encrypted and never shown again. Leave it empty to keep the one that is stored.")
            if self.accounts
            else gettext_lazy("Kept encrypted and never shown again.")
        )

    @property
    def chosen(self) -> ReboundAccount | None:
        return self.accounts.get(self.cleaned_data.get("account") or "")

    def clean_client_id(self) -> str:
        return str(self.cleaned_data["client_id"]).strip()

    def clean_client_secret(self) -> str:
        return str(self.cleaned_data["client_secret"]).strip()

    def clean(self) -> None:
        if self.chosen is None and not self.errors:
            if not self.cleaned_data.get("client_id"):
                self.add_error(
                    "client_id", _("Enter the client id that your implementation manager at ReBound gave you.")
                )
            if not self.cleaned_data.get("client_secret"):
                self.add_error("client_secret", _("Enter the client secret that came with the client id."))

    def credentials(self) -> Credentials:
        typed, chosen = self.cleaned_data, self.chosen
        if chosen is not None:
            return Credentials(
                environment=chosen.environment,
                client_id=typed["client_id"] or chosen.client_id,
                client_secret=typed["client_secret"] or chosen.client_secret,
                flow_key=typed["flow_key"] or chosen.flow_key,
            )
        return Credentials(
            environment=typed["environment"] or ReboundEnvironment.PROD,
            client_id=typed["client_id"],
            client_secret=typed["client_secret"],
            flow_key=typed["flow_key"],
        )

    def refuse(self, tried: Tried) -> None:
        """Say at the right field what ReBound would not take."""
        part = tried.failing
        assert part is not None  # noqa: S101  # asked only then
        field = {Part.CREDENTIALS: "client_secret", Part.FLOW: "flow_key"}.get(part)
        self.add_error(field, f"{WHAT_FAILED[part]}. {WHAT_TO_DO[part]}")


def rebound_account(request: HttpRequest, place: Place) -> HttpResponse:
    shop, now = place.shop, timezone.now()
    form = AccountForm(posted(request), shop=shop)
    tried = None
    if request.method == "POST" and form.is_valid():
        credentials = form.credentials()
        tried = try_credentials(credentials, now=now)
        if tried.failing:
            form.refuse(tried)
        else:
            kept = store_account(
                shop=shop,
                account=form.chosen,
                credentials=credentials,
                legal_entity=form.cleaned_data["legal_entity"],
                token=tried.token,
                now=now,
            )
            use_account(shop=shop, account=kept)
            said = _("ReBound answered in %(seconds)s s: the account works.") % {"seconds": f"{tried.seconds:.1f}"}
            messages.success(request, said)
            return place.saved(request)
    account = shop.rebound_account
    others = (
        Shop.objects.for_merchant(shop.merchant).filter(rebound_account=account).exclude(pk=shop.pk) if account else []
    )
    return place.page(
        request, "wizard/rebound.html", {"form": form, "tried": tried, "account": account, "others": list(others)}
    )


def facts(shop: Shop) -> list[tuple[Text, Text]]:
    account = shop.rebound_account
    if account is None:
        return []
    return [
        (gettext_lazy("Client id"), f"{account.client_id} ({ReboundEnvironment(account.environment).label})"),
        *([(gettext_lazy("Flow key"), account.flow_key)] if account.flow_key else []),
        *([(gettext_lazy("Legal entity"), account.legal_entity)] if account.legal_entity else []),
    ]


def warnings(shop: Shop) -> list[Text]:
    account = shop.rebound_account
    if account is not None and account.broken_at:
        return [gettext_lazy("ReBound refuses the account: enter its credentials again.")]
    if account is not None and account.environment == ReboundEnvironment.PRE:
        return [gettext_lazy("The account is one of pre-production: its labels are not real.")]
    return []


REBOUND = Step(
    slug="rebound",
    title=gettext_lazy("Connect ReBound"),
    lead=gettext_lazy("Your credentials, tried out at once."),
    show=rebound_account,
    is_done=lambda shop: shop.rebound_account is not None and shop.rebound_account.broken_at is None,
    facts=facts,
    warnings=warnings,
    blocks=True,
    is_copied=True,
)
