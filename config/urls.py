"""
Addresses.

Each app brings its part of the API in `api/urls.py`, which appears under `/api/v1/<app>/`; the gateway, which
speaks for no app of its own, stands at `/api/v1/` itself.
"""

from importlib.util import find_spec

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from apps.accounts.faces.declared import public
from apps.common.api import problems


def _exists(module: str) -> bool:
    parent = module.rpartition(".")[0]
    return find_spec(parent) is not None and find_spec(module) is not None


def _api_of_apps() -> list[URLPattern | URLResolver]:
    """Mount each app's `api/urls.py`."""
    mounted: list[URLPattern | URLResolver] = []
    # The apps on the upper floors, which are asked most, come last among the installed ones.
    for config in reversed([*apps.get_app_configs()]):
        if config.name.startswith("apps.") and _exists(f"{config.name}.api.urls"):
            place = "" if config.label == "gateway" else f"{config.label}/"
            mounted.append(path(place, include(f"{config.name}.api.urls")))
    return mounted


@public("leads to the admin, which asks who is there")
def front_door(request: HttpRequest) -> HttpResponse:
    return redirect("admin:index")


api = [
    *_api_of_apps(),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("me/", include("apps.accounts.api.own_urls")),
]

# The API first: each address before costs it a comparison.
urlpatterns = [
    path("api/v1/", include(api)),
    path("", front_door, name="front_door"),
    path("admin/", admin.site.urls),
    path("accounts/", include("apps.accounts.urls")),
    path("_allauth/", include("apps.accounts.entering.headless")),
    path("", include("apps.accounts.oauth.urls")),
    path("", include("apps.crm.urls")),
    path("", include("apps.documents.urls")),
    path("", include("apps.payments.urls")),
    path("", include("apps.notifications.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    re_path(r"^api/", problems.unknown_address),
]
if _exists("apps.gateway.urls"):
    urlpatterns.insert(0, path("", include("apps.gateway.urls")))

handler400 = problems.bad_request
handler403 = problems.permission_denied
handler404 = problems.not_found
handler500 = problems.server_error
