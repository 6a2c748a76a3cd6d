"""What applications may do for somebody, and taking it back."""

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from apps.accounts import services
from apps.accounts.faces.admin import actor_of
from apps.accounts.models import ConsentGrant
from apps.accounts.oauth.words import in_words


@method_decorator(never_cache, name="dispatch")
class ConnectedView(LoginRequiredMixin, View):
    """What somebody has agreed to, an application each."""

    own_only = "shows, and takes back, nobody's consents but one's own"

    def get(self, request: HttpRequest) -> HttpResponse:
        consents = services.own_consents(actor_of(request))
        shown = [
            {
                "pk": one.pk,
                "application": one.application,
                "given_at": one.given_at,
                "words": in_words(one.scopes),
            }
            for one in consents
        ]
        return render(request, "oauth/connected.html", {"consents": shown})

    def post(self, request: HttpRequest) -> HttpResponse:
        text = request.POST.get("consent", "")
        if text.isascii() and text.isdigit():
            try:
                services.withdraw_consent(int(text), actor=actor_of(request))
            except ConsentGrant.DoesNotExist:
                # Taken back in another window: the list says so.
                return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(request.path)
