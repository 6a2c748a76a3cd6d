"""Addresses under /api/v1/lists/."""

from rest_framework.routers import SimpleRouter

from apps.lists.api.bulk import BulkEditViewSet

router = SimpleRouter()
router.register("bulk-edits", BulkEditViewSet)
urlpatterns = router.urls
