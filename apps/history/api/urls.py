"""History's part of the API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from apps.history.api.views import ChangeSetViewSet, RowStoryView

router = SimpleRouter()
router.register("change-sets", ChangeSetViewSet, basename="change-set")
urlpatterns = [path("rows/<str:label>/<str:row_id>/", RowStoryView.as_view()), *router.urls]
