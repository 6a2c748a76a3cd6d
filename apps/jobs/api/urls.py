"""The jobs' part of the API."""

from rest_framework.routers import SimpleRouter

from apps.jobs.api.views import JobViewSet

router = SimpleRouter()
router.register("", JobViewSet, basename="job")
urlpatterns = router.urls
