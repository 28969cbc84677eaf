"""The admin's pages of people and of the queue: for administrators alone, whatever a group was given."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django_q.admin import FailAdmin, QueueAdmin, ScheduleAdmin
from django_q.admin import TaskAdmin as SuccessAdmin
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from merchants.act_pages import ReasonForm, act_page
from merchants.audit import record_act
from merchants.models import StaffAssignment
from merchants.tenant_admin import TenantAdmin, TenantInline


class AdministratorsOnly(TenantAdmin):
    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_administrator(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_administrator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _is_administrator(request) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_administrator(request) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_administrator(request) and super().has_delete_permission(request, obj)


def _is_administrator(request: HttpRequest) -> bool:
    return request.user.is_active and request.user.is_superuser


class AssignmentInline(TenantInline):
    model = StaffAssignment
    exclude = None
    autocomplete_fields = ("merchant",)


# Second factors and identities belong to a user's own pages; no page shows or changes them besides.
for model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
for model in (User, Group, Failure, Schedule, Success):
    admin.site.unregister(model)
if admin.site.is_registered(OrmQ):  # django-q2 shows it only where wake-ups are rows, not with Redis
    admin.site.unregister(OrmQ)


@admin.register(User)
class UserAdmin(AdministratorsOnly, DjangoUserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = (AssignmentInline,)
    list_display = ("username", "email", "roles", "is_superuser", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    readonly_fields = ("last_login", "date_joined", "second_factor")
    # Permissions come by role alone: a group.
    fieldsets = (
        (None, {"fields": ("username", "password", "second_factor")}),
        (_("Person"), {"fields": ("first_name", "last_name", "email")}),
        (_("Access"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "usable_password", "password1", "password2", "is_staff", "groups")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("Roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all()) or "-"

    @admin.display(description=_("Second factor"))
    def second_factor(self, user: User) -> SafeString | str:
        kinds = [each.get_type_display() for each in Authenticator.objects.filter(user=user).order_by("pk")]
        if not kinds:
            return str(_("None yet: asked for at the next sign-in."))
        address = reverse("admin:auth_user_second_factor", args=[user.pk])
        return format_html('{} · <a href="{}">{}</a>', ", ".join(kinds), address, _("Lost: remove it"))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.remove_second_factor)
        return [path("<path:object_id>/second-factor/", view, name="auth_user_second_factor"), *super().get_urls()]

    def remove_second_factor(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For somebody who lost their phone or key: they add another at their next sign-in."""
        user = self.get_object(request, object_id)
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            Authenticator.objects.filter(user=user).delete()
            record_act(
                act="Removed the second factor",
                actor=request.user,
                subject=user,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
            return HttpResponseRedirect(reverse("admin:auth_user_change", args=[user.pk]))
        effect = _("Their app, keys and recovery codes stop working. They add another factor at their next sign-in.")
        return act_page(
            self, request, row=user, title=_("Remove the second factor"), effect=effect, form=form, button=_("Remove")
        )


@admin.register(Group)
class GroupAdmin(AdministratorsOnly, DjangoGroupAdmin):
    pass


@admin.register(Failure)
class FailureAdmin(AdministratorsOnly, FailAdmin):
    pass


@admin.register(Success)
class SuccessfulTaskAdmin(AdministratorsOnly, SuccessAdmin):
    pass


@admin.register(Schedule)
class ScheduledTaskAdmin(AdministratorsOnly, ScheduleAdmin):
    pass


class QueuedTaskAdmin(AdministratorsOnly, QueueAdmin):
    pass


if not settings.REDIS_URL:
    admin.site.register(OrmQ, QueuedTaskAdmin)
