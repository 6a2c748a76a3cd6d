"""Addresses under /api/v1/accounts/."""

from rest_framework.routers import SimpleRouter

from apps.accounts.api import service_accounts, views

router = SimpleRouter()
router.register("users", views.UserViewSet)
router.register("teams", views.TeamViewSet)
router.register("roles", views.RoleViewSet)
router.register("memberships", views.MembershipViewSet)
router.register("api-keys", views.ApiKeyViewSet)
router.register("invitations", views.InvitationViewSet)
router.register("auth-events", views.AuthEventViewSet)
router.register("access-grants", views.AccessGrantViewSet)
router.register("service-accounts", service_accounts.ServiceAccountViewSet, basename="service-account")
urlpatterns = router.urls
