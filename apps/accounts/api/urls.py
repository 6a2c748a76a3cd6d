"""Addresses under /api/v1/accounts/."""

from rest_framework.routers import SimpleRouter

from apps.accounts.api import views

router = SimpleRouter()
router.register("users", views.UserViewSet)
router.register("teams", views.TeamViewSet)
router.register("roles", views.RoleViewSet)
router.register("memberships", views.MembershipViewSet)
router.register("api-keys", views.ApiKeyViewSet)
router.register("invitations", views.InvitationViewSet)
router.register("auth-events", views.AuthEventViewSet)
router.register("access-grants", views.AccessGrantViewSet)
urlpatterns = router.urls
