"""Pages of the sales side outside the admin: what customers are given by a link."""

from django.urls import URLPattern, URLResolver, path

from apps.crm.pages import quotes

app_name = "crm"
urlpatterns: list[URLPattern | URLResolver] = [
    path("q/<str:token>/", quotes.quote, name="quote"),
    path("q/<str:token>/paper/", quotes.paper, name="quote_paper"),
]
