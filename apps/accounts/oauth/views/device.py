"""Where somebody types the code that a device shows."""

from django import forms
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.cache import never_cache

from apps.accounts import services
from apps.accounts.faces.admin import actor_of
from apps.accounts.oauth import session
from apps.accounts.oauth.words import in_words


class CodeForm(forms.Form):
    """The code that a device shows."""

    user_code = forms.CharField(
        label=_("Code on the device"),
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )


@method_decorator(never_cache, name="dispatch")
class DeviceView(LoginRequiredMixin, View):
    """Lets a device in for whoever is logged in: first the code, then what the device may do."""

    own_only = "a device is let in for nobody but whoever says so"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._ask_for_code(request, CodeForm(initial={"user_code": request.GET.get("user_code", "")}))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = CodeForm(request.POST)
        if not form.is_valid():
            return self._ask_for_code(request, form)
        typed, decision = form.cleaned_data["user_code"], request.POST.get("decision")
        try:
            if decision is not None:
                return self._answer(request, typed, is_approved=decision == "allow")
            device = services.find_device(typed, actor=actor_of(request))
        except ValidationError as error:
            form.add_error(None, error)
            return self._ask_for_code(request, form)
        context = {
            "application": device.application,
            "words": in_words(device.scopes),
            "user_code": services.spoken(device.user_code),
        }
        return render(request, "oauth/device_consent.html", context)

    def _answer(self, request: HttpRequest, typed: str, *, is_approved: bool) -> HttpResponse:
        actor = actor_of(request)
        login = session.login_of(request, actor)
        device = services.answer_device(typed, is_approved=is_approved, login=login, actor=actor)
        context = {"application": device.application, "is_approved": is_approved}
        return render(request, "oauth/device_done.html", context)

    def _ask_for_code(self, request: HttpRequest, form: CodeForm) -> HttpResponse:
        return render(request, "oauth/device.html", {"form": form}, status=400 if form.errors else 200)
