"""Pages of money outside the admin: what customers pay by."""

from django.urls import URLPattern, URLResolver, path

from apps.payments.pages import demo, paying

app_name = "payments"
urlpatterns: list[URLPattern | URLResolver] = [
    path("pay/back/<str:signed>/", paying.back, name="back"),
    path("pay/demo/<str:name>/", demo.demo, name="demo"),
    path("pay/<str:token>/", paying.pay, name="pay"),
    path("pay/<str:token>/paper/", paying.paper, name="pay_paper"),
]
