"""Addresses under /api/v1/lists/."""

from rest_framework.routers import SimpleRouter

from apps.lists.api.bulk import BulkEditViewSet
from apps.lists.api.exports import ExportViewSet
from apps.lists.api.views import SavedViewViewSet

router = SimpleRouter()
router.register("bulk-edits", BulkEditViewSet)
router.register("exports", ExportViewSet)
router.register("views", SavedViewViewSet)
urlpatterns = router.urls
