"""Addresses under /api/v1/crm/."""

from rest_framework.routers import SimpleRouter

from apps.crm.api import views
from apps.crm.api.imports import ImportViewSet

router = SimpleRouter()
# What is asked most comes first: each address before costs a comparison.
router.register("deals", views.DealViewSet)
router.register("companies", views.CompanyViewSet)
router.register("people", views.PersonViewSet)
router.register("contact-points", views.ContactPointViewSet)
router.register("employments", views.EmploymentViewSet)
router.register("products", views.ProductViewSet)
router.register("tags", views.TagViewSet)
router.register("lost-reasons", views.LostReasonViewSet)
router.register("pipelines", views.PipelineViewSet)
router.register("stages", views.StageViewSet)
router.register("deal-lines", views.DealLineViewSet)
router.register("transitions", views.TransitionViewSet)
router.register("imports", ImportViewSet)
urlpatterns = router.urls
